"""Takes as rows of the catalogue's tables: columns, indexes, and the way there and back."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from interpositive.dailies.take import Take
from interpositive.errors import CatalogueError
from interpositive.records.slates import Slate

SCHEMA_VERSION = 4
APPLICATION_ID = 0x494E5450
SLATE_COLUMNS = tuple(Slate.model_fields)
TAKE_COLUMNS = tuple(name for name in Take.model_fields if name not in ("slate", "catalogue_path"))
COLUMNS = (*TAKE_COLUMNS, *SLATE_COLUMNS)
BOOLEANS = {"intra_only", "drop_frame"}
INTEGERS = {"num_frames", "width", "height", "bits", "start_frame", *BOOLEANS}
_NULLABLE = {"proxy_path", "start_frame", "reel"}
# Each index ends in what its selections are sorted by, so that they are answered from the index alone.
_INDEXES = {
    "takes_by_split": ("split", "name"),
    "takes_by_slate": ("scene", "take", "camera", "roll", "name"),
    "takes_by_roll": ("roll", "name"),
    "takes_by_reel": ("reel", "start_frame", "num_frames", "rate", "name"),
}


def schema() -> list[str]:
    """The statements that make an empty catalogue.

    An ``id`` belongs to a take's content as long as the catalogue lasts: it survives a new path or
    slate, and is never given again.
    """
    columns = [
        f"{name} {'INTEGER' if name in INTEGERS else 'TEXT'}"
        f"{'' if name in _NULLABLE else ' NOT NULL'}{' UNIQUE' if name in ('name', 'path', 'sha256') else ''}"
        for name in COLUMNS
    ]
    state = "num_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL"
    return [
        f"CREATE TABLE takes (id INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join(columns)}, {state})",
        *(f"CREATE INDEX {name} ON takes ({', '.join(keys)})" for name, keys in _INDEXES.items()),
        f"CREATE TABLE duplicates (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, {state})",
        "CREATE TABLE read_digests (root TEXT PRIMARY KEY, list TEXT NOT NULL)",
        "CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    ]


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; ``CatalogueError`` if there is no file."""
    if not path.is_file():
        raise CatalogueError(
            f"there is no catalogue at {path}",
            remedy="run interpositive ingest first, or give the path that it printed",
        )
    # A finished catalogue in a folder that cannot be written needs no log files to be read.
    frozen = not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists()
    return connect(path, f"?mode=ro{'&immutable=1' if frozen else ''}")


def connect(path: Path, how: str = "") -> sqlite3.Connection:
    """A connection to the database at an absolute ``path``; ``CatalogueError`` where SQLite does not take it.

    ``how`` is the query of SQLite's address of it.
    """
    try:
        return sqlite3.connect(f"{path.as_uri()}{how}", uri=True, isolation_level=None, timeout=30)
    except sqlite3.OperationalError as error:
        raise CatalogueError(
            f"{path} cannot be opened",
            found=f"{error}; its path has {len(os.fsencode(path))} bytes",
            expected="a file that may be read, at a path of at most 500 bytes, which is all that SQLite takes",
            remedy="give the production a workspace with a shorter path",
        ) from None


def take_to_row(take: Take) -> list[object]:
    """A take's values in the order of ``COLUMNS``."""
    return [
        *(getattr(take, name) for name in TAKE_COLUMNS),
        *(getattr(take.slate, name) for name in SLATE_COLUMNS),
    ]


def row_to_take(row: tuple[object, ...], catalogue_path: Path) -> Take:
    """The take whose values these are in the catalogue at ``catalogue_path``."""
    flat = dict(zip(COLUMNS, row, strict=True))
    slate = {name: flat.pop(name) for name in SLATE_COLUMNS}
    return Take.model_validate({**flat, "slate": slate, "catalogue_path": str(catalogue_path)})
