"""How well a mini-model repairs frames of their own size: at more than 400 lines networks see them on a smaller raster.

    python scripts/study_large_frames.py <run> <movie> [<movie> ...] [--lines 540 720] [--num-frames 12] [--first 40]
        [--things]

Each movie is made smaller to so many lines (never larger), damaged by the task of the run that trained the mini-model,
and restored by it, by it with no plate looked at, by its prior and by Telea's inpainting: PSNR of the pixels under the
mask, of the pooled error of all frames, against the undamaged movie. Movies should be none that it learned from.
With --things it is damaged by blobs and limbs of its own texture, masked to their very edge, of which nothing is to be
kept: what is behind "plate not looked at" is what looking costs.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments" / "soundstage_base"))

import interpositive.training  # noqa: F401  isort: skip
import numpy as np
import torch
from einops import rearrange
from held_out_footage import scaled

from interpositive.cli.runs import open_run
from interpositive.delivery.restoring import frames_to_float
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from, seed_from
from interpositive.media.contract import Frames
from interpositive.media.opening import open_reader
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.tasks.contract import Task
from interpositive.tasks.objects import draw_objects
from interpositive.tasks.wires import coverage_to_mask

METHODS = ("trained", "prior", "telea")
UNSEEN = "plate not looked at"
COLUMNS = ("trained", UNSEEN, "prior", "telea")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder of a task whose mini-model is candidate_fusion")
    parser.add_argument("movies", type=Path, nargs="+")
    parser.add_argument("--lines", type=int, nargs="+", default=[540])
    parser.add_argument("--num-frames", type=int, default=12)
    parser.add_argument("--first", type=int, default=40, help="the first frame that is taken")
    parser.add_argument("--things", action="store_true", help="things masked to their edge, for the task's damage")
    given = parser.parse_args()
    opened = open_run(given.run)
    model = opened.mini_model.eval()
    if not isinstance(model, CandidateFusion):
        parser.error(f"{given.run} trained {type(model).__name__}; a run of candidate_fusion looks at plates")
    print("| movie | lines |", " | ".join(COLUMNS), "|")
    print("|---" * (2 + len(COLUMNS)) + "|")
    for movie in given.movies:
        reader = open_reader(movie)
        codes = reader.window(given.first, given.first + given.num_frames)
        reader.close()
        for lines in given.lines:
            if lines > codes.shape[1]:
                print(f"{movie.stem}: {lines} lines are left out, it has {codes.shape[1]}", file=sys.stderr)
                continue
            found = repaired(model, opened.task, scaled(codes, lines), given.things)
            print(f"| {movie.stem} | {lines} |", " | ".join(f"{found[name]:.2f}" for name in COLUMNS), "|", flush=True)


def with_things(truth: torch.Tensor) -> Example:
    """Frames ``t 3 h w`` with things in the way, masked to their very edge."""
    clean = rearrange(truth, "t c h w -> t h w c").numpy().astype(np.float32)
    drawn, coverage = draw_objects(clean, np.random.default_rng(seed_from("things")))
    mask = torch.from_numpy(coverage_to_mask(coverage, 0))[:, None]
    return Example(rearrange(torch.from_numpy(drawn), "t h w c -> t c h w").contiguous(), mask)


def repaired(model: CandidateFusion, task: Task, codes: Frames, things: bool) -> Mapping[str, float]:
    """PSNR of the pixels under the mask, by method."""
    truth = frames_to_float(codes)
    damaged = with_things(truth) if things else task.example(truth, generator_from("large frames"), None)
    told = {name: value for name, value in damaged.condition.items() if name != "judged"}
    example = Example(damaged.input, damaged.mask, condition={**told, **task.tell(damaged.input)})
    keep, holes = range(len(codes)), (damaged.mask > 0).expand_as(truth)

    def psnr(frames: torch.Tensor) -> float:
        return -10.0 * math.log10(float((frames - truth)[holes].square().mean()))

    restored = model.restore(example, keep, METHODS)
    found = {name: psnr(restored[name].frames) for name in METHODS}
    looked_at, model.plate_px_at_1080 = model.plate_px_at_1080, 0.0
    found[UNSEEN] = psnr(model.restore(example, keep, ["trained"])["trained"].frames)
    model.plate_px_at_1080 = looked_at
    return found


if __name__ == "__main__":
    main()
