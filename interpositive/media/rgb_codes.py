"""A movie's own codes to RGB codes and back, each rounded once.

Two habits of FFmpeg's converter are put right here. Its 16-bit RGB has white
at 255 x 256, not at 65535 (full-range YUV is read with its top code shifted
up): taken as it is, every 10-bit movie is read 0.4 % too dark and every master
written 0.4 % too bright. And its 8-bit RGB wraps around where a colour lies
far outside the gamut, so 8 bits are made from 16.
"""

from __future__ import annotations

from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from interpositive.errors import MediaError
from interpositive.media.colour import MATRICES
from interpositive.media.contract import ColourTags

Codes = NDArray[np.uint8] | NDArray[np.uint16]

# One set of flags for both directions: exact rounding, full-resolution chroma, no processor-dependent
# shortcuts.
EXACT = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
_TOP = 65535
_LIMITED_WHITE = 255 << 8
# It wraps at twice white; with white's luma that takes more blue than this, by any matrix. No other channel gets there.
_BLUEST = 235
# Rows that stay in the processor's cache between one step and the next.
_ROWS_AT_A_TIME = 32
# FFmpeg stores planar RGB as green, blue, red.
_PLANE_OF_CHANNEL = (2, 0, 1)


def bits_of(pixel_format: str) -> int:
    """Bits of the deepest component of a pixel format."""
    return max(component.bits for component in av.VideoFormat(pixel_format).components)


