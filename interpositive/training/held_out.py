"""Windows of held-out takes: how they are drawn, restored and measured, and the picture that a person judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.dailies.prepared_windows import MakeExample, known_damage
from interpositive.dailies.windows import TakeWindows
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.plate_colour import PlateColour
from interpositive.metrics.contract import MakeMetric
from interpositive.metrics.encoded import as_shown
from interpositive.metrics.shot_meter import Curves, ShotMeter, Values
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.records.publishing import write_file_whole

WindowCurves = dict[str, dict[str, list[float | None]]]
"""Curves by window and metric: a number a frame."""

_NUM_DRAWN = 256
"""Places that the windows are chosen from: enough for each of a few dozen takes to have several."""


@dataclass(frozen=True)
class HeldOutWindow:
    """A held-out window, damaged with a seed that training never uses, and its frames to judge.

    ``start`` is its first frame's number in the take, ``rate`` the take's frames per second,
    ``encoding`` the colour encoding of its frames, empty where it is not known.
    """

    take: str
    example: Example
    keep: range
    rate: Fraction
    start: int = 0
    encoding: str = ""

    @property
    def name(self) -> str:
        """The take, and which of its frames are judged."""
        return f"{self.take} frames {self.start + self.keep.start}-{self.start + self.keep[-1]}"

    @property
    def judged(self) -> Tensor:
        """Where the truth was hidden in the frames to judge, ``t 1 h w``."""
        hidden = self.example.condition.get("judged", self.example.mask)
        return hidden[self.keep.start : self.keep.stop]


def held_out_windows(
    groups: Sequence[TakeWindows],
    make_example: MakeExample,
    num_windows: int,
    num_frames: int,
    seed: int,
    damage_paths: Mapping[str, str],
) -> Iterator[HeldOutWindow]:
    """Windows in turn from the groups, spread over their takes, and damaged; known damage is not judged.

    The first windows are the same however many are asked for.
    """
    orders = [_spread(windows, -(-num_windows // len(groups))) for windows in groups]
    for index in range(num_windows):
        windows = groups[index % len(groups)]
        number = orders[index % len(groups)][index // len(groups)]
        place = windows.place(number, 1)
        windows.set_epoch(1)
        frames = windows[number]["frames"]
        windows.set_epoch(0)
        take = windows.takes[place.take]
        generator = generator_from("held out", seed, take.name, place.start, index)
        example = make_example(frames, generator, known_damage(windows, place, frames, damage_paths))
        first = max(0, (frames.shape[0] - num_frames) // 2)
        keep = range(first, min(frames.shape[0], first + num_frames))
        encoding = PlateColour(take.encoding, windows.encoding).values_encoding
        yield HeldOutWindow(take.name, example, keep, take.frame_rate, place.start, encoding)


def _spread(windows: TakeWindows, num: int) -> list[int]:
    """Numbers of windows: each of the take that has fewest so far, and as far as can be from the others there."""
    places = [windows.place(number, 1) for number in range(max(_NUM_DRAWN, num))]
    left, chosen = list(range(len(places))), list[int]()

    def crowded(number: int) -> tuple[int, int]:
        beside = [abs(places[c].start - places[number].start) for c in chosen if places[c].take == places[number].take]
        return len(beside), -min(beside, default=0)

    for _ in range(num):
        chosen.append(min(left, key=crowded))
        left.remove(chosen[-1])
    return chosen


@dataclass(frozen=True)
class WindowMeasures:
    """Each method's frames ``t 3 h w`` of a window, numbers and curves by method and metric, and what is missing."""

    frames: Mapping[str, Tensor]
    values: Values
    curves: Curves
    notes: list[str]


