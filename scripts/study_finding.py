"""The scoreboard's finders alone: recall, precision and false alarms of ``mask=auto``, without any mini-model.

    python scripts/study_finding.py output [--task plate_cleaning] [--productions stage] [--stage-seed 9001] \
        [--keys finder.max_steps=2000]

Finders learn as the scoreboard's do, unless ``--keys`` say otherwise, and are judged by its own code on the
same shots, or on those of a stage of another seed (in another output folder). Beside the table,
output/pictures/<task>/<production> shows each drawing, what was found of it (right calls green, wrong ones red, misses
blue), and the likelihoods. Resumable: what was judged in output/<task>.json is not done again. Real footage lies in
``INTERPOSITIVE_MATERIAL``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "experiments" / "scoreboard"))

import interpositive.training  # noqa: F401  isort: skip
import cv2
import torch
from boards import BOARDS, PRODUCTIONS, Board
from finding import Seen, judged_shot
from held_out_footage import bring_in
from judging import held_out, plain_config, training_keys

from interpositive.cli.assembling import assemble
from interpositive.cli.training import assemble_training
from interpositive.mini_models.finder import Counts
from interpositive.mini_models.finder_archive import FINDER_NAME, load_finder
from interpositive.tasks.removal import Removal
from interpositive.training.finder_training import train_finder
from interpositive.training.stopping import StopRequests


def main() -> None:
    beside = Path(__file__).resolve().parents[2] / "shared" / "material"
    boards = {board.task: board for board in BOARDS if board.found}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--task", choices=list(boards), default="wire_removal")
    names = [production.name for production in PRODUCTIONS]
    parser.add_argument("--productions", nargs="+", choices=names, default=names)
    parser.add_argument("--keys", nargs="*", default=[], help="changes of the configuration of `interpositive train`")
    parser.add_argument("--stage-seed", type=int, help="another stage than the scoreboard's, to develop on")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    cv2.setNumThreads(torch.get_num_threads())
    output = given.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{given.task}.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    material = Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside))
    pooled = {"stage": Seen(), "real": Seen()}
    for production in (p for p in PRODUCTIONS if p.name in given.productions):
        if production.is_stage and given.stage_seed is not None:
            production = replace(production, seed=given.stage_seed)
        if not bring_in(production, material, output):
            print(f"{production.name}: {production.source} is not in the material", file=sys.stderr)
            continue
        if production.name not in results:
            results[production.name] = study(boards[given.task], production.name, output, given.keys)
            path.write_text(json.dumps(results, indent=1))
        result = results[production.name]
        seen = Seen(**{**result["seen"], "counts": Counts(**result["seen"]["counts"])})
        pooled["stage" if production.is_stage else "real"] += seen
        tell(production.name, seen, result["learned"])
    for where, seen in pooled.items():
        if seen.shots:
            tell(f"all, {where}", seen, f"pooled over {seen.shots} shots")


def tell(name: str, seen: Seen, words: str) -> None:
    """A line of the table."""
    numbers = "  ".join(f"{key} {value:.3f}" for key, value in seen.numbers.items() if not isinstance(value, str))
    print(f"{name:20} {numbers}  {words}", flush=True)


def study(board: Board, production: str, output: Path, keys: list[str]) -> dict[str, object]:
    """A finder trained on a production, and judged on its held-out takes."""
    plain = plain_config("train", [*training_keys(board, board.delivered, production, output, False), *keys])
    assembled = assemble_training(plain)
    assert assembled.finding is not None
    began, folder = (time.perf_counter(), time.process_time()), output / "runs" / production / board.task
    digest, recipe = train_finder(assembled.finding, folder, production, board.task, assembled.settings, StopRequests())
    seconds, cpu_seconds = time.perf_counter() - began[0], time.process_time() - began[1]
    kept = load_finder(folder / FINDER_NAME, digest)
    drawing: Removal = assemble(plain_config("train", [f"task={board.task}", *board.found])["task"], "task", Removal)
    pictures = output / "pictures" / board.task / production
    takes = held_out(output / "productions" / production)
    seen = sum((judged_shot(kept, drawing, take, pictures) for take in takes), Seen())
    learned = f"held-out {recipe.words}; {recipe.settling}; {seconds:.0f} s, {cpu_seconds:.0f} of one core"
    return {"seen": asdict(seen), "learned": learned}


if __name__ == "__main__":
    main()
