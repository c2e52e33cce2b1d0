"""Frames are told from movies by what they are where their names do not say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpositive.dailies import walking
from interpositive.dailies.walking import walk_source
from interpositive.media.still_formats import sniff_still

EXR, MP4 = bytes.fromhex("762f3101") + bytes(60), bytes(4) + b"ftypisom" + bytes(60)


@pytest.mark.parametrize(
    "name", ["A001.{:07d}", "A001_{:04d}", "A001.{:04d}.img", "A001.{:04d}.cin", "A001.{:04d}.mov"]
)
def test_numbered_stills_are_one_sequence_whatever_their_extension(tmp_path: Path, name: str) -> None:
    for number in (9, 10, 11):
        (tmp_path / name.format(number)).write_bytes(EXR)
    (footage,) = walk_source(tmp_path).footage
    assert footage.path == tmp_path
    assert [frame.name for frame in footage.frames] == [name.format(number) for number in (9, 10, 11)]


@pytest.mark.parametrize("name", ["A001.{:04d}", "A001_{:04d}.mp4", "A001.{:04d}.png", "A001_{:04d}.exr"])
def test_numbered_movies_stay_apart(tmp_path: Path, name: str) -> None:
    for number in (1, 2):
        (tmp_path / name.format(number)).write_bytes(MP4)
    assert [footage.frames for footage in walk_source(tmp_path).footage] == [(), ()]


def test_a_movie_under_a_stills_name_is_footage_and_a_still_alone_is_not(tmp_path: Path) -> None:
    (tmp_path / "take.0001.png").write_bytes(MP4)
    (tmp_path / "poster.png").write_bytes(EXR)
    walk = walk_source(tmp_path)
    assert [footage.path.name for footage in walk.footage] == ["take.0001.png"]
    assert walk.refused == [(tmp_path / "poster.png", "a single still frame, not a take")]


def test_a_movie_among_frames_is_told_from_them_and_a_damaged_frame_is_not(tmp_path: Path) -> None:
    for number, content in enumerate((MP4, EXR, EXR), 1):
        (tmp_path / f"A001.{number:04d}.exr").write_bytes(content)
    movie, sequence = sorted(walk_source(tmp_path).footage, key=lambda footage: len(footage.frames))
    assert (movie.path.name, len(sequence.frames)) == ("A001.0001.exr", 2)
    (tmp_path / "A001.0001.exr").write_bytes(b"not found")
    assert [len(footage.frames) for footage in walk_source(tmp_path).footage] == [3]


def test_of_a_sequence_only_the_first_frame_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (tmp_path / f"A001.{number:04d}.exr").write_bytes(EXR)
    opened: list[Path] = []
    monkeypatch.setattr(walking, "sniff_still", lambda path: opened.append(path) or sniff_still(path))
    monkeypatch.setattr(walking, "is_movie", lambda path: opened.append(path) or False)
    walk_source(tmp_path)
    assert [path.name for path in opened] == ["A001.0000.exr"]