def measure_window(
    mini_model: MiniModel, window: HeldOutWindow, methods: Sequence[str], metrics: Sequence[MakeMetric]
) -> WindowMeasures:
    """Restore a window's frames to judge, and measure them as one shot whose hole is what is judged."""
    example, kept = window.example, slice(window.keep.start, window.keep.stop)
    assert example.target is not None
    restored = mini_model.restore(example, window.keep, methods)
    frames = {method: restored[method].frames.cpu() for method in methods}
    meter = ShotMeter(methods, metrics, rate=window.rate, has_reference=True, encoding=window.encoding)
    pictures = {**frames, "reference": example.target[kept], "plate": example.input[kept]}
    if not window.encoding:
        # Nobody can say what light beyond would look like.
        pictures = {name: picture.clamp(0.0, 1.0) for name, picture in pictures.items()}
    reference, plate = pictures.pop("reference"), pictures.pop("plate")
    meter.update(pictures, reference=reference, plate=plate, mask=window.judged)
    values, curves = meter.compute()
    return WindowMeasures(frames, values, curves, meter.notes())


def as_codes(pictures: Sequence[Tensor], encoding: str = "") -> NDArray[np.uint8]:
    """Pictures ``t c h w`` side by side as the review display shows them, as codes ``t h w c``.

    Where the encoding is not known they are shown as they are.
    """
    pictures = [as_shown(picture, encoding) for picture in pictures]
    strip = rearrange(torch.stack([picture.cpu() for picture in pictures]), "n t c h w -> t h (n w) c").numpy()
    return np.clip(np.rint(strip * 255.0), 0, 255).astype(np.uint8)


# Of each window, what is shown of it by label: codes ``h w 3`` of its middle frame.
WindowPictures = dict[str, dict[str, NDArray[np.uint8]]]


def middle_pictures(window: HeldOutWindow, frames: Mapping[str, Tensor]) -> dict[str, NDArray[np.uint8]]:
    """The middle judged frame as it was damaged, as each method of ``frames`` restored it, and as it was."""
    example, kept = window.example, slice(window.keep.start, window.keep.stop)
    assert example.target is not None
    shown = {"damaged": example.input[kept], **frames, "true": example.target[kept]}
    middle = len(window.keep) // 2
    return {label: as_codes([picture[middle : middle + 1]], window.encoding)[0] for label, picture in shown.items()}


class WindowsMovie:
    """A movie of windows as damaged, restored and true, side by side, one window after another.

    Windows of another raster than the first are left out. A movie of that name is made again.
    """

    def __init__(self, path: Path, first: HeldOutWindow) -> None:
        self.shape = first.example.input.shape[-2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        height, width = self.shape
        # 4:2:0 has colour for every second line and column.
        self._writer = MovieWriter(path, first.rate, 3 * width // 2 * 2, height // 2 * 2)

    def add(self, window: HeldOutWindow, frames: Tensor) -> None:
        """Append a window's judged frames (``t 3 h w``)."""
        example, kept = window.example, slice(window.keep.start, window.keep.stop)
        if example.input.shape[-2:] != self.shape or example.target is None:
            return
        strip = as_codes([example.input[kept], frames, example.target[kept]], window.encoding)
        self._writer.write(strip[:, : self._writer.height, : self._writer.width])

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.__exit__(kind, error, trace)


def write_preview(
    mini_model: MiniModel, window: HeldOutWindow, path: Path, shown: Sequence[str] = ("prior", "trained")
) -> None:
    """One held-out frame as damaged, restored by each method shown, and as it was; side by side in a PNG."""
    middle = window.keep[len(window.keep) // 2]
    keep = range(middle, middle + 1)
    restored: Mapping[str, Restored] = mini_model.restore(window.example, keep, shown)
    assert window.example.target is not None
    pictures: list[Tensor] = [window.example.input[middle : middle + 1]]
    pictures += [restored[method].frames for method in shown]
    pictures.append(window.example.target[middle : middle + 1])
    encoded = cv2.imencode(".png", as_codes(pictures, window.encoding)[0, ..., ::-1])[1]
    write_file_whole(path, encoded.tobytes())
