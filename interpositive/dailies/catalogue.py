"""The catalogue of a production's takes: one SQLite file that a kill cannot spoil."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from interpositive.dailies.take import SPLITS, UNASSIGNED, Take
from interpositive.errors import CatalogueError
from interpositive.records.digests import sha256_of_value
from interpositive.records.publishing import storage_error, write_file_whole
from interpositive.records.slates import Slate

SCHEMA_VERSION = 2
_APPLICATION_ID = 0x494E5450
_SLATE_COLUMNS = tuple(Slate.model_fields)
_TAKE_COLUMNS = tuple(name for name in Take.model_fields if name != "slate")
_COLUMNS = (*_TAKE_COLUMNS, *_SLATE_COLUMNS)
_BOOLEANS = {"intra_only", "drop_frame"}
_INTEGERS = {"num_frames", "width", "height", "bits", "start_frame", *_BOOLEANS}
_NULLABLE = {"proxy_path", "start_frame", "reel"}


@dataclass(frozen=True)
class FileState:
    """What is compared to tell whether a file changed since it was ingested."""

    num_bytes: int
    mtime_ns: int


def _schema() -> list[str]:
    unique = {"name": " UNIQUE", "path": " PRIMARY KEY", "sha256": " UNIQUE"}
    columns = [
        f"{name} {'INTEGER' if name in _INTEGERS else 'TEXT'}"
        f"{'' if name in _NULLABLE else ' NOT NULL'}{unique.get(name, '')}"
        for name in _COLUMNS
    ]
    state = "num_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL"
    return [
        f"CREATE TABLE takes ({', '.join(columns)}, {state})",
        f"CREATE TABLE duplicates (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, {state})",
        "CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        f"PRAGMA application_id = {_APPLICATION_ID}",
        f"PRAGMA user_version = {SCHEMA_VERSION}",
    ]


class Catalogue:
    """Takes of one production, in a SQLite file with a write-ahead log.

    Opened for reading it must exist; with ``writable=True`` it is made if
    need be and locked against a second writer until closed. Every change is
    one transaction. Raises ``CatalogueError`` for a file that is missing, no
    catalogue, of another schema version, or being written by someone else.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = Path(path).absolute()
        self._lock_handle: int | None = None
        self._connection = self._open_writable() if writable else self._open_readable()
        try:
            self._check_version(make=writable)
        except BaseException:
            self.close()
            raise

    def _open_readable(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise CatalogueError(
                f"there is no catalogue at {self.path}",
                remedy="run interpositive ingest first, or give the path that it printed",
            )
        # A finished catalogue in a folder that cannot be written needs no log files to be read.
        frozen = not os.access(self.path.parent, os.W_OK) and not Path(f"{self.path}-wal").exists()
        uri = f"{self.path.as_uri()}?mode=ro{'&immutable=1' if frozen else ''}"
        return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)

    def _open_writable(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_error(error, self.path) from error
        try:
            fcntl.flock(self._lock_handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock_handle)
            self._lock_handle = None
            raise CatalogueError(
                f"{self.path} is being written by another ingest",
                expected="one writer at a time",
                remedy="wait for it to end, then run the same command again",
            ) from None
        return sqlite3.connect(self.path, isolation_level=None, timeout=30)

    def _check_version(self, make: bool) -> None:
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            owner = self._connection.execute("PRAGMA application_id").fetchone()[0]
            empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if make and empty and version == 0:
                self._make_schema()
                version, owner = SCHEMA_VERSION, _APPLICATION_ID
        except sqlite3.DatabaseError as error:
            raise CatalogueError(f"{self.path} is not a catalogue", found=str(error)) from None
        if owner != _APPLICATION_ID:
            raise CatalogueError(
                f"{self.path} is not a catalogue of takes",
                found="an empty database" if empty else "a database of another program",
                remedy="give the path that interpositive ingest printed",
            )
        if version != SCHEMA_VERSION:
            raise CatalogueError(
                f"{self.path} was written by {'a newer' if version > SCHEMA_VERSION else 'an older'} version",
                found=f"schema version {version}",
                expected=f"schema version {SCHEMA_VERSION}",
                remedy="use the version that wrote it, or ingest the footage into a new catalogue",
            )
        if make:
            # In a log, NORMAL can lose the last takes to a power cut, never the file; a kill loses nothing.
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _make_schema(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            for statement in _schema():
                self._connection.execute(statement)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise CatalogueError(
                    f"{self.path} could not be written; what was in it before is intact",
                    found=str(error),
                    remedy="free some space or make the folder writable, then run the same command again",
                ) from error
            raise

    def close(self) -> None:
        """Fold the log into the file and give the lock back."""
        self._connection.close()
        if self._lock_handle is not None:
            os.close(self._lock_handle)
            self._lock_handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM takes").fetchone()[0])

    # Reading

    def takes(self, split: str | None = None) -> list[Take]:
        """All takes, or those of one split, by name.

        Raises ``CatalogueError`` for a split that is unknown, and for any
        split while an ingest has not been finished.
        """
        rows = self._connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM takes ORDER BY name").fetchall()
        takes = [_take(row) for row in rows]
        if split is None:
            return takes
        if split not in SPLITS:
            raise CatalogueError("there is no such split", found=split, expected=list(SPLITS))
        open_takes = [take.name for take in takes if take.split == UNASSIGNED]
        if open_takes:
            raise CatalogueError(
                f"the ingest into {self.path} was not finished",
                found=f"{len(open_takes)} takes without a split, the first is {open_takes[0]}",
                remedy="run the same interpositive ingest again; it goes on where it stopped",
            )
        return [take for take in takes if take.split == split]

    def take(self, name: str) -> Take:
        """The take of that name; ``CatalogueError`` lists the nearest names if there is none."""
        rows = self._connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM takes WHERE name = ?", (name,))
        row = rows.fetchone()
        if row is None:
            known = [row[0] for row in self._connection.execute("SELECT name FROM takes ORDER BY name LIMIT 8")]
            raise CatalogueError("there is no such take", found=name, expected=f"one of {known} …")
        return _take(row)

    def digest(self) -> str:
        """SHA-256 over the sorted (name, sha256, split) of all takes: which footage, held out how."""
        rows = self._connection.execute("SELECT name, sha256, split FROM takes").fetchall()
        return sha256_of_value(sorted([list(row) for row in rows]))

    def file_states(self) -> dict[str, FileState]:
        """Size and time of every take's file when it was ingested, by path."""
        rows = self._connection.execute("SELECT path, num_bytes, mtime_ns FROM takes")
        return {path: FileState(num_bytes, mtime_ns) for path, num_bytes, mtime_ns in rows}

    def duplicates(self) -> dict[str, tuple[str, FileState]]:
        """Digest and state of files left out because a take has the same content, by path."""
        rows = self._connection.execute("SELECT path, sha256, num_bytes, mtime_ns FROM duplicates")
        return {path: (sha256, FileState(size, mtime)) for path, sha256, size, mtime in rows}

    def fact(self, key: str) -> str:
        """A remembered fact about the catalogue, empty if there is none."""
        row = self._connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return row[0] if row else ""

    # Writing, one transaction each

    def put(self, take: Take, state: FileState, replaces: str | None = None) -> None:
        """Add a take, or put it in the place of the one at path ``replaces``."""
        values = [*_row(take), state.num_bytes, state.mtime_ns]
        marks = ", ".join("?" * len(values))
        with self._transaction():
            self._connection.execute("DELETE FROM takes WHERE path IN (?, ?)", (replaces, take.path))
            self._connection.execute("DELETE FROM duplicates WHERE path = ?", (take.path,))
            self._connection.execute(
                f"INSERT INTO takes ({', '.join(_COLUMNS)}, num_bytes, mtime_ns) VALUES ({marks})", values
            )

    def put_duplicate(self, path: str, sha256: str, state: FileState) -> None:
        """Remember a file whose content a take already has."""
        with self._transaction():
            self._connection.execute("DELETE FROM takes WHERE path = ?", (path,))
            self._connection.execute(
                "INSERT OR REPLACE INTO duplicates VALUES (?, ?, ?, ?)",
                (path, sha256, state.num_bytes, state.mtime_ns),
            )

    def remove(self, path: str) -> None:
        """Forget the file at ``path``, because it is no longer what was ingested."""
        with self._transaction():
            self._connection.execute("DELETE FROM takes WHERE path = ?", (path,))
            self._connection.execute("DELETE FROM duplicates WHERE path = ?", (path,))

    def set_proxy(self, name: str, proxy_path: str | None) -> None:
        """Say where a take's proxy lies."""
        with self._transaction():
            self._connection.execute("UPDATE takes SET proxy_path = ? WHERE name = ?", (proxy_path, name))

    def set_splits(self, splits: Mapping[str, str], facts: Mapping[str, str]) -> None:
        """Set the split of takes by name and remember facts, all in one transaction."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE takes SET split = ? WHERE name = ?", [(split, name) for name, split in splits.items()]
            )
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))

    def export_parquet(self, path: Path) -> None:
        """Write all takes as a Parquet table, a row each, whole or not at all."""
        takes = self.takes()
        columns = {name: [_flat(take)[name] for take in takes] for name in _COLUMNS}
        kinds = {name: pa.int64() if name in _INTEGERS - _BOOLEANS else pa.string() for name in _COLUMNS}
        kinds |= dict.fromkeys(_BOOLEANS, pa.bool_())
        table = pa.table(columns, schema=pa.schema(list(kinds.items())))
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        write_file_whole(Path(path), sink.getvalue().to_pybytes())


def _flat(take: Take) -> dict[str, object]:
    return {**take.model_dump(exclude={"slate"}), **take.slate.model_dump()}


def _row(take: Take) -> list[object]:
    flat = _flat(take)
    return [flat[name] for name in _COLUMNS]


def _take(row: tuple[object, ...]) -> Take:
    flat = dict(zip(_COLUMNS, row, strict=True))
    slate = {name: flat.pop(name) for name in _SLATE_COLUMNS}
    return Take.model_validate({**flat, "slate": slate})
