"""One trainer at a time in a run folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from interpositive.errors import StorageError
from interpositive.records.publishing import make_folder, remove_scratch, storage_error
from interpositive.training.checkpoint_format import CHECKPOINTS_NAME
from interpositive.training.ranks import is_first
from interpositive.training.run_folder import PREVIEWS_NAME

LOCK_NAME = "run.lock"
_TAKEN = {errno.EAGAIN, errno.EACCES}
# Handles of locks that this process took, and of those that its parent holds together with it.
_HELD: set[int] = set()
_SHARED: set[int] = set()
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def alone_in_folder(train: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Let a function with a keyword ``folder`` work there under :func:`run_lock`, held by the first of its processes.

    Scratch of writers that were killed is removed, for none is at work now.
    """

    @wraps(train)
    def alone(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        folder = kwargs["folder"]
        assert isinstance(folder, Path)
        if not is_first():
            return train(*args, **kwargs)
        with run_lock(folder):
            for scratched in (folder, folder / CHECKPOINTS_NAME, folder / PREVIEWS_NAME):
                remove_scratch(scratched)
            return train(*args, **kwargs)

    return alone


@contextmanager
def run_lock(folder: Path) -> Iterator[int]:
    """Hold a run folder, made if need be; ``StorageError`` says who holds it already. Gives the lock's handle.

    The lock is the kernel's (``flock``): it ends with its process, however that ends, and with those that were given
    its handle (:func:`hold_with_parent`). Nothing of it stays in the folder, nor a folder in which nothing was done.
    """
    made = not folder.exists()
    path = folder / LOCK_NAME
    for handle in _SHARED:
        if _is_at(path, handle):
            yield handle
            return
    try:
        make_folder(folder)
        handle = _locked(path)
    except OSError as error:
        raise storage_error(error, path) from error
    _HELD.add(handle)
    try:
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield handle
    finally:
        # Not in a forked child, which has let go already.
        if handle in _HELD:
            path.unlink(missing_ok=True)
            _HELD.remove(handle)
            os.close(handle)
            if made:
                with suppress(OSError):
                    folder.rmdir()


def hold_with_parent(handle: int) -> None:
    """Hold the lock whose handle the parent of this process gave it: until both have ended, nobody else can."""
    _SHARED.add(handle)


def _locked(path: Path) -> int:
    while True:
        # No link is followed: what it leads to would be overwritten.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            _lock(handle, path)
        except BaseException:
            os.close(handle)
            raise
        # Its holder may have removed it between the two calls: then another file, or none, is the lock by now.
        if _is_at(path, handle):
            return handle
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise StorageError(
                f"{path.parent} cannot be locked, so that two trainers could write there",
                found=os.strerror(error.errno or 0),
                expected="a file system with flock",
                remedy="put the run folder on another file system, or mount this one with locks",
            ) from error
        raise StorageError(
            f"{path.parent} is being trained by another process",
            found=_holder(handle),
            expected="one trainer in a run folder",
            remedy="wait for it, stop it, or give another run folder",
        ) from None


def _holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has not yet said which it is"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _let_go() -> None:
    """A forked child would keep the lock of a parent that is gone."""
    for held in (_HELD, _SHARED):
        for handle in held:
            os.close(handle)
        held.clear()


os.register_at_fork(after_in_child=_let_go)
