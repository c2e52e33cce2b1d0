"""What every method makes of held-out takes: the score that a run reports, and the picture that a person judges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.dailies.prepared_windows import MakeExample, known_damage
from interpositive.dailies.windows import TakeWindows
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.records.publishing import write_file_whole


@dataclass(frozen=True)
class HeldOutWindow:
    """A held-out window, damaged with a seed that training never uses, and its frames to judge."""

    take: str
    example: Example
    keep: range


def held_out_windows(
    groups: Sequence[TakeWindows],
    make_example: MakeExample,
    num_windows: int,
    num_frames: int,
    seed: int,
    damage_paths: Mapping[str, str],
) -> Iterator[HeldOutWindow]:
    """Draw windows in turn from the groups, and damage them; what is known to be damaged is not judged."""
    for index in range(num_windows):
        windows = groups[index % len(groups)]
        place = windows.place(index, 1)
        windows.set_epoch(1)
        frames = windows[index]["frames"]
        windows.set_epoch(0)
        generator = generator_from("held out", seed, windows.takes[place.take].name, place.start, index)
        example = make_example(frames, generator, known_damage(windows, place, frames, damage_paths))
        first = max(0, (frames.shape[0] - num_frames) // 2)
        yield HeldOutWindow(
            windows.takes[place.take].name, example, range(first, min(frames.shape[0], first + num_frames))
        )


def squared_error(example: Example, restored: Restored, keep: range) -> tuple[float, float]:
    """Sum of squared errors where the truth was hidden, and the number of values summed."""
    assert example.target is not None
    frames = slice(keep.start, keep.stop)
    judged = example.condition.get("judged", example.mask)[frames]
    error = ((restored.frames - example.target[frames]).square() * judged).sum()
    return float(error), float(judged.sum() * restored.frames.shape[1])


def held_out_psnr(mini_model: MiniModel, windows: Sequence[HeldOutWindow]) -> dict[str, float | None]:
    """Hole PSNR in dB of each method, pooled over all windows; None where no pixel was judged."""
    sums = {method: [0.0, 0.0] for method in mini_model.methods}
    for window in windows:
        for method, restored in mini_model.restore(window.example, window.keep).items():
            error, count = squared_error(window.example, restored, window.keep)
            sums[method][0] += error
            sums[method][1] += count
    return {
        method: -10.0 * math.log10(max(error, 1e-12) / count) if count else None
        for method, (error, count) in sums.items()
    }


def write_preview(
    mini_model: MiniModel, window: HeldOutWindow, path: Path, shown: Sequence[str] = ("prior", "trained")
) -> None:
    """One held-out frame as damaged, restored by each method shown, and as it was; side by side in a PNG."""
    middle = window.keep[len(window.keep) // 2]
    keep = range(middle, middle + 1)
    restored: Mapping[str, Restored] = mini_model.restore(window.example, keep, shown)
    assert window.example.target is not None
    pictures: list[Tensor] = [window.example.input[middle]]
    pictures += [restored[method].frames[0] for method in shown]
    pictures.append(window.example.target[middle])
    strip = rearrange(torch.stack([p.cpu() for p in pictures]), "n c h w -> h (n w) c").numpy()
    codes = np.clip(np.rint(strip * 255.0), 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".png", codes[..., ::-1])[1]
    write_file_whole(path, encoded.tobytes())
