"""Does a run that is killed anywhere end as one that was not? Kills trainers by SIGKILL and compares all they leave.

    python scripts/check_kill_storm.py --trials 200 --saves 50

A warm parent forks a trainer of a tiny production, kills it, and starts it again with the same settings, one to three
times a trial. Kills fall anywhere, or are aimed: at a checkpoint, a preview, a judgement, the archive, the record.
Where one fell is read from what it left half written. Then the whole run folder is compared with that of a run in
peace: every file's bytes, every tensor and number of every checkpoint, every decision. What a clock said is left out,
by name. Exits 1 when a run ends otherwise, or a process or shared memory is left.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "training"))

from productions import TinyProduction, make_production
from safetensors.torch import save
from tiny_training import train_tiny
from torch import Tensor

from interpositive.records.digests import sha256_of_file
from interpositive.training.checkpoint_format import read_checkpoint

SETTINGS: dict[str, Any] = {"checkpoint_every": 2, "held_out_windows": 1, "held_out_frames": 1}
# What a clock said, in run.json, courses, metrics.csv and checkpoints; and the digest of a record that says it.
MEASURED_IN_RECORD = ("created", "seconds_training", "record_sha256")
MEASURED_SCORES = ("train/wait_share", "train/judge_share", "train/checkpoint_share")
MEASURED_IN_COURSE = "seconds"
MEASURED_IN_CHECKPOINT = "callbacks/Stopwatch/seconds"
# Files that hold such a number, so that their digests in the record differ.
MEASURED_FILES = ("held_out.json", "metrics.csv")
SEMAPHORES = f"kill_storm_{os.getpid()}"
# Places that are known by what a writer has in hand there.
WRITING = {
    "inside a save": "checkpoints/.step=*.part",
    "inside a preview": "previews/.step_*.part",
    "inside the archive": ".archive.*.part",
    "inside the record": ".run.json.*.part",
}
SAVE, JUDGING, ELSEWHERE = "inside a save", "while judging", "elsewhere"
PLACES = (*WRITING, JUDGING, ELSEWHERE)
# How often in a hundred kills are aimed at each.
AIMS = dict(zip(PLACES, (48, 6, 7, 7, 10, 22), strict=True))


@dataclass(frozen=True)
class Storm:
    """What all trials share."""

    production: TinyProduction
    folder: Path
    seconds: float
    pids: set[int] = field(default_factory=set)

    def start(self, run: Path, num_workers: int) -> int:
        """Fork a trainer; gives its process id."""
        return forked(
            lambda: train_tiny(self.production, self.folder / "prepared", run, num_workers=num_workers, **SETTINGS),
            run.with_suffix(".log"),
        )


def forked(work: Callable[[], object], log: Path) -> int:
    """Do something in a child of this process; it exits with 0, or with 1 and a trace in its log."""
    if pid := os.fork():
        return pid
    try:
        # Else nobody could tell whose they are.
        multiprocessing.current_process()._config["semprefix"] = f"/{SEMAPHORES}"  # type: ignore[attr-defined]
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def finish(pid: int, log: Path) -> None:
    """Wait for a child that nobody kills."""
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        sys.exit(f"a trainer that was left alone failed:\n{log.read_text()[-4000:]}")


def half_written(run: Path, pattern: str) -> set[str]:
    return {path.name for path in run.glob(pattern)}


def all_half_written(run: Path) -> set[str]:
    return {name for pattern in WRITING.values() for name in half_written(run, pattern)}


def wait_for_aim(
    storm: Storm, run: Path, pid: int, chance: random.Random, aim: str, left_before: Collection[str]
) -> bool:
    """Come back at the moment to kill; False if the trainer came to its end before."""
    start, seen = time.monotonic(), set[str]()
    movies, num_saves = half_written(run, "previews/*.mp4"), chance.randint(1, 4)
    until = chance.uniform(0.0, 1.1 * storm.seconds)
    while True:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        if aim == ELSEWHERE and time.monotonic() - start > until:
            return True
        if aim == JUDGING and half_written(run, "previews/*.mp4") - movies:
            time.sleep(chance.uniform(0.0, 0.15))
            return True
        if aim in WRITING:
            seen |= half_written(run, WRITING[aim]) - set(left_before)
            if len(seen) >= (num_saves if aim == SAVE else 1):
                time.sleep(chance.uniform(0.0, 0.003))
                return True
        time.sleep(0.0001)


def kill(pid: int) -> list[int]:
    """Kill a trainer, and nothing else; gives the processes that it had started."""
    started = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return started


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *descendants(child)]
    return found


def still_there(pids: list[int], patience: float = 20.0) -> list[int]:
    """Those of some processes that have not ended after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while left := [pid for pid in pids if is_alive(pid)]:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.02)
    return []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def place_of_kill(run: Path, left_before: Collection[str]) -> str:
    """Where the last kill fell, by what it left half written, and the kill before did not."""
    for place, pattern in WRITING.items():
        if half_written(run, pattern) - set(left_before):
            return place
    movies = sorted(half_written(run, "previews/*.mp4"))
    if movies and int(movies[-1][5:11]) > judged_steps(run)[-1]:
        return JUDGING
    return ELSEWHERE


def judged_steps(run: Path) -> list[int]:
    course = run / "held_out.json"
    return [0, *(point["step"] for point in json.loads(course.read_text())["points"])] if course.exists() else [0]


