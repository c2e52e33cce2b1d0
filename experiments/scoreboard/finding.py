"""What a run's finder sees by itself (``mask=auto``), against what was drawn over takes that it never learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from bars import Costs
from boards import Board
from judging import SEED, held_out, plain_config

from interpositive.cli.assembling import assemble
from interpositive.cli.runs import open_run
from interpositive.dailies.opening import open_take
from interpositive.functional.seeds import seed_from
from interpositive.media.contract import code_range
from interpositive.mini_models.finder import VISIBLE, Counts, count
from interpositive.records.digests import sha256_of_value
from interpositive.records.publishing import write_file_whole
from interpositive.tasks.removal import Removal

WINDOW_FRAMES, DRAWINGS = 24, 3


def finding(board: Board, runs: Sequence[Path], output: Path) -> Costs:
    """Recall, precision and F1 of the finders of a task's runs, pooled on the soundstage and on real footage."""
    pooled = {"finder stage": Counts(), "finder real": Counts()}
    shots = dict.fromkeys(pooled, 0)
    for run in runs:
        production = run.name.rsplit(f"_{board.delivered}", 1)[0]
        counts, num = looked(board, run, production, output)
        where = "finder stage" if production == "stage" else "finder real"
        pooled[where] += counts
        shots[where] += num
    return {
        where: {
            "recall": counts.recall,
            "precision": counts.precision,
            "f1": counts.f_score(),
            "over": f"{shots[where]} shots, {DRAWINGS} drawings each",
        }
        for where, counts in pooled.items()
        if shots[where]
    }


def looked(board: Board, run: Path, production: str, output: Path) -> tuple[Counts, int]:
    """Pixels of a production's held-out shots under several drawings, and how many shots; read if counted before."""
    node = plain_config("train", [f"task={board.task}", *board.found])["task"]
    takes = held_out(output / "productions" / production)
    opened = open_run(run)
    asked = sha256_of_value(
        [node, SEED, WINDOW_FRAMES, DRAWINGS, opened.record.finder_sha256, [t.sha256 for t in takes]]
    )
    path = output / "finders" / board.task / f"{production}.json"
    if path.is_file() and (record := json.loads(path.read_text()))["asked"] == asked:
        return Counts(**record["counts"]), len(takes)
    kept = opened.finder()
    assert kept is not None
    drawing: Removal = assemble(node, "task", Removal)
    counts = Counts()
    for take in takes:
        with closing(open_take(take)) as reader:
            span = min(WINDOW_FRAMES, len(reader))
            start = (len(reader) - span) // 2
            codes = reader.window(start, start + span)
        clean = codes.astype(np.float32) / code_range(codes)
        for number in range(DRAWINGS):
            random = np.random.default_rng(seed_from("finding", SEED, take.name, number))
            damaged, coverage = drawing.draw_over(clean, random)
            keep = range(span // 4, span, span // 3)
            likely = kept.finder.look(torch.from_numpy(damaged).permute(0, 3, 1, 2), keep)
            for frame, likelihood in zip(keep, likely, strict=True):
                # The faintest is not asked of it, and does not count as wrong either.
                drawn = coverage[frame] > 0.01
                wanted = drawn & (np.abs(damaged[frame] - clean[frame]).max(-1) > VISIBLE)
                counts += count(kept.recipe.settling.settle(likelihood), wanted, drawn)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file_whole(path, json.dumps({"asked": asked, "counts": asdict(counts)}, indent=1))
    return counts, len(takes)
