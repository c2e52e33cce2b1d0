"""How well a mini-model repairs frames of their own size: at more than 400 lines networks see them on a smaller raster.

    python scripts/study_large_frames.py <run> <movie> [<movie> ...] [--lines 540 720] [--num-frames 12] [--first 40]

Each movie is made smaller to so many lines (never larger), damaged by the task of the run that trained the mini-model,
and restored by it, by it with no plate looked at, by its prior and by Telea's inpainting: PSNR of the pixels under the
mask, of the pooled error of all frames, against the undamaged movie. Movies should be none that it learned from.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments" / "soundstage_base"))

import interpositive.training  # noqa: F401  isort: skip
import torch
from held_out_footage import scaled

from interpositive.cli.runs import open_run
from interpositive.delivery.restoring import frames_to_float
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.contract import Frames
from interpositive.media.opening import open_reader
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.tasks.contract import Task

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
            found = repaired(model, opened.task, scaled(codes, lines))
            print(f"| {movie.stem} | {lines} |", " | ".join(f"{found[name]:.2f}" for name in COLUMNS), "|", flush=True)


def repaired(model: CandidateFusion, task: Task, codes: Frames) -> Mapping[str, float]:
    """PSNR of the pixels under the mask, by method."""
    truth = frames_to_float(codes)
    damaged = task.example(truth, generator_from("large frames"), None)
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