class RgbConverter:
    """Decoded frames to RGB codes: ``uint8`` up to 8 bits, ``uint16`` over the full scale above.

    RGB is taken as it is stored. YUV is converted by FFmpeg to 16 bits, within
    4 codes of 65535 of the exact value; chroma is interpolated linearly. Codes
    below black or above white of limited-range YUV become black or white.
    """

    def __init__(self, colour: ColourTags, pixel_format: str) -> None:
        self._bits = bits_of(pixel_format)
        self.dtype = np.dtype(np.uint16 if self._bits > 8 else np.uint8)
        self._matrix = MATRICES.get(colour.matrix)
        full = colour.range == "full"
        self._range = ColorRange.JPEG if full else ColorRange.MPEG
        self._is_rgb = colour.source == "rgb"
        if self._is_rgb:
            self._target, self._white = _rgb_storage(pixel_format, self._bits)
        else:
            self._target = "gbrp16le"
            self._white = ((1 << self._bits) - 1) << (16 - self._bits) if full else _LIMITED_WHITE
        self._reformatter, self._packer = VideoReformatter(), VideoReformatter()

    def write_rgb(self, frame: av.VideoFrame, out: Codes) -> None:
        """Fill ``out``, ``h w 3``, with one frame, turned as its display matrix says."""
        out = np.rot90(out, -(frame.rotation // 90) % 4)
        if not self._is_rgb and self._bits == 8 and _is_near_gamut(frame):
            # Half the work, and the same codes.
            planar = self._converted(frame, "gbrp")
            out[:] = self._packer.reformat(planar, format="rgb24", threads=1).to_ndarray()
            return
        stored = self._converted(frame, self._target)
        if self._target.startswith("rgb"):
            out[:] = stored.to_ndarray()
            return
        item: type[np.float32] | type[np.uint16] = np.float32 if self._target == "gbrpf32le" else np.uint16
        for channel, place in enumerate(_PLANE_OF_CHANNEL):
            codes: NDArray[Any] = _plane(stored, place, item)
            for top in range(0, stored.height, _ROWS_AT_A_TIME):
                rows = slice(top, top + _ROWS_AT_A_TIME)
                out[rows, :, channel] = _rescale(codes[rows], self._white, self.dtype)

    def _converted(self, frame: av.VideoFrame, layout: str) -> av.VideoFrame:
        return self._reformatter.reformat(
            frame,
            format=layout,
            src_colorspace=self._matrix,
            src_color_range=self._range,
            dst_color_range=ColorRange.JPEG,
            interpolation=EXACT,
            threads=1,
        )


class PictureMaker:
    """RGB codes to frames of a pixel format, as an encoder takes them: the way back of :class:`RgbConverter`.

    Limited-range YUV of 10 and 12 bits is the exact value rounded. FFmpeg cuts
    full-range chroma instead of rounding it, half a code on average; only
    Motion JPEG is written so.
    """

    def __init__(self, colour: ColourTags, pixel_format: str) -> None:
        self._pixel_format = pixel_format
        self._bits = bits_of(pixel_format)
        self._is_rgb = av.VideoFormat(pixel_format).is_rgb
        self._matrix = MATRICES.get(colour.matrix)
        self._full = colour.range == "full"
        self._reformatter = VideoReformatter()

    def picture(self, codes: Codes) -> av.VideoFrame:
        """One frame from ``h w 3`` codes, ``uint8`` or full-scale ``uint16``."""
        if self._bits <= 8:
            return self._convert(_narrowed(codes), "rgb24")
        wide = cast("NDArray[np.uint16]", codes * np.uint16(257) if codes.dtype == np.uint8 else codes)
        if self._is_rgb:
            return av.VideoFrame.from_ndarray(_scaled(wide, (1 << self._bits) - 1, _TOP), format=self._pixel_format)
        return self._convert(_scaled(wide, _LIMITED_WHITE, _TOP), "rgb48le")

    def _convert(self, codes: Codes, layout: str) -> av.VideoFrame:
        packed = cast(Codes, np.ascontiguousarray(codes))
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(packed, format=layout),
            format=self._pixel_format,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=self._matrix,
            dst_color_range=ColorRange.JPEG if self._full else ColorRange.MPEG,
            interpolation=EXACT,
            threads=1,
        )


def _is_near_gamut(frame: av.VideoFrame) -> bool:
    """Whether no colour of an 8-bit YUV frame is so blue that FFmpeg's 8-bit RGB wraps around."""
    return len(frame.planes) >= 3 and int(_plane(frame, 1, np.uint8).max()) <= _BLUEST


def _plane(frame: av.VideoFrame, place: int, item: type[np.generic]) -> NDArray[Any]:
    plane = frame.planes[place]
    return np.frombuffer(memoryview(plane), item).reshape(plane.height, -1)[:, : plane.width]


def _rgb_storage(pixel_format: str, bits: int) -> tuple[str, int]:
    """In which layout stored RGB is looked at, and its code of white."""
    if bits <= 8:
        return "rgb24", 255
    if pixel_format.startswith("gbr") and "f" in pixel_format:
        return "gbrpf32le", 1
    if pixel_format.startswith("gbr"):
        return pixel_format, (1 << bits) - 1
    if pixel_format.startswith(("rgb48", "rgba64", "bgr48", "bgra64")):
        return "rgb48le", _TOP
    raise MediaError(
        "this pixel format is not read",
        found=pixel_format,
        expected="YUV, planar RGB, or packed RGB of 8 or 16 bits",
        remedy="transcode the footage to one of these",
    )


def _rescale(codes: NDArray[Any], white: int, dtype: np.dtype[np.generic]) -> Codes:
    """Codes from 0 to ``white`` brought to the full scale of ``dtype``, rounded once."""
    if codes.dtype == np.float32:
        return cast(Codes, np.rint(np.clip(codes, 0, 1).astype(np.float64) * _TOP).astype(np.uint16))
    if white == _TOP:
        return cast(Codes, codes)
    cut = cast("NDArray[np.uint16]", np.minimum(codes, np.uint16(white)))
    if white == _LIMITED_WHITE:
        # 65535 / 65280 is 257 / 256, and 255 / 65280 is 1 / 256: shifts do, and do it quickly.
        rounded = (cut + np.uint16(128)) >> np.uint16(8)
        return cast(Codes, rounded if dtype == np.uint8 else cut + rounded)
    return _scaled(cut, _TOP, white)


def _scaled(codes: NDArray[np.uint16], numerator: int, denominator: int) -> NDArray[np.uint16]:
    """``codes * numerator / denominator``, rounded to the nearest."""
    product = codes.astype(np.uint32) * np.uint32(numerator) + np.uint32(denominator // 2)
    return (product // np.uint32(denominator)).astype(np.uint16)


def _narrowed(codes: Codes) -> NDArray[np.uint8]:
    if codes.dtype == np.uint8:
        return cast("NDArray[np.uint8]", codes)
    return ((codes.astype(np.uint32) + 128) // 257).astype(np.uint8)
