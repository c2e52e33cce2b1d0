"""Frames are told from movies by what they are where their names do not say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpositive.dailies.walking import walk_source

EXR, MP4 = bytes.fromhex("762f3101") + bytes(60), bytes(4) + b"ftypisom" + bytes(60)


@pytest.mark.parametrize("name", ["A001.{:07d}", "A001_{:04d}", "A001.{:04d}.img", "A001.{:04d}.cin"])
def test_numbered_stills_are_one_sequence_whatever_their_extension(tmp_path: Path, name: str) -> None:
    for number in (9, 10, 11):
        (tmp_path / name.format(number)).write_bytes(EXR)
    (footage,) = walk_source(tmp_path).footage
    assert footage.path == tmp_path
    assert [frame.name for frame in footage.frames] == [name.format(number) for number in (9, 10, 11)]


@pytest.mark.parametrize("name", ["A001.{:04d}", "A001_{:04d}.mp4"])
def test_numbered_movies_stay_apart(tmp_path: Path, name: str) -> None:
    for number in (1, 2):
        (tmp_path / name.format(number)).write_bytes(MP4)
    assert [footage.frames for footage in walk_source(tmp_path).footage] == [(), ()]
