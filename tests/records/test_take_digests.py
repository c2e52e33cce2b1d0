"""The list of digests that reads are checked by: the same however it was read, and not to be tampered with."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from interpositive.errors import IntegrityError
from interpositive.records.digests import CHUNK_BYTES
from interpositive.records.take_digests import (
    ReadDigester,
    TakeDigests,
    chunk_digest,
    digest_file,
    read_take_digests,
    write_take_digests,
)


@pytest.mark.parametrize("num_bytes", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 77])
def test_chunks_do_not_depend_on_how_the_file_is_read(tmp_path: Path, num_bytes: int) -> None:
    content = os.urandom(num_bytes)
    path = tmp_path / "a.mov"
    path.write_bytes(content)
    expected = digest_file(path, "a")
    chance, digester, at = random.Random(num_bytes), ReadDigester(), 0
    while at < num_bytes:
        step = chance.choice([1, 4096, CHUNK_BYTES, 3 * CHUNK_BYTES])
        digester.update(content[at : at + step])
        at += step
    assert digester.digests("a") == expected
    assert expected.num_bytes == num_bytes
    for number in range(-(-num_bytes // CHUNK_BYTES)):
        assert expected.chunk(number) == chunk_digest(content[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
    assert expected.chunk(-(-num_bytes // CHUNK_BYTES)) == ""


def test_a_list_is_found_by_its_root_and_refused_when_it_is_not_it(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"frames")
    digests = TakeDigests(files=(digest_file(tmp_path / "a.mov"),))
    path = write_take_digests(digests, tmp_path / "lists")
    assert read_take_digests(tmp_path / "lists", digests.root) == digests
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="cannot be trusted"):
        read_take_digests(tmp_path / "lists", digests.root)
    path.unlink()
    with pytest.raises(IntegrityError, match="cannot be trusted"):
        read_take_digests(tmp_path / "lists", digests.root)
