"""Digests of large files that have not changed since they were read, so that a start does not read them all again.

A digest is only ever of bytes that were read. It is found again by all that a file system says of a file: device,
inode, size, and when its contents (``mtime``) and anything of it (``ctime``) last changed. Programs can set ``mtime``
back, but not ``ctime``; and a file that was touched just before it was read is not remembered, for it could change
again without another time.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from interpositive.errors import StorageError
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.publishing import write_file_whole

# Smaller files are read in no time.
LEAST_BYTES = 64 << 20
# Above what any file system's clock is coarse by.
_SETTLED_NS = 3 * 10**9


def sha256_of_weights(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read now or when it was the same file in the same state."""
    before = _state(path)
    if before["size"] < LEAST_BYTES:
        return sha256_of_file(path)
    kept = digests_folder() / f"{sha256_of_value(before)}.json"
    remembered = _remembered(kept, before)
    if remembered is not None:
        return remembered
    began = time.time_ns()
    found = sha256_of_file(path)
    if _state(path) == before and began - max(before["mtime_ns"], before["ctime_ns"]) > _SETTLED_NS:
        _remember(kept, before, found)
    return found


def digests_folder() -> Path:
    """Of this user on this machine: weights are nobody's production."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interpositive" / "weights_digests"


def _state(path: Path) -> dict[str, int]:
    found = path.stat()
    return {
        "device": found.st_dev,
        "inode": found.st_ino,
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
    }


def _remembered(kept: Path, state: dict[str, int]) -> str | None:
    try:
        found = json.loads(kept.read_text())
    except (OSError, ValueError):
        return None
    is_whole = isinstance(found, dict) and found.get("state") == state and len(str(found.get("sha256"))) == 64
    return str(found["sha256"]) if is_whole else None


def _remember(kept: Path, state: dict[str, int], sha256: str) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_file_whole(kept, json.dumps({"state": state, "sha256": sha256}).encode())
    except (OSError, StorageError):
        # A home that cannot be written costs time, and nothing else.
        return
