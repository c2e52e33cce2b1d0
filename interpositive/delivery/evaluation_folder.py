"""The folder of an evaluation in progress: one writer at a time, shots that appear whole, and what may be resumed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interpositive.errors import StorageError
from interpositive.records.delivery_manifest import MANIFEST_NAME
from interpositive.records.evaluation_record import PLAN_NAME, EvaluationPlan, ShotReport
from interpositive.records.publishing import storage_error

SHOTS_FOLDER = "shots"
_ANOTHER = "give another folder as output=…, or move this one away"


@contextmanager
def open_evaluation(folder: Path, settings: Mapping[str, str]) -> Iterator[Path]:
    """Begin or resume an evaluation and yield its folder of finished shots; nobody else may write meanwhile.

    ``StorageError`` inside a sealed delivery, where something else lies, where
    another process is at work, and, with both values, where the evaluation was
    begun with other settings.
    """
    folder = Path(folder)
    for parent in (folder, *folder.resolve().parents):
        if (parent / MANIFEST_NAME).is_file():
            raise StorageError(
                f"{folder} lies inside a sealed delivery",
                found=f"the delivery {parent}",
                expected="a folder outside, so that the delivery stays as it was sealed",
                remedy=f"say output={parent.parent / (parent.name + '.evaluation')}",
            )
    plan = EvaluationPlan.read(folder) if folder.is_dir() else None
    if plan is None and (folder.is_file() or (folder.is_dir() and any(folder.iterdir()))):
        raise StorageError(
            f"{folder} already holds something else and is never overwritten",
            found=f"no {PLAN_NAME}, so no evaluation that could be resumed",
            expected="a folder where nothing is yet, or an evaluation to resume",
            remedy=_ANOTHER,
        )
    if plan is not None:
        _refuse_other_settings(folder, plan, settings)
    shots = folder / SHOTS_FOLDER
    try:
        shots.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    with _only_one(folder):
        if plan is None:
            EvaluationPlan(settings=dict(settings)).write(folder)
        # A killed run leaves its unfinished shot hidden; nobody else is at work here.
        for leftover in shots.glob(".*.part"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield shots


def finished_shots(shots: Path) -> dict[str, ShotReport]:
    """The shots that were measured, by name; ``StorageError`` for anything else there."""
    found = {}
    for path in sorted(shots.iterdir()):
        report = ShotReport.read(path) if path.is_dir() else None
        if report is None:
            raise StorageError(
                f"{path} is no measured shot", found="something else", expected="shots that this evaluation measured",
                remedy=_ANOTHER,
            )  # fmt: skip
        found[report.measures.name] = report
    return found


def refuse_changed_shots(
    folder: Path, finished: Mapping[str, ShotReport], digests: Mapping[str, Mapping[str, str]]
) -> None:
    """``StorageError`` naming what differs, if a finished shot was measured on other files than now given.

    ``digests`` has the SHA-256 of every role's pictures for each shot.
    """
    changes = []
    for name, report in finished.items():
        if name not in digests:
            changes.append((f"{name}: measured before", f"{name}: no longer among the shots"))
            continue
        before = {file.role: file.sha256 for file in report.files}
        for role in dict.fromkeys((*before, *digests[name])):
            then, now = before.get(role), digests[name].get(role)
            if then != now:
                changes.append((f"{name} {role}: {_short(then)}", f"{name} {role}: {_short(now)}"))
    if changes:
        raise StorageError(
            f"{folder} was measured on other files than these",
            found="; ".join(now for _, now in changes[:6]),
            expected="; ".join(then for then, _ in changes[:6]) + " (as measured before)",
            remedy=_ANOTHER,
        )


def _short(digest: str | None) -> str:
    return "none" if digest is None else f"sha256 {digest[:12]}…"


def _refuse_other_settings(folder: Path, plan: EvaluationPlan, settings: Mapping[str, str]) -> None:
    keys = [key for key in dict.fromkeys((*plan.settings, *settings)) if plan.settings.get(key) != settings.get(key)]
    if keys:
        raise StorageError(
            f"{folder} was begun with other settings",
            found="; ".join(f"{key}={settings.get(key, 'none')}" for key in keys),
            expected="; ".join(f"{key}={plan.settings.get(key, 'none')}" for key in keys) + " (as begun)",
            remedy=f"say the same again to resume it; else {_ANOTHER}",
        )


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system lets go of when the process ends, however it ends."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network disks have no locks; publishing by rename still keeps every shot single there.
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise StorageError(
                    f"another evaluation is writing into {folder}",
                    found="a process that holds its lock",
                    expected="one at a time",
                    remedy="wait for it, or give another folder as output=…",
                ) from None
        yield
    finally:
        os.close(handle)
