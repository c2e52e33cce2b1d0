"""What a run's finder sees by itself (``mask=auto``), against what was drawn over takes that it never learned from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from bars import Costs
from boards import PRODUCTIONS, Board
from judging import SEED, held_out, plain_config
from numpy.typing import NDArray

from interpositive.cli.assembling import assemble
from interpositive.cli.runs import open_run
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.functional.seeds import seed_from
from interpositive.media.contract import code_range
from interpositive.mini_models.finder import VISIBLE, Counts, count
from interpositive.mini_models.finder_archive import KeptFinder
from interpositive.records.digests import sha256_of_value
from interpositive.records.publishing import write_file_whole
from interpositive.tasks.removal import Removal

WINDOW_FRAMES, DRAWINGS = 24, 3


@dataclass(frozen=True)
class Seen:
    """Pixels counted under drawings, and of ``clean`` frames with nothing drawn, ``called`` with anything found."""

    counts: Counts = field(default_factory=Counts)
    clean: int = 0
    called: int = 0
    shots: int = 0

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.counts + other.counts, self.clean + other.clean, self.called + other.called, self.shots + other.shots
        )

    @property
    def numbers(self) -> dict[str, float | str]:
        """What is told of it."""
        return {
            "recall": self.counts.recall,
            "precision": self.counts.precision,
            "f1": self.counts.f_score(),
            "false_alarms": self.called / max(1, self.clean),
            "over": f"{self.shots} shots, {DRAWINGS} drawings each",
        }


def finding(board: Board, runs: Sequence[Path], output: Path) -> Costs:
    """Recall, precision and F1 of the finders of a task's runs, pooled on the soundstage and on real footage.

    ``false_alarms`` is the share of frames with nothing drawn in which something is found.
    """
    staged = {production.name for production in PRODUCTIONS if production.is_stage}
    pooled = {"finder stage": Seen(), "finder real": Seen()}
    for run in runs:
        production = run.name.rsplit(f"_{board.delivered}", 1)[0]
        pooled["finder stage" if production in staged else "finder real"] += looked(board, run, production, output)
    return {where: seen.numbers for where, seen in pooled.items() if seen.shots}


def looked(board: Board, run: Path, production: str, output: Path) -> Seen:
    """What is found in a production's held-out shots under several drawings; read if counted before."""
    node = plain_config("train", [f"task={board.task}", *board.found])["task"]
    takes = held_out(output / "productions" / production)
    opened = open_run(run)
    asked = sha256_of_value(
        [
            "drawings of each take's own, lines go on by their contrast, are seen in frames together, and may cross",
            node,
            SEED,
            WINDOW_FRAMES,
            DRAWINGS,
            opened.record.finder_sha256,
            [t.sha256 for t in takes],
        ]
    )
    path = output / "finders" / board.task / f"{production}.json"
    if path.is_file() and (record := json.loads(path.read_text()))["asked"] == asked:
        return Seen(**{**record["seen"], "counts": Counts(**record["seen"]["counts"])})
    kept = opened.finder()
    assert kept is not None
    drawing: Removal = assemble(node, "task", Removal)
    seen = sum((judged_shot(kept, drawing, take, path.with_suffix("")) for take in takes), Seen())
    write_file_whole(path, json.dumps({"asked": asked, "seen": asdict(seen)}, indent=1))
    return seen


def judged_shot(kept: KeptFinder, drawing: Removal, take: Take, pictures: Path) -> Seen:
    """What a finder finds in the middle of a take, with drawings and without; a picture of each drawing is left."""
    pictures.mkdir(parents=True, exist_ok=True)
    with closing(open_take(take)) as reader:
        span = min(WINDOW_FRAMES, len(reader))
        start = (len(reader) - span) // 2
        codes = reader.window(start, start + span)
    clean = codes.astype(np.float32) / code_range(codes)
    keep = range(span // 4, span, span // 3)
    masks = [mask for mask, _ in found_in(kept, clean, keep)]
    seen = Seen(clean=len(masks), called=sum(bool(mask.any()) for mask in masks), shots=1)
    for number in range(DRAWINGS):
        random = np.random.default_rng(seed_from("finding", SEED, take.sha256, number))
        damaged, coverage = drawing.draw_over(clean, random)
        for frame, (mask, likely) in zip(keep, found_in(kept, damaged, keep), strict=True):
            # The faintest is not asked of it, and does not count as wrong either.
            drawn = coverage[frame] > 0.01
            wanted = drawn & (np.abs(damaged[frame] - clean[frame]).max(-1) > VISIBLE)
            seen += Seen(count(mask, wanted, drawn))
            if frame == keep[1]:
                picture = np.concatenate((damaged[frame], marked(damaged[frame], mask, likely, wanted, drawn)), 1)
                codes = np.clip(picture[..., ::-1] * 255.0, 0, 255).astype(np.uint8)
                cv2.imwrite(str(pictures / f"{take.name}_{number}.png"), codes)
    return seen


def found_in(
    kept: KeptFinder, frames: NDArray[np.float32], keep: range
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
    """Mask and likelihood ``h w`` of each of the frames ``keep`` of a window ``t h w 3``."""
    values, settling = torch.from_numpy(frames).permute(0, 3, 1, 2), kept.recipe.settling
    for frame in keep:
        likely = settling.likely(kept.finder, values, frame)
        yield settling.settle(likely, frames[frame]), likely.max(0)


def marked(
    picture: NDArray[np.float32],
    mask: NDArray[np.bool_],
    likely: NDArray[np.float32],
    wanted: NDArray[np.bool_],
    drawn: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """A frame in the dark, beside how likely its pixels were: right calls are green, wrong ones red, misses blue."""
    near_mask, near_drawn = (cv2.dilate(m.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for m in (mask, drawn))
    shown = 0.4 * picture
    shown[mask & near_drawn] = (0.0, 1.0, 0.0)
    shown[mask & ~near_drawn] = (1.0, 0.0, 0.0)
    shown[wanted & ~near_mask] = (0.1, 0.5, 1.0)
    return np.concatenate((shown, np.repeat(likely[..., None], 3, 2)), 1)
