"""Whatever bit of an original flips, the file and the bytes are named and nothing is decoded."""

from __future__ import annotations

import os
import pickle
import random
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from burned_in import numbered_frames

from interpositive.errors import IntegrityError, MediaError
from interpositive.media.media_file import MediaFile, check_file, check_file_once, refuse_touched
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import open_reader
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.sequence_reader import list_frames
from interpositive.records.digests import CHUNK_BYTES
from interpositive.records.take_digests import TakeDigests, digest_file

NUM_FRAMES = 12
MOVIES = {"prores.mov": "prores", "h264.mp4": "h264", "ffv1.mkv": "ffv1"}


@pytest.fixture(scope="module")
def movies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("movies")
    noise = np.random.default_rng(0).integers(0, 12, numbered_frames(0, NUM_FRAMES).shape, np.uint8)
    for name, codec in MOVIES.items():
        frames = np.maximum(numbered_frames(0, NUM_FRAMES), noise)
        with MovieWriter(folder / name, Fraction(24), frames.shape[2], frames.shape[1], codec=codec) as writer:
            writer.write(frames)
    return {name: folder / name for name in MOVIES}


@pytest.mark.parametrize("name", MOVIES)
def test_every_flipped_bit_is_found_and_named(movies: dict[str, Path], tmp_path: Path, name: str) -> None:
    content, digests = movies[name].read_bytes(), digest_file(movies[name])
    reader = PyAVReader(movies[name], digests=digests)
    assert np.array_equal(reader.window(0, NUM_FRAMES), PyAVReader(movies[name]).window(0, NUM_FRAMES))
    chance = random.Random(name)
    for _ in range(8):
        bit = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path = tmp_path / name
        path.write_bytes(flipped)
        with pytest.raises(IntegrityError) as found:
            PyAVReader(path, digests=digests).window(0, NUM_FRAMES)
        assert str(path) in str(found.value)
        start, stop = map(int, re.findall(r"bytes (\d+) to (\d+)", str(found.value))[0])
        assert start <= bit // 8 < stop <= start + CHUNK_BYTES


@pytest.mark.parametrize("extension", ["dpx", "exr"])
def test_every_flipped_bit_of_a_sequence_is_found_and_its_frame_named(tmp_path: Path, extension: str) -> None:
    pixels = numbered_frames(0, 4).astype(np.float32) / 255
    for number, frame in enumerate(pixels):
        assert oiio.ImageBuf(frame).write(str(tmp_path / f"a.{number:04d}.{extension}"), "half")
    paths = list_frames(tmp_path)
    digests = TakeDigests(files=tuple(digest_file(path, path.name) for path in paths))
    plain, checked = open_reader(tmp_path), open_reader(tmp_path, digests=digests)
    assert checked.info == plain.info
    assert np.array_equal(checked.window(0, 4), plain.window(0, 4))
    chance = random.Random(extension)
    for _ in range(8):
        number = chance.randrange(4)
        content = paths[number].read_bytes()
        bit = chance.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        paths[number].write_bytes(flipped)
        with pytest.raises(IntegrityError, match=rf"{re.escape(str(paths[number]))} changed since"):
            open_reader(tmp_path, digests=digests).window(0, 4)
        paths[number].write_bytes(content)
    paths[2].unlink()
    with pytest.raises(MediaError, match=r"a\.0002"):
        checked.window(0, 4)


def test_a_file_that_changes_while_it_is_open_is_refused_from_then_on(movies: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    content = movies["ffv1.mkv"].read_bytes()
    # Many movies long, so that the end is not among the chunks already checked.
    path.write_bytes(content + os.urandom(8 * CHUNK_BYTES))
    digests = digest_file(path)
    file = MediaFile(path, digests)
    assert file.read(100) == content[:100]
    with path.open("r+b") as stream:
        stream.seek(5 * CHUNK_BYTES + 17)
        stream.write(b"other")
    file.seek(5 * CHUNK_BYTES)
    with pytest.raises(IntegrityError, match=f"bytes {5 * CHUNK_BYTES} to {6 * CHUNK_BYTES}"):
        file.read(10)
    file.seek(0)
    with pytest.raises(IntegrityError), file.vouched_for():
        pass
    file.close()


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_length_is_refused(movies: dict[str, Path], tmp_path: Path, change: int) -> None:
    path = tmp_path / "a.mov"
    content = movies["prores.mov"].read_bytes()
    digests = digest_file(movies["prores.mov"])
    path.write_bytes((content + b"\0")[: len(content) + change])
    with pytest.raises(IntegrityError, match="not the file that was ingested"):
        PyAVReader(path, digests=digests).window(0, 1)


def test_a_reader_with_digests_goes_to_a_worker(movies: dict[str, Path]) -> None:
    reader = PyAVReader(movies["h264.mp4"], digests=digest_file(movies["h264.mp4"]))
    reader.window(0, 2)
    there = pickle.loads(pickle.dumps(reader))
    assert np.array_equal(there.window(3, 5), reader.window(3, 5))


def test_a_whole_file_is_checked_and_watched(tmp_path: Path) -> None:
    path = tmp_path / "frame.0001.dpx"
    content = os.urandom(2 * CHUNK_BYTES + 5)
    path.write_bytes(content)
    digests = digest_file(path)
    state = check_file(path, digests)
    refuse_touched(path, state)
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="while it was read"):
        refuse_touched(path, state)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 4]))
    with pytest.raises(IntegrityError, match=f"bytes {2 * CHUNK_BYTES} to {2 * CHUNK_BYTES + 5}"):
        check_file(path, digests)


def test_a_file_that_is_opened_often_is_read_again_only_if_it_was_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "proxy.mov"
    content = os.urandom(CHUNK_BYTES + 5)
    path.write_bytes(content)
    digests, num_checks = digest_file(path), []
    check = MediaFile.check_whole
    monkeypatch.setattr(MediaFile, "check_whole", lambda file: num_checks.append(1) or check(file))
    for _ in range(3):
        refuse_touched(path, check_file_once(path, digests))
    assert len(num_checks) == 1
    path.write_bytes(content)
    refuse_touched(path, check_file_once(path, digests))
    assert len(num_checks) == 2
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 4]))
    for _ in range(2):
        with pytest.raises(IntegrityError, match="changed since it was ingested"):
            check_file_once(path, digests)
    path.unlink()
    with pytest.raises(MediaError, match="cannot be read"):
        check_file_once(path, digests)


def test_no_handle_is_left_open(movies: dict[str, Path], tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("open handles are counted in /proc")
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "words.mov").write_bytes(b"#EXTM3U\nother.mov\n")
    (tmp_path / "empty.mov").write_bytes(b"")
    (tmp_path / "torn.mov").write_bytes(movies["prores.mov"].read_bytes()[:5000])
    for name in ("words.mov", "empty.mov", "torn.mov", "absent.mov"):
        with pytest.raises(MediaError):
            PyAVReader(tmp_path / name).window(0, 1)
    reader = PyAVReader(movies["prores.mov"])
    reader.window(0, 1)
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
    dropped = PyAVReader(movies["prores.mov"])
    dropped.window(0, 1)
    del dropped
    assert len(os.listdir("/proc/self/fd")) == before
