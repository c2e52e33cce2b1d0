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
    parse_take_digests,
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


def test_a_list_is_known_by_its_root(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"frames")
    digests = TakeDigests(files=(digest_file(tmp_path / "a.mov"),))
    assert parse_take_digests(digests.text, digests.root) == digests
    for at in range(0, len(digests.text), 7):
        text = digests.text[:at] + chr(ord(digests.text[at]) ^ 1) + digests.text[at + 1 :]
        with pytest.raises(IntegrityError, match="not those that were recorded"):
            parse_take_digests(text, digests.root)
