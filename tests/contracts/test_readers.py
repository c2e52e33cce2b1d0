"""What every reader promises, asked of every reader over every kind of media.

The frame number is burned into each frame, so a reader that gives a
neighbour instead of the frame that was asked for is certain to be found out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import multiprocessing
import pickle
import random
import sys
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from interpositive.errors import ConfigError, IntegrityError, MediaError
from interpositive.media.contract import FrameReader, Frames
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import Backend, open_reader
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.sequence_writer import SequenceWriter
from interpositive.media.still_tags import FrameTags
from interpositive.records.take_digests import TakeDigests, digest_file

# Tests are no package; the footage maker is found beside the media tests and, by name, in spawned
# workers too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "media"))
from burned_in import HEIGHT, WIDTH, numbered_frames, read_number, write_raw_movie
from movie_matrix import eight_bit_backends

NUM_FRAMES = 48
RATE = Fraction(24000, 1001)
PYRAMID = {
    "preset": "medium",
    "x264-params": "keyint=250:bframes=5:b-pyramid=normal:b-adapt=2:ref=4:log=none",
}


def _written(name: str, **settings: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        with MovieWriter(path, RATE, WIDTH, HEIGHT, **settings) as writer:  # type: ignore[arg-type]
            for start in range(0, NUM_FRAMES, 7):
                writer.write(numbered_frames(start, min(NUM_FRAMES, start + 7)))
        return path

    return make


def _raw(name: str, **settings: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write_raw_movie(folder / name, NUM_FRAMES, **settings)  # type: ignore[arg-type]
        return folder / name

    return make


def _sequence(kind: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / kind
        path.mkdir()
        with SequenceWriter(
            path,
            "take",
            format=kind,  # type: ignore[arg-type]
            first_frame=1001,
            rate=RATE,
            start_timecode=None,
            bits=8,
            tags=FrameTags(transfer="bt709"),
        ) as writer:
            writer.write(numbered_frames(0, NUM_FRAMES))
        return path

    return make


MEDIA: dict[str, Callable[[Path], Path]] = {
    "h264-long-gop": _raw("pyramid.mp4", options=PYRAMID),
    "h264-open-gop": _raw(
        "open.mp4",
        options={"x264-params": "keyint=12:open-gop=1:bframes=3:b-pyramid=normal:scenecut=0:log=none"},
    ),
    "h264-long-gop-mkv": _raw("pyramid.mkv", options=PYRAMID),
    "h264-transport": _raw("pyramid.ts", options=PYRAMID | {"x264-params": "keyint=12:bframes=3:log=none"}),
    "h264-intra": _written("intra.mp4", codec="h264_intra"),
    "late-start": _raw("late.mp4", options=PYRAMID, pts=list(range(37, 37 + NUM_FRAMES))),
    "hevc": _raw("take.mov", encoder="libx265", options={"x265-params": "keyint=24:bframes=4:log-level=none"}),
    "prores": _written("take.mov", codec="prores"),
    "ffv1": _written("take.mkv", codec="ffv1"),
    "png": _sequence("png16"),
    "exr": _sequence("exr"),
    "dpx10": _sequence("dpx10"),
    "dpx12": _sequence("dpx12"),
    "dpx16": _sequence("dpx16"),
    "tiff16": _sequence("tiff16"),
}
EIGHT_BIT_READS = ("h264-long-gop", "h264-intra", "late-start", "h264-long-gop-mkv")
TORCHCODEC_READS = (*EIGHT_BIT_READS, "h264-open-gop")
CASES: list[tuple[str, Backend]] = [
    *((name, "auto") for name in MEDIA),
    *((name, "decord") for name in EIGHT_BIT_READS),
    *((name, "torchcodec") for name in TORCHCODEC_READS),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make each kind of media once."""
    paths: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name == "hevc" and "libx265" not in av.codecs_available:
            pytest.skip("this FFmpeg cannot write HEVC")
        if name not in paths:
            paths[name] = MEDIA[name](tmp_path_factory.mktemp(name))
        return paths[name]

    return make


