"""Middle frames of gaps, untrained: PSNR of DIS interpolation and of frame fill's prior, by the length of the gap.

    python scripts/study_frames.py output [--seeds 9001 7001] [--clips sam2_cups void_ducky] [--gaps 1 3 8]
    python scripts/study_frames.py output --borders

With ``--borders``, what lies beyond frames that are cropped to three quarters, eight of each shot, instead.

For choosing what the prior does: the scoreboard's stage and clips are not looked at. Rendered once into output; real
footage lies in ``INTERPOSITIVE_MATERIAL``. A shot's number is of the pooled error of two gaps in 40 frames of it.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments" / "soundstage_base"))

import cv2
import numpy as np
import torch
from held_out_footage import SHOT_FRAMES, HeldOut, bring_in, scaled

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.opening import open_reader
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.frame_fill import FrameFill
from interpositive.mini_models.framing_fill import FramingFill
from interpositive.tasks.reframing import Reframing

SCENES = ("12A", "27", "31B", "44C")
METHODS = ("dis_interpolation", "prior")
NUM_GAPS, AROUND = 2, 2
BORDER_METHODS, BORDER_FRAMES, KEPT = ("edge", "telea", "prior"), range(16, 24), 0.75


def main() -> None:
    beside = Path(__file__).resolve().parents[2] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[9001, 7001])
    clips = ["sam2_cups", "imageio_cockatoo", "void_ducky", "skv_carphone"]
    parser.add_argument("--clips", nargs="*", default=clips)
    parser.add_argument("--gaps", type=int, nargs="+", default=[1, 2, 3, 8])
    parser.add_argument("--borders", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    material = Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside))
    if given.borders:
        for name, frames in shots(given.output.resolve(), material, given.seeds, given.clips):
            print(f"{name:20}", *(f"{m} {db:.2f}" for m, db in borders(name, frames).items()), flush=True)
        return
    gains: dict[int, list[float]] = {gap: [] for gap in given.gaps}
    for name, frames in shots(given.output.resolve(), material, given.seeds, given.clips):
        for gap in given.gaps:
            found = middles(frames, gap)
            gains[gap].append(found["prior"] - found["dis_interpolation"])
            print(f"{name:20} {gap} missing", *(f"{m} {db:.2f}" for m, db in found.items()), flush=True)
    for gap, each in gains.items():
        print(f"{gap} missing: prior over DIS {np.mean(each):+.3f} dB, {min(each):+.2f} at worst, {len(each)} shots")


def shots(output: Path, material: Path, seeds: list[int], clips: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and frames ``t 3 h w`` of held-out takes of the stage, and of clips."""
    paths = []
    for seed in seeds:
        name = f"stage_{seed}"
        bring_in(HeldOut(name, SCENES, seed), material, output)
        paths += [(f"{name}_{path.name[:3]}", path) for path in sorted((output / "stages" / name).rglob("*_T02_*"))]
    for name, path in [*paths, *((clip, material / "clips" / f"{clip}.mp4") for clip in clips)]:
        reader = open_reader(path)
        first = max(0, (len(reader) - SHOT_FRAMES) // 2)
        codes = scaled(reader.window(first, min(len(reader), first + SHOT_FRAMES)))
        reader.close()
        yield name, torch.from_numpy(codes).permute(0, 3, 1, 2).float() / 255.0


def middles(frames: torch.Tensor, gap: int) -> dict[str, float]:
    """PSNR of the middle frames of gaps that lie evenly over a shot."""
    model: MiniModel = FrameFill()
    errors = dict.fromkeys(METHODS, 0.0)
    places = np.linspace(AROUND, len(frames) - AROUND - gap, NUM_GAPS).round().astype(int)
    for first in places.tolist():
        mask = torch.zeros_like(frames[:, :1])
        mask[first : first + gap] = 1.0
        middle = first + gap // 2
        request = Example(torch.where(mask > 0, 0.0, frames), mask)
        for method, made in model.restore(request, range(middle, middle + 1), METHODS).items():
            errors[method] += float((made.frames[0] - frames[middle]).square().mean()) / NUM_GAPS
    return {method: -10.0 * math.log10(error) for method, error in errors.items()}


def borders(name: str, frames: torch.Tensor) -> dict[str, float]:
    """PSNR of what is cropped off a shot anywhere, as held-out takes are."""
    example = Reframing(kept_share=(KEPT, KEPT)).example(frames, generator_from("borders", name))
    model: MiniModel = FramingFill()
    kept = slice(BORDER_FRAMES.start, BORDER_FRAMES.stop)
    truth, count = frames[kept], 3 * float(example.mask[kept].sum())
    restored = model.restore(example, BORDER_FRAMES, BORDER_METHODS)
    errors = {method: float((made.frames - truth).square().sum()) for method, made in restored.items()}
    return {method: -10.0 * math.log10(error / count) for method, error in errors.items()}


if __name__ == "__main__":
    main()