def final_state(run: Path) -> dict[str, object]:
    """All that a run folder holds, by name, but what a clock said."""
    state: dict[str, object] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        if path.parent.suffix == ".ckpt":
            continue
        if name == "run.json":
            record = json.loads(path.read_text())
            for measured in MEASURED_IN_RECORD:
                del record[measured]
            for measured in MEASURED_SCORES:
                del record["scores"][measured]
            for measured in MEASURED_FILES:
                del record["files"][measured]
            state[name] = record
        elif name == "held_out.json":
            state[name] = without_seconds(path.read_text())
        elif name == "metrics.csv":
            state[name] = [row for row in path.read_text().splitlines() if f",{MEASURED_SCORES[0]}," not in row]
        else:
            state[name] = sha256_of_file(path)
    for path in sorted((run / "checkpoints").iterdir()):
        flatten(read_checkpoint(path), f"checkpoints/{path.name}", state)
    return state


def without_seconds(course: str) -> object:
    read = json.loads(course)
    for point in read["points"]:
        del point[MEASURED_IN_COURSE]
    return read


def flatten(value: Any, name: str, into: dict[str, object]) -> None:
    if isinstance(value, Tensor):
        into[name] = save({"": value.contiguous()})
    elif isinstance(value, dict):
        into[name] = [type(value).__name__, len(value)]
        for key, item in value.items():
            flatten(item, f"{name}/{key}", into)
    elif isinstance(value, list | tuple):
        into[name] = [type(value).__name__, len(value)]
        for index, item in enumerate(value):
            flatten(item, f"{name}/{index}", into)
    elif not name.endswith(MEASURED_IN_CHECKPOINT):
        into[name] = without_seconds(value) if name.endswith("/HeldOutJudge/course") else value


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    missing = object()
    return [name for name in sorted({*one, *other}) if one.get(name, missing) != other.get(name, missing)]


def shared_memory(pids: Collection[int]) -> list[str]:
    """Pieces of shared memory that these processes made; others of this machine have theirs."""
    return [
        name
        for name in os.listdir("/dev/shm")
        if SEMAPHORES in name or any(name.startswith(f"torch_{pid}_") for pid in pids)
    ]


def trial(storm: Storm, number: int, chance: random.Random, num_workers: int, most: int, tally: Counter[str]) -> bool:
    """Kill a run up to ``most`` times, let it end, and compare it; whether it ended as the one in peace."""
    run = storm.folder / f"trial_{number:04d}"
    log, kills, orphans = run.with_suffix(".log"), 0, list[int]()
    planned = chance.randint(1, most)
    while not (run / "run.json").exists():
        left_before = all_half_written(run)
        pid = storm.start(run, num_workers)
        (aim,) = chance.choices(list(AIMS), list(AIMS.values()))
        if kills == planned or not wait_for_aim(storm, run, pid, chance, aim, left_before):
            finish(pid, log)
            break
        orphans += kill(pid)
        storm.pids.update((pid, *orphans))
        kills += 1
        tally[place_of_kill(run, left_before)] += 1
    tally["kills"] += kills
    tally["left processes"] += len(left := still_there(orphans))
    found = differences(final_state(storm.folder / "peace"), final_state(run))
    if left or found:
        print(f"trial {number} ({num_workers} workers, {kills} kills): left {left}; differs in {found[:8]}", flush=True)
        return False
    shutil.rmtree(run)
    log.unlink()
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--kills", type=int, default=0, help="go on until so many kills fell")
    parser.add_argument("--most", type=int, default=3, help="kills of one run at most")
    parser.add_argument(
        "--saves", type=int, default=50, help="kills that must fall inside a save; more trials until then"
    )
    parser.add_argument("--with-workers", type=float, default=0.05, help="share of trials with one or two data workers")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill_storm_"))
    began, chance = time.monotonic(), random.Random(given.seed)
    # In a child, so that no thread of a codec or of torch is there when trainers are forked.
    finish(forked(lambda: make_production(folder), folder / "production.log"), folder / "production.log")
    storm, start = Storm(existing_production(folder), folder, 0.0), time.monotonic()
    # It prepares the windows of all.
    finish(storm.start(folder / "peace", 0), folder / "peace.log")
    storm = replace(storm, seconds=time.monotonic() - start)
    tally: Counter[str] = Counter()
    equal = number = 0
    while number < given.trials or tally["kills"] < given.kills or tally[SAVE] < given.saves:
        num_workers = chance.randint(1, 2) if chance.random() < given.with_workers else 0
        equal += trial(storm, number, chance, num_workers, given.most, tally)
        number += 1
        tally["with data workers"] += num_workers > 0
        if number % 20 == 0:
            print(f"{number} trials, {equal} equal, {tally['kills']} kills, {tally[SAVE]} in a save", flush=True)
    left = shared_memory(storm.pids)
    print(f"\n{os.cpu_count()} cores, {os.uname().machine}; {time.monotonic() - began:.0f} s\n\n| | |\n|---|---|")
    print(f"| runs | {number} |\n| of them with 1 or 2 data workers | {tally['with data workers']} |")
    print(f"| SIGKILLs | {tally['kills']} |")
    for place in PLACES:
        print(f"| {place} | {tally[place]} |")
    print(f"| runs that ended byte for byte as the one in peace | {equal} |")
    print(f"| processes left | {tally['left processes']} |\n| pieces of shared memory left | {len(left)} |")
    if equal == number and not left:
        shutil.rmtree(folder)
        return
    print(f"\nlook into {folder}")
    sys.exit(1)


def existing_production(folder: Path) -> TinyProduction:
    from interpositive.dailies.catalogue import Catalogue

    path = folder / "production" / "catalogue.sqlite"
    with Catalogue(path) as catalogue:
        return TinyProduction(path.parent, path, catalogue.takes(), folder / "dailies")


if __name__ == "__main__":
    main()
