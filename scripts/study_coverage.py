"""How much of what is masked shows in other frames of the scoreboard's stages, and what that lets anyone gain.

    python scripts/study_coverage.py <the scoreboard's output folder> [--scenes 12A]

Of wires: the share of the hole that the untrained prior sees, that share's part of the prior's error, and how far
ahead of Telea a fill would be that had no error there and Telea's elsewhere. Of borders the share, and the same bound
if Telea's error lay evenly. No other take lends. Numbers are of 24 frames in the middle of each held-out shot.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments" / "scoreboard"))

import interpositive.training  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from boards import BOARDS, ON_PERFORMERS, PRODUCTIONS
from judging import SEED, held_out, plain_config
from numpy.typing import NDArray

from interpositive.cli.assembling import assemble
from interpositive.dailies.take import Take
from interpositive.delivery.evaluation import DamagedTake, EvaluationSettings, damage_take
from interpositive.delivery.restoring import frames_to_values
from interpositive.functional.examples import Example
from interpositive.media.plate_colour import AS_STORED
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.framing_fill import FramingFill
from interpositive.motion.spatial_fill import telea_fill
from interpositive.tasks.contract import Task

NUM_FRAMES, KEPT = 40, range(8, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--scenes", nargs="*", default=["12A"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    stages = [given.output / "productions" / production.name for production in PRODUCTIONS if production.is_stage]
    workspaces = [stage for stage in stages if (stage / "catalogue.sqlite").is_file()]
    if not workspaces:
        parser.error(f"{given.output} has no stage of the scoreboard: run bench_quality.py --output there first")
    for workspace in workspaces:
        for take in held_out(workspace):
            if take.slate.scene not in given.scenes:
                continue
            for label in ("", ON_PERFORMERS):
                shown, of_error, ahead = of_wires(damaged(take, "wire_removal", label))
                told = (
                    f"{shown:.2f} shows, with {of_error:.2f} of the error; without it and else as Telea {ahead:+.1f} dB"
                )
                print(f"{workspace.name} {take.slate.scene} wires {label or 'all'}: {told}", flush=True)
            shown = of_borders(damaged(take, "reframing", "0.75"))
            told = f"{shown:.2f} shows; else as Telea {-10 * math.log10(1 - shown):+.1f} dB"
            print(f"{workspace.name} {take.slate.scene} borders: {told}", flush=True)


def damaged(take: Take, task: str, label: str) -> DamagedTake:
    """A held-out shot as the scoreboard damages it."""
    board = next(board for board in BOARDS if board.task == task)
    made = assemble(plain_config("train", [f"task={task}", *board.judged[label]])["task"], "task", Task)
    return damage_take(take, made.example, EvaluationSettings(max_frames=NUM_FRAMES, seed=SEED, progress=False))


def as_example(shot: DamagedTake) -> Example:
    """The whole of it, with nothing lent."""
    plate = frames_to_values(shot.damaged, AS_STORED)
    return Example(plate, torch.from_numpy(shot.mask)[:, None], condition=shot.condition_of(0, len(plate)))


def of_wires(shot: DamagedTake) -> tuple[float, float, float]:
    """Share of the hole that shows, its part of the prior's error, and dB ahead of Telea were there none in it."""
    model, example = CandidateFusion().eval(), as_example(shot)
    restored, unseen = model.restore_moving(model.motion_of(example), KEPT, ["prior"])
    filled = restored["prior"].frames.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    pixels, ours, telea = np.zeros(2), np.zeros(2), np.zeros(2)
    for place, number in enumerate(KEPT):
        clean, hole = as_picture(shot.clean[number]), shot.mask[number] > 0
        simple = telea_fill(as_picture(shot.damaged[number]), hole)
        for which, where in enumerate((hole & ~unseen[place], hole & unseen[place])):
            pixels[which] += where.sum()
            ours[which] += np.square(filled[place] - clean)[where].sum()
            telea[which] += np.square(simple - clean)[where].sum()
    return share(pixels), share(ours), 10 * math.log10(telea.sum() / telea[1])


def share(parts: Sequence[float] | NDArray[np.float64]) -> float:
    """The first of all."""
    return float(parts[0] / sum(parts))


def of_borders(shot: DamagedTake) -> float:
    """Share of what lies beyond the frame that any view shows."""
    restored = FramingFill().eval().restore(as_example(shot), KEPT, ["prior"])["prior"]
    assert restored.seen is not None
    return float(restored.seen.sum() / (shot.mask[KEPT.start : KEPT.stop] > 0).sum())


def as_picture(frame: NDArray[np.generic]) -> NDArray[np.float32]:
    """A frame's values ``h w 3`` as stored."""
    return frames_to_values(frame[None], AS_STORED)[0].permute(1, 2, 0).numpy()


if __name__ == "__main__":
    main()
