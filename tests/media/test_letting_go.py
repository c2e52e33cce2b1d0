"""A reader that is closed lets go at once, without waiting for the garbage collector."""

from __future__ import annotations

import gc
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from interpositive.errors import MediaError
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.pyav_reader import PyAVReader


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    with MovieWriter(tmp_path / "movie.mov", Fraction(24), 64, 48) as writer:
        writer.write(np.zeros((10, 48, 64, 3), np.uint8))
    return tmp_path / "movie.mov"


def living_frames() -> int:
    """Pictures in memory; a decoder's empty spare is none."""
    things = [thing for thing in gc.get_objects() if type(thing) is av.VideoFrame]
    return sum(thing.width > 0 for thing in things)


@pytest.fixture(autouse=True)
def no_collector() -> object:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_closing_frees_the_decoder_and_its_frames(movie: Path) -> None:
    before = living_frames()
    reader = PyAVReader(movie)
    reader.window(2, 5)
    opened = weakref.ref(reader._opened)
    reader.close()
    assert opened() is None
    assert living_frames() == before


def test_an_opened_movie_holds_no_frame(movie: Path) -> None:
    before = living_frames()
    reader = PyAVReader(movie)
    assert reader.info.num_frames == 10
    assert living_frames() == before
    reader.close()


def test_a_closed_reader_reads_again_and_jumps_as_before(movie: Path) -> None:
    reader = PyAVReader(movie)
    first = reader.window(3, 6)
    reader.close()
    reader.close()
    for start, stop in ((3, 6), (0, 2), (8, 10), (3, 6)):
        frames = reader.window(start, stop)
    np.testing.assert_array_equal(frames, first)
    with pytest.raises(MediaError):
        reader.window(9, 11)
    np.testing.assert_array_equal(reader.window(3, 6), first)
