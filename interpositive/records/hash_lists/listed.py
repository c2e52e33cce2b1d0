"""What a hash list says: digests of files and folders, under paths that stay inside their folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from interpositive.errors import IntegrityError
from interpositive.records.hash_lists.formats import FolderDigest

_OUTSIDE = re.compile(r"^(?:[/~]|[A-Za-z]:)|\\|[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class ListedHash:
    """One digest of one file; a ``failed`` one was found to differ, and vouches for nothing."""

    format: str
    digest: bytes
    failed: bool = False


@dataclass(frozen=True)
class ListedFile:
    """A file of a hash list; ``unknown_formats`` are digests that nobody here can compute."""

    path: str
    hashes: tuple[ListedHash, ...]
    previous_path: str | None = None
    unknown_formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListedFolder:
    """A folder of a hash list, with its digests by format."""

    path: str
    digests: dict[str, FolderDigest]
    previous_path: str | None = None


@dataclass(frozen=True)
class HashList:
    """One hash list as it lies at ``path``; ``files`` and ``folders`` are relative to the folder it covers."""

    path: Path
    files: tuple[ListedFile, ...]
    folders: tuple[ListedFolder, ...] = ()
    root: dict[str, FolderDigest] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    references: tuple[tuple[str, bytes], ...] = ()


def stay_inside(text: str) -> str:
    """A path of a hash list with ``/`` between its parts; ``IntegrityError`` if it could lead out of its folder."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if _OUTSIDE.search(text) or ".." in parts or not parts:
        raise IntegrityError(
            "a hash list names a path outside its folder",
            found=repr(text[:200]),
            expected="a path relative to the folder, with / between its parts",
        )
    return "/".join(parts)
