"""The catalogue of a production's takes: one SQLite file that a kill cannot spoil."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from interpositive.dailies.selection import SelectedTakes
from interpositive.dailies.take import SPLITS, UNASSIGNED, Take
from interpositive.dailies.take_rows import (
    APPLICATION_ID,
    COLUMNS,
    SCHEMA_VERSION,
    connect,
    connect_to_read,
    row_to_take,
    schema,
    take_to_row,
)
from interpositive.errors import CatalogueError
from interpositive.records.identity import rate_text
from interpositive.records.publishing import storage_error
from interpositive.records.slates import Slate
from interpositive.records.take_digests import TakeDigests

_CACHE_KIB = 65536
_ROWS_AT_A_TIME = 50_000
_FILLED = ("id", *COLUMNS, "num_bytes", "mtime_ns")
_INSERT = f"INSERT INTO takes ({', '.join(_FILLED)}) VALUES ({', '.join('?' * len(_FILLED))})"


@dataclass(frozen=True)
class FileState:
    """What is compared to tell whether a file changed since it was ingested."""

    num_bytes: int
    mtime_ns: int


class MarkedTake(NamedTuple):
    """What the splits depend on: a take's name, how it is marked, and the split it has."""

    name: str
    slate: Slate
    split: str


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
        self._connection = self._open_writable() if writable else connect_to_read(self.path)
        try:
            self._check_version(make=writable)
        except BaseException:
            self.close()
            raise

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
        try:
            return connect(self.path)
        except CatalogueError:
            os.close(self._lock_handle)
            self._lock_handle = None
            raise

    def _check_version(self, make: bool) -> None:
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            owner = self._connection.execute("PRAGMA application_id").fetchone()[0]
            empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if make and empty and version == 0:
                self._make_schema()
                version, owner = SCHEMA_VERSION, APPLICATION_ID
        except sqlite3.DatabaseError as error:
            raise CatalogueError(f"{self.path} is not a catalogue", found=str(error)) from None
        if owner != APPLICATION_ID:
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
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if make:
            self._connection.execute("PRAGMA journal_mode = WAL")
            # In a log, NORMAL can lose the last takes to a power cut, never the file; a kill loses nothing.
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _make_schema(self) -> None:
        with self._transaction():
            for statement in schema():
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
        """Fold the log into the file and give the lock back.

        What an ingest leaves is one plain file: a log can be shared by the processes of one
        machine only, and the catalogue is read from others too. Whoever still reads keeps the log for now.
        """
        if self._lock_handle is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
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

    def select(
        self,
        *,
        split: str | None = None,
        name: str | None = None,
        scene: str | None = None,
        take: str | None = None,
        camera: str | None = None,
        roll: str | None = None,
        reel: str | None = None,
        rate: Fraction | None = None,
        frames: tuple[int, int] | None = None,
    ) -> SelectedTakes:
        """The takes that meet every condition given, by name; none found is an empty selection.

        ``name`` is a pattern as a shell has it (``12A_*``). ``frames``
        is a half-open range of a recorder's frames, counted as ``Take.start_frame`` is: takes that
        hold any of them. The other conditions are met by equal text. Raises ``CatalogueError`` for
        a split that is unknown, and for any split while an ingest has not been finished.
        """
        if split is not None:
            self._refuse_open_split(split)
        equal = {"scene": scene, "take": take, "camera": camera, "roll": roll, "reel": reel}
        equal["rate"] = None if rate is None else rate_text(rate)
        conditions: list[tuple[str, object]] = [(f"{k} = ?", v) for k, v in equal.items() if v is not None]
        if name is not None:
            conditions.append(("name GLOB ?", name.replace("[!", "[^")))
        if frames is not None:
            conditions += [("start_frame < ?", frames[1]), ("start_frame + num_frames > ?", frames[0])]
        order = "name"
        if conditions:
            # The signs keep SQLite from the indexes by split and by name: a scene or a reel is far fewer rows.
            order = "+name"
        if split is not None:
            conditions.append(("+split = ?" if conditions else "split = ?", split))
        where = " AND ".join(condition for condition, _ in conditions) or "TRUE"
        values = [value for _, value in conditions]
        found = self._connection.execute(f"SELECT id FROM takes WHERE {where} ORDER BY {order}", values)
        return SelectedTakes(self.path, np.fromiter((number for (number,) in found), np.int64))

    def takes(self, split: str | None = None) -> SelectedTakes:
        """All takes, or those of one split, by name: see :meth:`select`."""
        return self.select(split=split)

    def _refuse_open_split(self, split: str) -> None:
        if split not in SPLITS:
            raise CatalogueError("there is no such split", found=split, expected=list(SPLITS))
        count, first = self._connection.execute(
            "SELECT count(*), min(name) FROM takes WHERE split = ?", (UNASSIGNED,)
        ).fetchone()
        if count:
            raise CatalogueError(
                f"the ingest into {self.path} was not finished",
                found=f"{count} takes without a split, the first is {first}",
                remedy="run the same interpositive ingest again; it goes on where it stopped",
            )

    def take(self, name: str) -> Take:
        """The take of that name; ``CatalogueError`` lists the nearest names if there is none."""
        found = self._one("name", name)
        if found is None:
            known = [row[0] for row in self._connection.execute("SELECT name FROM takes ORDER BY name LIMIT 8")]
            raise CatalogueError("there is no such take", found=name, expected=f"one of {known} …")
        return found

    def take_at(self, path: str) -> Take | None:
        """The take whose footage lies at ``path``, if there is one."""
        return self._one("path", path)

    def take_of_content(self, sha256: str) -> Take | None:
        """The take whose footage has this digest, if there is one."""
        return self._one("sha256", sha256)

    def _one(self, column: str, value: str) -> Take | None:
        row = self._connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM takes WHERE {column} = ?", (value,)
        ).fetchone()
        return None if row is None else row_to_take(row, self.path)

    def __contains__(self, name: str) -> bool:
        return self._connection.execute("SELECT 1 FROM takes WHERE name = ?", (name,)).fetchone() is not None

    def paths_under(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Path and name of every take whose footage lies somewhere in ``folder``, by path."""
        # "0" follows "/" in the order of characters.
        stem = str(folder).rstrip("/")
        yield from self._connection.execute(
            "SELECT path, name FROM takes WHERE path > ? AND path < ? ORDER BY path", (f"{stem}/", f"{stem}0")
        ).fetchall()

    def marked_takes(self) -> Iterator[MarkedTake]:
        """How every take is marked and held out, one after the other, by name."""
        columns = ", ".join(("name", "split", *Slate.model_fields))
        for name, split, *marks in self._connection.execute(f"SELECT {columns} FROM takes ORDER BY name"):
            yield MarkedTake(name, Slate.model_construct(**dict(zip(Slate.model_fields, marks, strict=True))), split)

    def split_sizes(self) -> dict[str, int]:
        """How many takes each split has."""
        found = dict(self._connection.execute("SELECT split, count(*) FROM takes GROUP BY split").fetchall())
        return {split: found.get(split, 0) for split in SPLITS}

    def encoding_sizes(self) -> dict[tuple[str, str], int]:
        """How many takes have each colour encoding, by its name and who said it; ``("", "")`` is not known."""
        rows = self._connection.execute(
            "SELECT encoding, encoding_source, count(*) FROM takes GROUP BY encoding, encoding_source ORDER BY 1, 2"
        )
        return {(encoding, source): count for encoding, source, count in rows}

    def without_encoding(self, most: int) -> list[str]:
        """Names of takes whose colour encoding is not known, ``most`` at most, in order."""
        rows = self._connection.execute("SELECT name FROM takes WHERE encoding = '' ORDER BY name LIMIT ?", (most,))
        return [name for (name,) in rows]

    def digest(self) -> str:
        """SHA-256 over (name, sha256, layer, split) of all takes by name: which pictures, held out how."""
        digest = hashlib.sha256()
        lines = self._connection.execute("SELECT json_array(name, sha256, layer, split) FROM takes ORDER BY name")
        for (line,) in lines:
            digest.update(f"{line}\n".encode())
        return digest.hexdigest()

    def file_state(self, path: str) -> FileState | None:
        """Size and time of the file at ``path`` when it was ingested as a take."""
        row = self._connection.execute("SELECT num_bytes, mtime_ns FROM takes WHERE path = ?", (path,)).fetchone()
        return FileState(*row) if row else None

    def duplicate_at(self, path: str) -> tuple[str, FileState] | None:
        """Digest and state of the file at ``path`` if it was left out because a take has the same content."""
        row = self._connection.execute(
            "SELECT sha256, num_bytes, mtime_ns FROM duplicates WHERE path = ?", (path,)
        ).fetchone()
        return (row[0], FileState(*row[1:])) if row else None

    def fact(self, key: str) -> str:
        """A remembered fact about the catalogue, empty if there is none."""
        row = self._connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return row[0] if row else ""

    # Writing, one transaction each

    def put(
        self, take: Take, state: FileState, replaces: str | None = None, digests: TakeDigests | None = None
    ) -> None:
        """Add a take, or put it in the place of the one at path ``replaces``.

        ``digests``, whose root the take has, are what its reads are checked by; a take that stays the
        same content keeps those it has.
        """
        with self._transaction():
            former = self._connection.execute(
                "SELECT id FROM takes WHERE path IN (?, ?) AND sha256 = ?", (replaces, take.path, take.sha256)
            ).fetchone()
            for path in {take.path, replaces or take.path}:
                self._drop(path, keep=(take.blake3, take.proxy_blake3))
            self._connection.execute("DELETE FROM duplicates WHERE path = ?", (take.path,))
            self._connection.execute(_INSERT, [former and former[0], *take_to_row(take), *astuple(state)])
            if digests is not None:
                assert digests.root == take.blake3
                self._put_digests(digests)

    def _put_digests(self, digests: TakeDigests) -> None:
        self._connection.execute("INSERT OR REPLACE INTO read_digests VALUES (?, ?)", (digests.root, digests.text))

    def _drop(self, path: str, keep: tuple[str, ...] = ()) -> None:
        """Take out the take at ``path`` with its digests and its proxy's, but for those whose roots to ``keep``."""
        roots = self._connection.execute("SELECT blake3, proxy_blake3 FROM takes WHERE path = ?", (path,)).fetchone()
        for root in {*(roots or ())} - {*keep}:
            self._connection.execute("DELETE FROM read_digests WHERE root = ?", (root,))
        self._connection.execute("DELETE FROM takes WHERE path = ?", (path,))

    def put_new(self, takes: Iterable[tuple[Take, FileState]]) -> None:
        """Add many takes that are not in the catalogue, all or none."""
        with self._transaction():
            self._connection.executemany(
                _INSERT, ([None, *take_to_row(take), state.num_bytes, state.mtime_ns] for take, state in takes)
            )

    def put_duplicate(self, path: str, sha256: str, state: FileState) -> None:
        """Remember a file whose content a take already has."""
        with self._transaction():
            self._drop(path)
            self._connection.execute(
                "INSERT OR REPLACE INTO duplicates VALUES (?, ?, ?, ?)",
                (path, sha256, state.num_bytes, state.mtime_ns),
            )

    def remove(self, path: str) -> None:
        """Forget the file at ``path``, because it is no longer what was ingested."""
        with self._transaction():
            self._drop(path)
            self._connection.execute("DELETE FROM duplicates WHERE path = ?", (path,))

    def set_proxy(self, name: str, proxy_path: Path, digests: TakeDigests, encoding: str = "") -> None:
        """Say where a take's proxy lies, what it is checked by, and its encoding where that is not the take's own."""
        with self._transaction():
            self._connection.execute(
                "DELETE FROM read_digests WHERE root = (SELECT proxy_blake3 FROM takes WHERE name = ?)", (name,)
            )
            self._put_digests(digests)
            self._connection.execute(
                "UPDATE takes SET proxy_path = ?, proxy_encoding = ?, proxy_blake3 = ? WHERE name = ?",
                (str(proxy_path), encoding, digests.root, name),
            )

    def set_splits(self, splits: Mapping[str, str], facts: Mapping[str, str]) -> None:
        """Set the split of takes by name and remember facts, all in one transaction."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE takes SET split = ? WHERE name = ?", [(split, name) for name, split in splits.items()]
            )
            self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", list(facts.items()))