@pytest.fixture(params=CASES, ids=[f"{backend}-{name}" for name, backend in CASES])
def reader(request: pytest.FixtureRequest, made: Callable[[str], Path]) -> FrameReader:
    name, backend = request.param
    if backend in ("decord", "torchcodec") and backend not in eight_bit_backends():
        pytest.skip(f"{backend} is not installed")
    return open_reader(made(name), backend)


def _digests(frames: Frames) -> list[str]:
    return [hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest() for frame in frames]


def test_frames_are_those_asked_for(reader: FrameReader) -> None:
    assert isinstance(reader, FrameReader)
    assert len(reader) == reader.info.num_frames == NUM_FRAMES
    frames = reader.window(0, NUM_FRAMES)
    assert frames.shape == (NUM_FRAMES, HEIGHT, WIDTH, 3)
    assert [read_number(frame) for frame in frames] == list(range(NUM_FRAMES))
    reader.close()


def test_random_access_equals_sequential_decode(reader: FrameReader) -> None:
    in_order = _digests(reader.window(0, NUM_FRAMES))
    assert len(set(in_order)) == NUM_FRAMES
    chance = random.Random(3)
    starts = [NUM_FRAMES - 1, 0, *(chance.randrange(NUM_FRAMES) for _ in range(8))]
    for start in starts:
        stop = min(NUM_FRAMES, start + chance.randrange(1, 6))
        assert _digests(reader.window(start, stop)) == in_order[start:stop]
    pieces = [
        digest for start in range(0, NUM_FRAMES, 5) for digest in _digests(reader.window(start, min(start + 5, 48)))
    ]
    assert pieces == in_order
    reader.close()


def test_a_fresh_reader_starts_anywhere(reader: FrameReader) -> None:
    again = pickle.loads(pickle.dumps(reader))
    late = again.window(31, 34)
    assert [read_number(frame) for frame in late] == [31, 32, 33]
    assert _digests(late) == _digests(reader.window(0, NUM_FRAMES))[31:34]
    again.close()
    reader.close()


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 0), (5, 4), (NUM_FRAMES, NUM_FRAMES + 1), (40, 49)])
def test_frames_that_are_not_there_are_refused(reader: FrameReader, start: int, stop: int) -> None:
    with pytest.raises(MediaError, match="not in"):
        reader.window(start, stop)
    reader.close()


def test_a_closed_reader_opens_again(reader: FrameReader) -> None:
    before = _digests(reader.window(20, 22))
    reader.close()
    assert _digests(reader.window(20, 22)) == before
    reader.close()


@pytest.mark.parametrize("name", ["h264-long-gop", "hevc", "prores", "ffv1"])
def test_decoder_threads_change_nothing(made: Callable[[str], Path], name: str) -> None:
    alone, together = PyAVReader(made(name)), PyAVReader(made(name), num_threads=4)
    for start, stop in ((0, NUM_FRAMES), (30, 33), (33, 40), (2, 3)):
        assert np.array_equal(alone.window(start, stop), together.window(start, stop))
    together.close()


def _number_in_worker(reader: FrameReader) -> list[int]:
    return [read_number(frame) for frame in reader.window(17, 20)]


def test_readers_travel_into_spawned_workers(made: Callable[[str], Path]) -> None:
    readers = [open_reader(made("h264-long-gop")), open_reader(made("png"))]
    if importlib.util.find_spec("decord") is not None:
        readers.append(open_reader(made("h264-intra"), "decord"))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_number_in_worker, readers) == [[17, 18, 19]] * len(readers)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_readers_open_in_the_parent_serve_forked_workers(made: Callable[[str], Path]) -> None:
    readers = [open_reader(made("h264-long-gop"))]
    if importlib.util.find_spec("decord") is not None:
        readers.append(open_reader(made("h264-intra"), "decord"))
    for reader in readers:
        reader.window(5, 9)
        read_numbers: multiprocessing.SimpleQueue[list[int]] = multiprocessing.get_context("fork").SimpleQueue()
        # Inherited by the fork, not pickled: the way a data loader's workers get theirs.
        worker = multiprocessing.get_context("fork").Process(
            target=lambda: read_numbers.put(_number_in_worker(reader))  # noqa: B023
        )
        worker.start()
        worker.join(timeout=20)
        alive = worker.is_alive()
        worker.kill()
        assert not alive
        assert read_numbers.get() == [17, 18, 19]
        assert [read_number(frame) for frame in reader.window(9, 12)] == [9, 10, 11]


