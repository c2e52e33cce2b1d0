"""The digests by which every read of an original is checked: one for each mebibyte of each of a take's files.

Reads are checked by XXH3-128, which costs a tenth of what decoding the
quickest frame costs; it finds every accident but is no defence against
someone who forges. Against those each file's BLAKE3 is in the list too, and
the list's own BLAKE3, its root, is in the catalogue.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import blake3
import xxhash

from interpositive.errors import IntegrityError
from interpositive.records.base import Record
from interpositive.records.digests import CHUNK_BYTES, hash_file

_HEX_DIGITS = 32


def chunk_digest(chunk: bytes | memoryview) -> str:
    """Hex XXH3-128 of one chunk's bytes."""
    return xxhash.xxh3_128_hexdigest(chunk)


class FileDigests(Record):
    """One file: its size, its BLAKE3, and ``chunks``, the hex XXH3-128 of each mebibyte, one after the other.

    ``name`` is a frame's within its folder, and empty for a movie, which may be renamed.
    """

    name: str
    num_bytes: int
    blake3: str
    chunks: str

    def chunk(self, number: int) -> str:
        """The digest of chunk ``number``; empty behind the end."""
        return self.chunks[number * _HEX_DIGITS : (number + 1) * _HEX_DIGITS]


class TakeDigests(Record):
    """All files of a take: one for a movie, one a frame for a sequence, in frame order."""

    schema_version: int = 1
    files: tuple[FileDigests, ...]

    @cached_property
    def text(self) -> str:
        """The list as it is written, always the same for the same files."""
        return json.dumps(self.model_dump(), separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def root(self) -> str:
        """Hex BLAKE3 over the list: who knows it can trust the list."""
        return blake3.blake3(self.text.encode()).hexdigest()

    @cached_property
    def by_name(self) -> dict[str, FileDigests]:
        """The files by their names."""
        return {file.name: file for file in self.files}


class ReadDigester:
    """Takes in a file's bytes as they are read, in pieces of any size; then gives its digests."""

    def __init__(self) -> None:
        self._whole = blake3.blake3()
        self._chunk = xxhash.xxh3_128()
        self._num_bytes = 0
        self._chunks: list[str] = []

    def update(self, piece: Any, /) -> None:
        """Take in some more bytes."""
        view = memoryview(piece)
        self._whole.update(view)
        while view.nbytes:
            room = CHUNK_BYTES - self._num_bytes % CHUNK_BYTES
            part, view = view[:room], view[room:]
            self._chunk.update(part)
            self._num_bytes += part.nbytes
            if self._num_bytes % CHUNK_BYTES == 0:
                self._end_chunk()

    def _end_chunk(self) -> None:
        self._chunks.append(self._chunk.hexdigest())
        self._chunk.reset()

    def digests(self, name: str) -> FileDigests:
        """The digests of all bytes so far."""
        last = [self._chunk.hexdigest()] if self._num_bytes % CHUNK_BYTES else []
        return FileDigests(
            name=name,
            num_bytes=self._num_bytes,
            blake3=self._whole.hexdigest(),
            chunks="".join([*self._chunks, *last]),
        )


def digest_file(path: Path, name: str = "") -> FileDigests:
    """Read a file once for its digests."""
    digester = ReadDigester()
    hash_file(path, [digester])
    return digester.digests(name)


def parse_take_digests(text: str, root: str) -> TakeDigests:
    """Read a list from its text; ``IntegrityError`` if it is not the one with this root."""
    found = blake3.blake3(text.encode()).hexdigest()
    if found != root:
        raise IntegrityError(
            "the digests to check a take by are not those that were recorded",
            found=f"a list with the root {found}",
            expected=f"a list with the root {root}",
            remedy="restore the catalogue, or ingest the footage into a new one",
        )
    return TakeDigests.model_validate_json(text)
