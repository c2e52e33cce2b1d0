"""What a sweep folder was begun for: kept with it, so that a sweep goes on only if it is the same."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from interpositive.cli.assembling import find_target
from interpositive.cli.config_files import read_config_file
from interpositive.cli.sweeps.plugins import TrialSweeper
from interpositive.cli.sweeps.space import SweptKey
from interpositive.errors import StorageError
from interpositive.records.publishing import storage_error, write_file_whole
from interpositive.records.sweep_record import SWEEP_RECORD_NAME, Objective, SweepRecord

CONFIG_NAME = "sweep.yaml"
_LOCK_NAME = "sweep.lock"
# Where a sweep lies, what it prints and what it is computed on are no part of what it asks.
_NOT_ASKED = ("run_folder", "progress", "compute")
_COMPARED = ("space", "objectives", "sampler", "seed", "num_parallel")
_ABSENT = "nothing"


def ask_question(
    sweeper: TrialSweeper,
    num_trials: int,
    objectives: Sequence[Objective],
    swept: Sequence[SweptKey],
    fixed: Sequence[str],
    shared: Mapping[str, Any],
    name: str,
) -> SweepRecord:
    """The record of a sweep; ``shared`` is the configuration of all trials without what differs between them."""
    task = find_target(shared["task"]["_target_"], "task._target_")
    several = {each.space.key: ", ".join(map(str, each.space.choices)) for each in swept}
    return SweepRecord(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        production=several.get("production", str(shared["production"]["name"])),
        task=several.get("task", str(getattr(task, "name", ""))),
        sampler=sweeper.sampler,
        seed=sweeper.seed,
        num_trials=num_trials,
        # Nothing is learned from one point of a grid for the next.
        num_parallel=1 if sweeper.enumerated else sweeper.round_size(num_trials),
        objectives=list(objectives),
        space=[each.space for each in swept],
        overrides=[each for each in fixed if not each.startswith("run_folder=")],
    )


def keep_question(folder: Path, question: SweepRecord, shared: Mapping[str, Any]) -> None:
    """Write ``sweep.json`` and the shared ``sweep.yaml``.

    ``StorageError`` naming the first difference if the folder was begun for another question; only the number of
    trials may grow or shrink.
    """
    asked = {key: value for key, value in shared.items() if key not in _NOT_ASKED}
    if (folder / SWEEP_RECORD_NAME).exists():
        begun = SweepRecord.read(folder)
        before, now = begun.model_dump(include=set(_COMPARED)), question.model_dump(include=set(_COMPARED))
        told = yaml.safe_load(read_config_file(folder / CONFIG_NAME))
        difference = _first_difference(before, now, "hydra.sweeper") or _first_difference(told, asked, "")
        if difference:
            key, found, expected = difference
            raise StorageError(
                f"{folder} was begun as another sweep: {key} differs",
                found=found,
                expected=f"{expected} (as begun)",
                remedy="say the same again to go on with it, or give another run_folder",
            )
        question = question.model_copy(update={"created": begun.created, "name": begun.name})
    write_file_whole(folder / CONFIG_NAME, yaml.safe_dump(asked, sort_keys=False))
    question.write(folder)


def _first_difference(begun: Any, now: Any, where: str) -> tuple[str, Any, Any] | None:
    """The first key in dots that differs, with what it is now and what it was."""
    if isinstance(begun, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*begun, *now]):
            place = f"{where}.{key}" if where else str(key)
            found = _first_difference(begun.get(key, _ABSENT), now.get(key, _ABSENT), place)
            if found:
                return found
        return None
    if isinstance(begun, list) and isinstance(now, list) and len(begun) == len(now):
        pairs = (_first_difference(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(begun, now, strict=True)))
        return next((found for found in pairs if found), None)
    return None if begun == now else (where, now, begun)


def _refuse_strange(folder: Path) -> None:
    # A sweep that was killed before its record was written left its lock and its configuration.
    known = (_LOCK_NAME, CONFIG_NAME)
    strange = sorted(path.name for path in folder.iterdir() if path.name not in known and path.name[0] != ".")
    if strange:
        raise StorageError(
            f"{folder} is not the folder of a sweep",
            found=", ".join(strange[:5]),
            expected=f"a folder that does not exist yet, an empty one, or one that holds {SWEEP_RECORD_NAME}",
        )


@contextmanager
def only_sweep_in(folder: Path) -> Iterator[None]:
    """Hold the sweep's lock, which the system lets go of when the process ends, however it ends.

    ``StorageError`` for a folder that another sweep works in, or that holds something else.
    """
    try:
        if folder.is_dir() and not (folder / SWEEP_RECORD_NAME).exists():
            _refuse_strange(folder)
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another sweep is at work in {folder}",
                found="a process that holds its lock",
                expected="one at a time",
                remedy="wait for it, or give another run_folder",
            ) from None
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be locked, so that two sweeps could write there",
                found=os.strerror(error.errno or 0),
                expected="a file system with flock",
                remedy="put the sweep on another file system, or mount this one with locks",
            ) from None
        yield
    finally:
        os.close(handle)
