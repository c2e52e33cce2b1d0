"""Writers give exactly what they promise: bits, tags, timecode, and clear words when the disk is full."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from burned_in import HEIGHT, WIDTH, numbered_frames
from productions import panning_shot

from interpositive.errors import ConfigError, MediaError, StorageError
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.sequence_reader import SequenceReader
from interpositive.media.sequence_writer import SequenceWriter, encode_exr, encode_integers
from interpositive.media.still_tags import FrameTags

RATE = Fraction(24000, 1001)


def _sequence(folder: Path, kind: str, rate: Fraction = RATE, timecode: str | None = "01:00:00:23") -> SequenceWriter:
    return SequenceWriter(
        folder,
        "shot",
        format=kind,
        first_frame=998,
        rate=rate,
        start_timecode=timecode,
        bits=10,
        tags=FrameTags(transfer="bt709"),
    )


def _every_code(dtype: type) -> np.ndarray:
    if dtype == np.uint8:
        codes = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    else:
        codes = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    return np.stack([codes, codes[:, ::-1], codes[:, :, ::-1]], axis=-1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png16", "exr"])
def test_files_hold_every_code_bit_for_bit(tmp_path: Path, kind: str, dtype: type) -> None:
    frames = _every_code(dtype)
    (path,) = _sequence(tmp_path, kind).write(frames)
    expected = encode_integers(frames) if kind == "png16" else encode_exr(frames)
    # Read with nothing of ours.
    picture = oiio.ImageInput.open(str(path))
    stored = picture.read_image(
        0, 0, 0, 3, {"uint16": oiio.UINT16, "float16": oiio.HALF}.get(str(expected.dtype), oiio.FLOAT)
    )
    picture.close()
    assert stored.dtype == expected.dtype
    assert stored.tobytes() == expected[0].tobytes()
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1), expected)
    if kind == "png16":
        assert np.array_equal(expected // 257 if dtype == np.uint8 else expected, frames)
    else:
        top = np.iinfo(dtype).max
        assert np.array_equal(np.rint(expected.astype(np.float64) * top), frames)


def test_ten_bit_codes_survive_both_formats(tmp_path: Path) -> None:
    ten = np.arange(1024, dtype=np.float64).reshape(1, 32, 32, 1).repeat(3, axis=3)
    frames = np.rint(ten / 1023 * 65535).astype(np.uint16)
    for kind, scale in (("png16", 1023 / 65535), ("exr", 1023.0)):
        folder = tmp_path / kind
        folder.mkdir()
        _sequence(folder, kind).write(frames)
        assert np.array_equal(np.rint(SequenceReader(folder).window(0, 1) * scale), ten)


def test_floats_are_written_as_they_are(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32) * 100
    halves = frames.astype(np.float16).astype(np.float32)
    assert encode_exr(frames).dtype == np.float32
    assert encode_exr(halves).dtype == np.float16
    _sequence(tmp_path, "exr").write(frames)
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1), frames)
    with pytest.raises(MediaError, match="integer"):
        encode_integers(frames)


@pytest.mark.parametrize(
    ("rate", "start", "second"),
    [
        (RATE, "01:00:00:23", "01:00:01:00"),
        (Fraction(30000, 1001), "00:00:59;29", "00:01:00;02"),
        (Fraction(25), "23:59:58:24", "23:59:59:00"),
        (RATE, "23:59:59:23", "00:00:00:00"),
    ],
)
@pytest.mark.parametrize("kind", ["png16", "exr"])
def test_timecode_and_rate_are_counted_on(tmp_path: Path, kind: str, rate: Fraction, start: str, second: str) -> None:
    paths = _sequence(tmp_path, kind, rate, start).write(numbered_frames(0, 2))
    assert [path.stem for path in paths] == ["shot.0000998", "shot.0000999"]
    info = SequenceReader(tmp_path).info
    assert (info.start_timecode, info.rate, info.colour.transfer) == (start, rate, "bt709")
    paths[0].unlink()
    assert SequenceReader(tmp_path).info.start_timecode == second


def test_a_frame_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (path,) = _sequence(tmp_path, "png16").write(numbered_frames(0, 1))
    before = path.read_bytes()
    with pytest.raises(StorageError, match="never overwritten"):
        _sequence(tmp_path, "png16").write(numbered_frames(1, 2))
    assert path.read_bytes() == before


def test_the_same_frames_are_the_same_bytes_wherever_they_lie_in_memory(tmp_path: Path) -> None:
    frames = np.rint(panning_shot(3, 24, 108, 192, (1.5, 0.5)) * 255).astype(np.uint8)
    digests = set()
    for attempt in range(8):
        path = tmp_path / f"{attempt}.mov"
        with MovieWriter(path, RATE, 192, 108, codec="h264", quality=16, gop=12) as writer:
            writer.write(frames)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("name", "settings", "intra", "colour"),
    [
        ("review.mp4", {"codec": "h264"}, False, ("bt709", "limited")),
        ("proxy.mov", {"codec": "h264_intra", "reel": "A001C002_221014_R1AB"}, True, ("bt709", "limited")),
        ("master.mov", {"codec": "prores", "reel": "A001C002"}, True, ("bt709", "limited")),
        ("edit.mxf", {"codec": "dnxhr", "reel": "A001C002"}, True, ("bt709", "limited")),
        ("lossless.mkv", {"codec": "ffv1", "pixel_format": "gbrp16le", "reel": "A001C002"}, True, ("rgb", "full")),
        ("camera.mov", {"codec": "mjpeg"}, True, ("bt470bg", "full")),
    ],
)
def test_movies_say_what_they_are(
    tmp_path: Path, name: str, settings: dict[str, str], intra: bool, colour: tuple[str, str]
) -> None:
    digests = set()
    frames = numbered_frames(0, 20, scale=2)
    for attempt in ("first", "second"):
        path = tmp_path / attempt / name
        path.parent.mkdir()
        tags = {"start_timecode": "10:00:00:00", "primaries": "bt2020", "transfer": "smpte2084"}
        with MovieWriter(path, RATE, 2 * WIDTH, 2 * HEIGHT, **tags, **settings) as writer:
            writer.write(frames)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1
    info = PyAVReader(path).info
    assert (info.rate, info.num_frames, info.variable_rate, info.intra_only) == (RATE, 20, False, intra)
    assert info.start_timecode == "10:00:00:00"
    assert info.reel == settings.get("reel")
    tagged = info.colour
    assert (tagged.matrix, tagged.range, tagged.primaries, tagged.transfer) == (*colour, "bt2020", "smpte2084")
    assert tagged.source in ("tagged", "rgb")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("codec", "name", "bound"), [("ffv1", "a.mkv", 0.12), ("prores", "a.mov", 0.3)])
def test_ten_bit_movies_are_precise(tmp_path: Path, codec: str, name: str, bound: float, dtype: type) -> None:
    frames = numbered_frames(0, 3, dtype)
    with MovieWriter(tmp_path / name, RATE, WIDTH, HEIGHT, codec=codec) as writer:
        writer.write(frames)
    back = PyAVReader(tmp_path / name).window(0, 3)
    assert back.dtype == np.uint16
    in_8_bit_codes = np.abs(back / 257 - frames.astype(float) / (1 if dtype == np.uint8 else 257))[:, 24:]
    assert in_8_bit_codes.mean() <= bound
    assert in_8_bit_codes.max() <= 15 * bound


def test_gop_is_kept(tmp_path: Path) -> None:
    with MovieWriter(tmp_path / "a.mp4", RATE, WIDTH, HEIGHT, gop=6) as writer:
        writer.write(numbered_frames(0, 25))
    assert [entry.frame for entry in PyAVReader(tmp_path / "a.mp4").index.entries] == [0, 6, 12, 18, 24]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mp4", {"codec": "prores"}),
        ("a.mp4", {"codec": "vp9"}),
        ("a.mov", {"codec": "prores", "quality": 3}),
        ("a.mp4", {"width": 127}),
        ("a.mkv", {"codec": "dnxhr"}),
        ("a.mxf", {"codec": "dnxhr"}),
        ("a.mov", {"codec": "prores", "pixel_format": "yuv420p"}),
        ("a.mp4", {"transfer": "log3"}),
    ],
)
def test_what_a_codec_cannot_do_is_refused(tmp_path: Path, name: str, settings: dict[str, object]) -> None:
    arguments = {"width": WIDTH, "height": HEIGHT} | settings
    with pytest.raises(ConfigError):
        MovieWriter(tmp_path / name, RATE, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_frames_that_do_not_fit_are_refused_and_nothing_stays(tmp_path: Path) -> None:
    for frames in (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, HEIGHT, WIDTH, 3), np.float32)):
        with pytest.raises(MediaError), MovieWriter(tmp_path / "a.mp4", RATE, WIDTH, HEIGHT) as writer:
            writer.write(frames)
    with pytest.raises(MediaError, match="no frame"), MovieWriter(tmp_path / "a.mp4", RATE, WIDTH, HEIGHT):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_movie_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"someone's work")
    with pytest.raises(StorageError, match="never overwritten"):
        MovieWriter(path, RATE, WIDTH, HEIGHT)
    assert path.read_bytes() == b"someone's work"


FULL_DISK = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from interpositive.errors import StorageError
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.sequence_writer import SequenceWriter
folder, kind, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
frames = np.random.default_rng(0).integers(0, 65536, (24, 128, 256, 3)).astype(np.uint16)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    if kind in ("png16", "exr"):
        SequenceWriter(folder, "s", format=kind, first_frame=1, rate=Fraction(24), start_timecode=None,
                       bits=16).write(frames)
    else:
        codec = {"mov": "prores", "mkv": "ffv1", "mp4": "h264"}[kind]
        with MovieWriter(folder / f"a.{kind}", Fraction(24), 256, 128, codec=codec) as writer:
            writer.write(frames)
except StorageError as error:
    print("StorageError", "could not write" in str(error))
else:
    print("written")
"""


@pytest.mark.parametrize("limit", [0, 50_000])
@pytest.mark.parametrize("kind", ["mov", "mp4", "mkv", "png16", "exr"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, kind: str, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), kind, str(limit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "StorageError True", done.stderr
    assert list(tmp_path.iterdir()) == []
