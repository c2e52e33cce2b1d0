"""Frame folders: every format gives its own codes, and what is no sequence is refused in words."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from interpositive.errors import ConfigError, MediaError
from interpositive.media.opening import open_reader
from interpositive.media.probing import probe_media
from interpositive.media.sequence_reader import SequenceReader

TYPES = {"uint8": oiio.UINT8, "uint16": oiio.UINT16, "float16": oiio.HALF, "float32": oiio.FLOAT}


def _put(path: Path, pixels: np.ndarray, **attributes: Any) -> None:
    height, width, channels = pixels.shape
    spec = oiio.ImageSpec(width, height, channels, TYPES[str(pixels.dtype)])
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec) and output.write_image(pixels) and output.close()


def _codes(dtype: type, channels: int = 3, size: tuple[int, int] = (12, 20)) -> np.ndarray:
    values = np.random.default_rng(channels).random((*size, channels))
    return (values * (np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1)).astype(dtype)


@pytest.mark.parametrize(
    ("extension", "dtype", "read_as", "bits"),
    [
        ("png", np.uint8, np.uint8, 8),
        ("png", np.uint16, np.uint16, 16),
        ("tif", np.uint8, np.uint8, 8),
        ("tiff", np.uint16, np.uint16, 16),
        ("tif", np.float32, np.float32, 32),
        ("exr", np.float16, np.float32, 16),
        ("exr", np.float32, np.float32, 32),
        ("dpx", np.uint16, np.uint16, 16),
    ],
)
def test_codes_come_back_as_stored(tmp_path: Path, extension: str, dtype: type, read_as: type, bits: int) -> None:
    for number in (7, 8, 9, 10):
        _put(
            tmp_path / f"a.{number}.{extension}",
            _codes(dtype) if number == 9 else np.zeros((12, 20, 3), dtype),
        )
    reader = SequenceReader(tmp_path, rate=Fraction(25))
    assert (len(reader), reader.first_frame_number, reader.info.bits) == (4, 7, bits)
    assert reader.info.rate == 25
    frames = reader.window(1, 4)
    assert frames.dtype == read_as
    assert np.array_equal(frames[1], _codes(dtype))
    assert not frames[0].any()


def test_ten_bit_dpx_fills_the_scale(tmp_path: Path) -> None:
    ten = np.arange(240).reshape(12, 20, 1).repeat(3, axis=2) * 4
    _put(tmp_path / "a.0001.dpx", np.rint(ten / 1023 * 65535).astype(np.uint16), oiio__BitsPerSample=10)
    reader = SequenceReader(tmp_path)
    assert reader.info.bits == 10
    assert np.array_equal(np.rint(reader.window(0, 1)[0] / 65535 * 1023), ten)


@pytest.mark.parametrize(("channels", "expected"), [(1, [0, 0, 0]), (4, [0, 1, 2])])
def test_grey_becomes_three_channels_and_alpha_is_left_out(tmp_path: Path, channels: int, expected: list[int]) -> None:
    codes = _codes(np.uint16, channels)
    _put(tmp_path / "a.1.tif", codes)
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1)[0], codes[..., expected])


def test_exr_channels_are_found_by_name(tmp_path: Path) -> None:
    codes = _codes(np.float32, 5)
    spec = oiio.ImageSpec(20, 12, 5, oiio.FLOAT)
    spec.channelnames = ("Z", "B", "A", "R", "G")
    output = oiio.ImageOutput.create("a.exr")
    assert output.open(str(tmp_path / "a.1.exr"), spec) and output.write_image(codes) and output.close()
    assert np.array_equal(SequenceReader(tmp_path).window(0, 1)[0], codes[..., [3, 4, 1]])


def test_without_a_rate_24_is_noted(tmp_path: Path) -> None:
    _put(tmp_path / "a.1.png", _codes(np.uint8))
    info = probe_media(tmp_path)
    assert (info.rate, info.start_timecode, info.kind) == (24, None, "sequence")


def test_a_single_precision_rate_is_made_exact(tmp_path: Path) -> None:
    _put(tmp_path / "a.1.dpx", _codes(np.uint16), dpx__FrameRate=23.976)
    assert SequenceReader(tmp_path).info.rate == Fraction(24000, 1001)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.1.png": (np.uint8, (12, 20)), "a.3.png": (np.uint8, (12, 20))}, "a gap"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.01.png": (np.uint8, (12, 20))}, "two frames of one number"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.2.png": (np.uint8, (12, 22))}, "different raster"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.2.png": (np.uint16, (12, 20))}, "different pixel type"),
        ({"a.1.png": (np.uint8, (12, 20)), "a.2.tif": (np.uint8, (12, 20))}, "different names or formats"),
        ({"a.1.png": (np.uint8, (12, 20)), "b.2.png": (np.uint8, (12, 20))}, "different names or formats"),
        ({"still.png": (np.uint8, (12, 20))}, "no frame number"),
        ({}, "no frames"),
    ],
)
def test_what_is_no_sequence_is_refused(
    tmp_path: Path, files: dict[str, tuple[type, tuple[int, int]]], reason: str
) -> None:
    for name, (dtype, size) in files.items():
        _put(tmp_path / name, _codes(dtype, size=size))
    (tmp_path / "notes.txt").write_text("not a frame")
    with pytest.raises(MediaError, match=reason):
        probe_media(tmp_path)


@pytest.mark.parametrize("extension", ["png", "exr", "tif", "dpx"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5])
def test_a_damaged_frame_is_refused(tmp_path: Path, extension: str, kept: float) -> None:
    dtype = np.float16 if extension == "exr" else np.uint16
    for number in (1, 2):
        _put(tmp_path / f"a.{number}.{extension}", _codes(dtype, size=(64, 64)))
    last = tmp_path / f"a.2.{extension}"
    last.write_bytes(last.read_bytes()[: int(last.stat().st_size * kept)])
    with pytest.raises(MediaError):
        probe_media(tmp_path)


def test_damaged_exr_headers_are_refused_in_words(tmp_path: Path, material: Path) -> None:
    damaged = sorted((material / "hostile" / "exr_damaged").iterdir())
    for number, path in enumerate(damaged):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "a.0001.exr").write_bytes(path.read_bytes())
        with pytest.raises(MediaError):
            probe_media(folder)
    assert len(damaged) > 80


def test_the_door_leads_to_the_right_reader(tmp_path: Path) -> None:
    _put(tmp_path / "a.1.png", _codes(np.uint8))
    assert isinstance(open_reader(tmp_path), SequenceReader)
    for path, backend in ((tmp_path, "pyav"), (tmp_path, "decord"), (tmp_path / "a.1.png", "sequence")):
        with pytest.raises(MediaError, match="is not for the"):
            open_reader(path, backend)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        open_reader(tmp_path, "opencv")  # type: ignore[arg-type]
    with pytest.raises(MediaError, match="not there"):
        open_reader(tmp_path / "absent")
