"""Digests of files and of plain values (SHA-256, FIPS 180-4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

CHUNK_BYTES = 1 << 20


class Hasher(Protocol):
    """Anything that digests bytes as they come: of hashlib, blake3 or xxhash."""

    def update(self, chunk: Any, /) -> Any:
        """Take in some more bytes."""


def hash_file(path: Path, hashers: Sequence[Hasher], on_bytes: Callable[[int], None] | None = None) -> int:
    """Feed a file's bytes to all ``hashers`` in one pass, in chunks of 1 MiB; gives the number of bytes.

    ``on_bytes`` is told the size of each chunk, for progress bars.
    """
    with path.open("rb", buffering=0) as stream:
        return hash_stream(stream, hashers, on_bytes)


def hash_stream(stream: IO[bytes], hashers: Sequence[Hasher], on_bytes: Callable[[int], None] | None = None) -> int:
    """Feed the rest of an open file to all ``hashers``, as :func:`hash_file`."""
    num_bytes = 0
    while chunk := stream.read(CHUNK_BYTES):
        for hasher in hashers:
            hasher.update(chunk)
        num_bytes += len(chunk)
        if on_bytes is not None:
            on_bytes(len(chunk))
    return num_bytes


def sha256_of_file(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """Hex SHA-256 of a file's bytes; ``on_bytes`` as in :func:`hash_file`."""
    digest = hashlib.sha256()
    hash_file(path, [digest], on_bytes)
    return digest.hexdigest()


def sha256_of_files(paths: Iterable[Path]) -> str:
    """One hex SHA-256 over several files' names and digests, whatever their order."""
    return sha256_of_value({path.name: sha256_of_file(path) for path in paths})


def sha256_of_path(path: Path) -> str:
    """Hex SHA-256 of a file, or one over the files right inside a folder."""
    if path.is_dir():
        return sha256_of_files(entry for entry in path.iterdir() if entry.is_file())
    return sha256_of_file(path)


def sha256_of_value(value: object) -> str:
    """Hex SHA-256 of a JSON-like value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
