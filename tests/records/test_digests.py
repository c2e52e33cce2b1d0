"""One pass over a file feeds every hasher the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import blake3
import xxhash

from interpositive.records.digests import CHUNK_BYTES, hash_file, sha256_of_file


def test_one_pass_feeds_every_hasher(tmp_path: Path) -> None:
    content = bytes(range(256)) * (CHUNK_BYTES // 256) + b"the odd end"
    path = tmp_path / "take.mov"
    path.write_bytes(content)
    hashers = [hashlib.sha256(), blake3.blake3(), xxhash.xxh3_128()]
    sizes: list[int] = []

    assert hash_file(path, hashers, sizes.append) == len(content)

    assert sizes == [CHUNK_BYTES, 11]
    wanted = [hashlib.sha256(content), blake3.blake3(content), xxhash.xxh3_128(content)]
    assert [h.hexdigest() for h in hashers] == [h.hexdigest() for h in wanted]
    assert sha256_of_file(path) == wanted[0].hexdigest()
