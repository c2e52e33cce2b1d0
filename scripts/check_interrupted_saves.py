"""What does a save leave that a full disk or a power cut interrupts?

    python scripts/check_interrupted_saves.py
    python scripts/check_interrupted_saves.py --offsets 10 --states 20

Full disk: the save of a real training's state meets the end of a small disk (a tmpfs of its own, for root) and of what
a file may grow to, at many places. The last good checkpoint must load, the message must say where the run goes on,
and nothing may be left; with room again, the save succeeds. Power cut: all that a save asks of the disk is logged, and
at every point of the log folders are rebuilt as a power cut may leave them: names that were not forced to disk are
there or not, each by itself, and bytes that were not are missing, torn, or zeros. Each must recover to the checkpoint
before or to the new one, to the new one once the save has returned, and then take the save again.
Exits 1 when one check is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from check_checkpoints import LAST, NEWEST, SmallProduction, cut_short
from power_cuts import DiskLog, Tree, states_after, write_tree

from interpositive.errors import StorageError
from interpositive.records.publishing import remove_scratch
from interpositive.training.checkpoint_format import RECORD_NAME, newest_valid_checkpoint, read_checkpoint
from interpositive.training.checkpoints import Checkpoints, CheckpointWriter
from interpositive.training.run_lock import run_lock
from interpositive.training.settings import TrainSettings

State = dict[str, Any]


def save(folder: Path, state: State, keep: int = 2) -> None:
    """Save a state as a training in this folder would, to its end."""
    writer = CheckpointWriter(folder, keep, lambda: None, newest_valid_checkpoint(folder))
    writer.save_checkpoint(state, folder / f"step={state['global_step']}.ckpt")
    writer.settle()


def fill_disk(disk: Path, checkpoints: Path, state: State, room: Callable[[int], Any], rooms: list[int]) -> int:
    """Saves that met the end of the ``disk`` and left the last good checkpoint alone, well told."""
    good, folder = 0, disk / "checkpoints"
    shutil.copytree(checkpoints, folder)
    before = sorted(path.name for path in folder.iterdir())
    for left in rooms:
        told = ""
        with room(left):
            try:
                save(folder, state)
            except StorageError as error:
                told = str(error)
        used = newest_valid_checkpoint(folder)
        same = sorted(path.name for path in folder.iterdir()) == before
        well = same and used.step == NEWEST and not used.damaged and f"goes on from step {NEWEST}" in told
        good += well
        if not well:
            print(f"MISSED  with room for {left} bytes: step {used.step}, told: {told or 'nothing'}")
    save(folder, state)
    assert newest_valid_checkpoint(folder).step == LAST, "with room again, it is written"
    return good


@contextmanager
def file_limit(num_bytes: int) -> Iterator[None]:
    """Inside, a file may grow to so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(folder: Path, num_bytes: int) -> Iterator[Path | None]:
    """A disk of its own with so many bytes, or none where one may not be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def disk_room(disk: Path) -> Callable[[int], Any]:
    """Fills a disk but for so many bytes."""

    @contextmanager
    def room(left: int) -> Iterator[None]:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        with (disk / "filler").open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, free - left))
        try:
            yield
        finally:
            (disk / "filler").unlink()

    return room


def full_disks(folder: Path, num_offsets: int, chance: random.Random) -> Iterator[tuple[str, int, int]]:
    """A row for each kind of full disk: how many saves left all in order, of how many."""
    production, whole = SmallProduction(folder), folder / "whole"
    production.train(whole)
    checkpoints = cut_short(whole, folder / "cut")
    state = read_checkpoint(whole / "checkpoints" / f"step={LAST}.ckpt")
    sizes = [path.stat().st_size for path in (checkpoints / f"step={NEWEST}.ckpt").iterdir()]
    print(f"a checkpoint of {sum(sizes)} bytes")
    limited = folder / "limited"
    limited.mkdir()
    limits = sorted(chance.sample(range(max(sizes)), num_offsets))
    yield "disk full (file size limit)", fill_disk(limited, checkpoints, state, file_limit, limits), num_offsets
    with small_disk(folder / "disk", 8 * sum(sizes)) as disk:
        if disk is None:
            print("no small disk: mounting one needs root; the file size limit alone was tried")
            return
        needed = sum(-(-size // 4096) * 4096 for size in sizes)
        rooms = [needed * index // num_offsets for index in range(num_offsets)]
        yield "disk full (small disk)", fill_disk(disk, checkpoints, state, disk_room(disk), rooms), num_offsets


def cut_power(
    folder: Path, before: Tree, work: Callable[[Path], None], allowed: set[int], state: State, num_states: int
) -> tuple[int, int]:
    """Folders that a power cut during ``work`` may leave and that recover as they must, and how many were tried.

    ``work`` and recovery are given the root of ``before``; its checkpoints are in ``run/checkpoints``.
    """
    root = folder / "logged"
    write_tree(root, before)
    with DiskLog(root) as log:
        work(root)
    published = log.index_of_publishing(f"step={LAST}.ckpt")
    record = (root / "run" / "checkpoints" / f"step={LAST}.ckpt" / RECORD_NAME).read_bytes()
    good, tried, chance = 0, 0, random.Random(2)
    for point in range(len(log.events) + 1):
        steps = {LAST} if point > published else allowed
        for tree in states_after(before, log.events[:point], num_states, chance):
            left = folder / "left"
            write_tree(left, tree)
            checkpoints = left / "run" / "checkpoints"
            remove_scratch(checkpoints)
            found = newest_valid_checkpoint(checkpoints)
            well = found.step in steps
            if found.step == LAST and found.path is not None:
                well &= (found.path / RECORD_NAME).read_bytes() == record
            save(checkpoints, state)
            well &= newest_valid_checkpoint(checkpoints).step == LAST
            tried, good = tried + 1, good + well
            if not well:
                print(f"MISSED  after {point} of {len(log.events)}: step {found.step} of {steps}, {found.damaged}")
            shutil.rmtree(left)
    shutil.rmtree(root)
    print(f"{len(log.events)} events logged, published at the {published}th")
    return good, tried


def power_cuts(folder: Path, num_states: int) -> Iterator[tuple[str, int, int]]:
    """A row for each kind of save: how many folders recovered, of how many."""
    production, whole = SmallProduction(folder, scorer_width=4, residual_widths=[4, 4, 4]), folder / "whole"
    production.train(whole)
    state = read_checkpoint(whole / "checkpoints" / f"step={LAST}.ckpt")
    checkpoints = cut_short(whole, folder / "cut")
    before = Tree.read(checkpoints, "run/checkpoints")

    def save_last(root: Path) -> None:
        save(root / "run" / "checkpoints", state, keep=1)

    yield (
        "power cut: save, older ones removed",
        *cut_power(folder, before, save_last, {NEWEST, LAST}, state, num_states),
    )
    damaged = Tree.read(checkpoints, "run/checkpoints")
    newest = Tree.read(checkpoints / f"step={NEWEST}.ckpt", f"run/checkpoints/step={LAST}.ckpt")
    damaged.files |= newest.files
    yield "power cut: a damaged one replaced", *cut_power(folder, damaged, save_last, {NEWEST, LAST}, state, num_states)

    def begin(root: Path) -> None:
        run = root / "run"
        with run_lock(run):
            writer = CheckpointWriter(run / "checkpoints", 2, lambda: None, newest_valid_checkpoint(run))
            trainer: Any = SimpleNamespace(is_global_zero=True)
            Checkpoints(writer, TrainSettings(), lambda: None).on_fit_start(trainer, None)  # type: ignore[arg-type]
            save(run / "checkpoints", state)

    yield "power cut: the first save of a run", *cut_power(folder, Tree({}), begin, {0, LAST}, state, num_states)


def main() -> int:
    """Interrupt, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offsets", type=int, default=60, help="of each full disk")
    parser.add_argument("--states", type=int, default=100, help="folders after a power cut, for each point, at most")
    choices = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, torch {torch.__version__}")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        rows += list(full_disks(Path(name), choices.offsets, random.Random(1)))
    # Thousands of saves: in memory, where there is room, for no real power is cut.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        rows += list(power_cuts(Path(name), choices.states))
    print(f"\n{'interrupted by':<40} {'held':>6}")
    for kind, held, tried in rows:
        print(f"{kind:<40} {held:>6} of {tried}")
    return int(any(held != tried for _, held, tried in rows))


if __name__ == "__main__":
    sys.exit(main())
