"""Codes become RGB and go back by the standard's own arithmetic, done here in float64 without FFmpeg."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.dailies.windows import frames_to_tensor
from interpositive.media.contract import ColourTags
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.rgb_codes import PictureMaker, RgbConverter

LIMITED = ColourTags("bt709", "limited", "bt709", "bt709", "tagged")
FULL = ColourTags("bt709", "full", "bt709", "bt709", "tagged")
RGB = ColourTags("rgb", "full", "bt709", "bt709", "rgb")
RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722
HEIGHT, WIDTH = 72, 128


def _stored(frame: av.VideoFrame) -> list[NDArray[Any]]:
    planes = []
    for plane in frame.planes:
        kind = np.uint8 if plane.line_size < 2 * plane.width else np.uint16
        planes.append(np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(int))
    return planes


def _stored_rgb(frame: av.VideoFrame) -> NDArray[Any]:
    if frame.format.name == "bgr0":
        return _bytes_of(frame.planes[0])[:, : 4 * frame.width].reshape(frame.height, frame.width, 4)[..., 2::-1]
    green, blue, red = _stored(frame)
    return np.stack([red, green, blue], axis=-1)


def _bytes_of(plane: Any) -> NDArray[np.uint8]:
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)


def _frame(pixel_format: str, planes: list[NDArray[Any]]) -> av.VideoFrame:
    frame = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], pixel_format)
    for plane, codes in zip(frame.planes, planes, strict=True):
        kind = np.uint8 if plane.line_size < 2 * plane.width else np.uint16
        padded = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
        padded[:, : plane.width] = codes
        plane.update(padded.tobytes())
    return frame


def _rgb_of_yuv(planes: list[NDArray[Any]], bits: int, full: bool) -> NDArray[np.float64]:
    """ITU-R BT.709 and H.273, equations 20 to 25 read backwards, as values in [0, 1]."""
    luma, blue, red = (plane.astype(np.float64) for plane in planes)
    step, top = 1 << (bits - 8), (1 << bits) - 1
    value = luma / top if full else (luma - 16 * step) / (219 * step)
    blue, red = ((plane - 128 * step) / (top if full else 224 * step) for plane in (blue, red))
    r, b = value + 2 * (1 - RED) * red, value + 2 * (1 - BLUE) * blue
    return np.clip(np.stack([r, (value - RED * r - BLUE * b) / GREEN, b], axis=-1), 0, 1)


def _read(frame: av.VideoFrame, tags: ColourTags) -> NDArray[Any]:
    converter = RgbConverter(tags, frame.format.name)
    out = np.empty((frame.height, frame.width, 3), converter.dtype)
    converter.write_rgb(frame, out)
    return out


@pytest.mark.parametrize("tags", [LIMITED, FULL], ids=["limited", "full"])
@pytest.mark.parametrize(("bits", "suffix"), [(8, ""), (10, "10le"), (12, "12le"), (16, "16le")])
def test_yuv_is_read_as_the_standard_says(bits: int, suffix: str, tags: ColourTags) -> None:
    # Every code, in and far out of gamut: where FFmpeg's own 8-bit RGB wraps around.
    planes = list(np.random.default_rng(bits).integers(0, 1 << bits, (3, HEIGHT, WIDTH)))
    codes = _read(_frame(f"yuv444p{suffix}", planes), tags)
    top = 255 if bits == 8 else 65535
    difference = codes - _rgb_of_yuv(planes, bits, tags is FULL) * top
    assert np.abs(difference).max() <= (0.52 if bits == 8 else 4.5)


@pytest.mark.parametrize(("bits", "suffix"), [(10, "10le"), (12, "12le")])
@pytest.mark.parametrize("chroma", ["444", "422", "420"])
def test_white_and_every_grey_of_yuv_come_back(bits: int, suffix: str, chroma: str) -> None:
    pixel_format = f"yuv{chroma}p{suffix}"
    black, white = 16 << (bits - 8), 235 << (bits - 8)
    luma = np.resize(np.arange(black, white + 1), (HEIGHT, WIDTH))
    neutral = av.VideoFormat(pixel_format, WIDTH, HEIGHT)
    shape = neutral.chroma_height(), neutral.chroma_width()
    grey = np.full(shape, 1 << (bits - 1))
    codes = _read(_frame(pixel_format, [luma, grey, grey]), LIMITED)
    assert np.array_equal(codes.max(-1), codes.min(-1))
    assert (codes[luma == black].max(), codes[luma == white].min()) == (0, 65535)
    through_tensor = np.rint(frames_to_tensor(codes[None]).numpy()[0].transpose(1, 2, 0) * 65535).astype(np.uint16)
    back = _stored(PictureMaker(LIMITED, pixel_format).picture(through_tensor))
    for given, returned in zip([luma, grey, grey], back, strict=True):
        assert np.array_equal(given, returned)


@pytest.mark.parametrize(("bits", "suffix"), [(10, "10le"), (12, "12le")])
def test_colours_of_yuv_444_come_back(bits: int, suffix: str) -> None:
    # Colours that RGB has; four codes of 65535 are less than half a code of 12 bits.
    pixel_format = f"yuv444p{suffix}"
    rgb = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    maker = PictureMaker(LIMITED, pixel_format)
    first = maker.picture(rgb)
    assert np.abs(_read(first, LIMITED).astype(int) - rgb).mean() < 65535 / (1 << bits)
    second = _stored(maker.picture(_read(first, LIMITED)))
    changed = [np.abs(a - b) for a, b in zip(_stored(first), second, strict=True)]
    assert max(plane.max() for plane in changed) <= 1
    assert sum(int((plane > 0).sum()) for plane in changed) <= 3 * HEIGHT * WIDTH // 10_000


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("extension", [".mkv", ".mxf"])
def test_every_rgb_code_survives_a_movie(tmp_path: Path, bits: int, extension: str) -> None:
    """Read, float tensor, write: all codes of lossless RGB come back, of every channel."""
    pixel_format = "bgr0" if bits == 8 else f"gbrp{bits}le"
    ramp = np.resize(np.arange(1 << bits), (256, 256))
    stored = [ramp, ramp[::-1], ramp[:, ::-1]]
    path, again = tmp_path / f"ramp{extension}", tmp_path / f"again{extension}"
    top = 255 if bits == 8 else 65535
    codes = np.rint(np.stack(stored, axis=-1) * (top / ((1 << bits) - 1))).astype(np.uint8 if bits == 8 else np.uint16)
    settings: dict[str, Any] = {"codec": "ffv1", "pixel_format": pixel_format}
    with MovieWriter(path, Fraction(24), 256, 256, **settings) as writer:
        writer.write(codes[None])
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
        decoded = _stored_rgb(frame)
    assert np.array_equal(decoded, np.stack(stored, axis=-1))
    read = PyAVReader(path).window(0, 1)
    assert np.array_equal(read[0], codes)
    through_tensor = np.rint(frames_to_tensor(read).numpy().transpose(0, 2, 3, 1) * top).astype(codes.dtype)
    with MovieWriter(again, Fraction(24), 256, 256, **settings) as writer:
        writer.write(through_tensor)
    assert again.read_bytes() == path.read_bytes()


def test_floats_and_alpha_are_read() -> None:
    values = np.random.default_rng(1).uniform(-0.2, 1.2, (HEIGHT, WIDTH, 3)).astype(np.float32)
    frame = av.VideoFrame.from_ndarray(values, format="gbrpf32le")
    assert np.array_equal(_read(frame, RGB), np.rint(np.clip(values, 0, 1).astype(np.float64) * 65535))
    codes = np.random.default_rng(2).integers(0, 65536, (HEIGHT, WIDTH, 4)).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(codes, format="rgba64le")
    assert np.array_equal(_read(frame, RGB), codes[..., :3])