def test_a_movie_that_does_not_say_its_showing_order_is_refused(tmp_path: Path) -> None:
    # FFmpeg's MXF counts stored frames; reordered ones would be given under their neighbours' numbers.
    path = tmp_path / "reordered.mxf"
    write_raw_movie(path, NUM_FRAMES, options=PYRAMID)
    for start in (1, 3, 30):
        with pytest.raises(MediaError, match="order"), closing(PyAVReader(path)) as reader:
            reader.window(start, start + 1)


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
def test_eight_bit_colours_equal_the_reference_on_tagged_media(made: Callable[[str], Path], backend: Backend) -> None:
    if backend not in eight_bit_backends():
        pytest.skip(f"{backend} is not installed")
    for name in ("h264-long-gop", "h264-intra"):
        reference = open_reader(made(name)).window(0, NUM_FRAMES).astype(np.int16)
        proxy = open_reader(made(name), backend).window(0, NUM_FRAMES).astype(np.int16)
        # Below the squares colour is smooth, so half-resolution colour is nearly the same repeated or
        # interpolated; what remains is a rounding downwards.
        difference = np.abs(proxy - reference)[:, 20:]
        assert difference.mean() < 2.5
        assert difference.max() <= 16


def test_decord_refuses_what_it_would_get_wrong(made: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("decord")
    untagged = tmp_path / "untagged.mp4"
    tall = np.zeros((2, 720, 1280, 3), np.uint8)
    write_raw_movie(untagged, 2, tagged=False, frames=tall)
    turned = tmp_path / "turned.mp4"
    write_raw_movie(turned, 2, rotation=90)
    for path, reason in (
        (made("h264-open-gop"), "open groups"),
        (made("h264-transport"), "MPEG-TS"),
        (made("prores"), "10 bit"),
        (untagged, "untagged"),
        (turned, "rotation of 90"),
    ):
        with pytest.raises(MediaError, match=reason):
            open_reader(path, "decord").window(0, 1)
    with pytest.raises(MediaError, match="named by hand"):
        open_reader(made("h264-intra"), "decord", matrix="bt601").window(0, 1)


def test_torchcodec_refuses_what_it_would_get_wrong(made: Callable[[str], Path], tmp_path: Path) -> None:
    if "torchcodec" not in eight_bit_backends():
        pytest.skip("torchcodec is not installed")
    for path, reason in ((made("prores"), "10 bit"), (made("hevc"), "HEVC")):
        with pytest.raises(MediaError, match=reason):
            open_reader(path, "torchcodec").window(0, 1)
    with pytest.raises(MediaError, match="named by hand"):
        open_reader(made("h264-intra"), "torchcodec", matrix="bt601").window(0, 1)


def test_a_missing_torchcodec_is_said(made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ConfigError, match="set the reader to auto"):
        open_reader(made("h264-intra"), "torchcodec").window(0, 1)


@pytest.mark.parametrize("backend", ["pyav", "decord", "torchcodec"])
def test_a_flipped_bit_of_an_original_is_never_decoded(
    made: Callable[[str], Path], tmp_path: Path, backend: Backend
) -> None:
    if backend != "pyav" and backend not in eight_bit_backends():
        pytest.skip(f"{backend} is not installed")
    path = tmp_path / "take.mp4"
    path.write_bytes(made("h264-intra").read_bytes())
    digests = TakeDigests(files=(digest_file(path, path.name),))
    with closing(open_reader(path, backend, digests=digests)) as reader:
        assert read_number(reader.window(5, 6)[0]) == 5
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with closing(open_reader(path, backend, digests=digests)) as reader, pytest.raises(IntegrityError, match="changed"):
        reader.window(5, 6)
