"""Folders and files that appear whole or not at all, by one rename.

Work happens in a hidden sibling folder; only when the body of the ``with``
ends well are the bytes forced to disk and the folder renamed to its final
name. A failure leaves nothing behind, and a folder that exists is never
overwritten.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interpositive.errors import StorageError

_STORAGE_ERRNOS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM),
    # A parent that is a file, and a name that the file system cannot hold.
    *(errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG),
}


def storage_error(cause: OSError, path: Path) -> StorageError:
    """Put an operating-system refusal to write into words a user can act on."""
    reason = os.strerror(cause.errno) if cause.errno else str(cause)
    try:
        free = f"{shutil.disk_usage(nearest_existing(path)).free / 1e6:.0f} MB free"
    except OSError:
        free = "free space unknown"
    return StorageError(
        f"could not write {path}: nothing was published there",
        found=f"{reason} ({free})",
        expected="a writable folder with room for the whole result",
        remedy="free some space or choose another folder, then run the same command again",
    )


def nearest_existing(path: Path) -> Path:
    """The path itself or its closest ancestor that exists."""
    for candidate in (path, *path.parents):
        if candidate.exists():
            return candidate
    return Path("/")


def refuse_existing(path: Path) -> None:
    """Raise ``StorageError`` if something is already at ``path``."""
    if path.exists() or path.is_symlink():
        raise StorageError(
            f"{path} already exists and is never overwritten",
            found="an earlier result",
            expected="a path where nothing is yet",
            remedy="choose another folder, or move the earlier one away",
        )


@contextmanager
def publish_folder(final: Path, *, replaces: bool = False) -> Iterator[Path]:
    """Yield a scratch folder that becomes ``final`` by one rename when the body succeeds.

    Raises ``StorageError`` when ``final`` exists or the disk refuses the bytes. With ``replaces`` what exists there is
    taken away, but not before all else is on disk.
    """
    final = Path(final)
    if not replaces:
        refuse_existing(final)
    scratch = final.parent / f".{final.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        scratch.mkdir(parents=True)
        yield scratch
        for path in sorted(scratch.rglob("*")):
            if path.is_file():
                sync(path)
        for path in (p for p in sorted(scratch.rglob("*")) if p.is_dir()):
            sync(path)
        sync(scratch)
        if replaces:
            retire_folder(final)
        refuse_existing(final)
        scratch.rename(final)
        sync(final.parent)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if error.errno in _STORAGE_ERRNOS:
            raise storage_error(error, final) from error
        raise
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def write_file_whole(path: Path, content: bytes | str) -> None:
    """Replace one file's content in a single rename; the old content survives a failure."""
    scratch = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(scratch)
        scratch.replace(path)
    except OSError as error:
        # The refusal to write is what gets reported, not a refusal to clean up after it.
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        if error.errno in _STORAGE_ERRNOS:
            raise storage_error(error, path) from error
        raise


def remove_scratch(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; none may be at work there."""
    for path in folder.glob(".*.part"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def retire_folder(path: Path) -> None:
    """Take away a folder that may be there: by one rename, so that none is ever seen half removed."""
    if path.exists():
        scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        path.rename(scratch)
        sync(path.parent)
        shutil.rmtree(scratch)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that a power cut cannot undo it."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in made:
        sync(path.parent)


def sync(path: Path) -> None:
    """Force a file's bytes, or a folder's names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
