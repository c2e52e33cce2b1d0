"""The scoreboard: every task by every mini-model and baseline, on the soundstage and on real shots, with known truth.

    python scripts/bench_quality.py --output <folder> [--material <folder>] [--only TASK ...] [--quick]

Each mini-model learns through the door of `interpositive train` and is judged on takes it never saw. Settings are one
set a task. What was trained and measured already is read, not repeated, if what it was made of is the same: a killed
command goes on. Tables go to <folder>/table.md, a page to <folder>/index.html that leads to each task's shots in
motion; --readme also puts the tables, and pictures of the soundstage, into experiments/scoreboard/.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments" / "scoreboard"))

from interpositive.cli.main import STEPS_SPIN, THREADS_SLEEP

os.environ.update(THREADS_SLEEP | STEPS_SPIN)

import interpositive.training  # noqa: F401  isort: skip
import cv2
import torch
from bars import Costs
from boards import BOARDS, PRODUCTIONS, QUICK_PRODUCTIONS, TIMED_FRAMES, TIMED_HEIGHTS, Board
from cost import cost_of
from finding import finding
from held_out_footage import HeldOut, bring_in
from judging import held_out, judged, seconds_to_train, trained
from report import Judged, as_markdown, merged, write_index, write_task_page
from strips import write_readme

from interpositive.cli.chatter import quiet_libraries
from interpositive.mini_models.archive import load_archive
from interpositive.records.evaluation_record import ShotReport
from interpositive.records.publishing import write_file_whole

HERE = Path(__file__).resolve().parents[1] / "experiments" / "scoreboard"


def main() -> None:
    beside = Path(__file__).resolve().parents[2] / "shared" / "material"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--material", type=Path, default=Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside)))
    parser.add_argument("--only", nargs="*", default=[], choices=[board.task for board in BOARDS])
    parser.add_argument("--productions", nargs="*", default=[], choices=[each.name for each in PRODUCTIONS])
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, half of the frames, fewer shots")
    parser.add_argument("--no-cost", action="store_true", help="leave time and memory at 1080p out")
    parser.add_argument("--readme", action="store_true", help="also write experiments/scoreboard/README.md's tables")
    given = parser.parse_args()
    quiet_libraries()
    output = given.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    cv2.setNumThreads(torch.get_num_threads())
    wanted = given.productions or (QUICK_PRODUCTIONS if given.quick else [p.name for p in PRODUCTIONS])
    there = []
    for production in (p for p in PRODUCTIONS if p.name in wanted):
        if bring_in(production, given.material, output):
            there.append(production)
        else:
            print(f"{production.name}: not measured, {production.source} is not in the material", file=sys.stderr)
    everything: list[Judged] = []
    pages: dict[str, Path] = {}
    for board in (b for b in BOARDS if not given.only or b.task in given.only):
        everything.append(judge(board, there, output, given.quick, not given.no_cost))
        pages[board.task] = write_task_page(everything[-1], output / board.task)
        # After each task: what is there so far is a whole table.
        write_file_whole(output / "table.md", "\n".join(as_markdown(judged) for judged in everything))
        index = write_index(everything, pages, output)
    print((output / "table.md").read_text())
    print(f"page: {index}")
    if given.readme:
        write_readme(everything, HERE, output)


def judge(board: Board, productions: Sequence[HeldOut], output: Path, quick: bool, with_cost: bool) -> Judged:
    """Train and judge every mini-model of a task on every production."""
    reports: dict[str, list[ShotReport]] = {name: [] for name in board.mini_models}
    costs: Costs = {}
    runs: dict[str, Path] = {}
    delivered: list[Path] = []
    for production in productions:
        for name in board.mini_models:
            run = trained(board, name, production, output, quick)
            runs.setdefault(name, run)
            if name == board.delivered:
                delivered.append(run)
            took = seconds_to_train(run)
            key = "train" if name == board.delivered else f"train {name}"
            # The slowest of the productions.
            if took["two_cores"] >= float(costs.get(key, {}).get("two_cores", 0.0)):
                costs[key] = {**took, "over": production.name}
            reports[name] += judged(board, name, production, run, output, quick)
    if board.found:
        costs |= finding(board, delivered, output)
    if with_cost:
        take = Path(held_out(output / "productions" / productions[0].name)[0].path)
        for name, run in runs.items():
            method = load_archive(run / "archive")[0].trained_method
            for height in TIMED_HEIGHTS:
                num_frames = TIMED_FRAMES // 3 if quick else TIMED_FRAMES
                found = cost_of(run, take, method, height, num_frames, output / "costs" / board.task / name)
                of = method if name == board.delivered else name
                costs[f"{of} {height}"] = {**found, "over": f"{found['num_frames']} frames"}
                if name == board.delivered:
                    costs[f"apply {height}"] = costs[f"{of} {height}"]
    return Judged(board, merged(board, reports), reports[board.delivered], costs)


if __name__ == "__main__":
    main()
