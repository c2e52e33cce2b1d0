"""Which matrix and range turn a movie's codes into RGB, and the conversion itself.

Every conversion names its matrix and ranges (ITU-T H.273 names): FFmpeg's own
default for untagged HD is BT.601, wrong by up to 30 of 255 codes.
"""

from __future__ import annotations

from typing import cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from interpositive.errors import MediaError
from interpositive.media.contract import ColourTags

MATRICES = {
    "bt709": Colorspace.ITU709,
    "smpte170m": Colorspace.ITU601,
    "bt470bg": Colorspace.ITU601,
    "bt2020nc": Colorspace.BT2020,
    "smpte240m": Colorspace.SMPTE240M,
    "fcc": Colorspace.FCC,
}
_ALIASES = {"bt601": "smpte170m", "bt2020": "bt2020nc", "rec709": "bt709"}
_MATRIX_NAMES = {
    0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c",
    14: "ictcp",
}  # fmt: skip
_PRIMARIES_NAMES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_TRANSFER_NAMES = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log",
    10: "log_sqrt",
    11: "iec61966-2-4", 12: "bt1361", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
    17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_HD_LINES = 720
_FULL_RANGE = 2
# One set of flags for both directions: exact rounding, full-resolution chroma, no processor-dependent
# shortcuts.
EXACT = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


def canonical_matrix(name: str) -> str:
    """Give the H.273 name of a matrix; ``bt601`` and ``bt2020`` are understood too."""
    matrix = _ALIASES.get(name.lower(), name.lower())
    if matrix not in MATRICES:
        raise MediaError(
            "this colour matrix cannot be converted",
            found=name,
            expected=f"one of {', '.join([*MATRICES, *_ALIASES])}",
            remedy="name the matrix the footage was made with, or transcode it",
        )
    return matrix


def read_colour_tags(stream: VideoStream, matrix: str | None) -> ColourTags:
    """Read a picture track's colour tags; fill a missing matrix by the caller's word or the documented rule.

    Untagged media is BT.709 from 720 lines up and BT.601 below. A range that
    is not tagged is limited, as broadcast standards have it, except for RGB,
    grey and the ``yuvj`` formats, which are full.
    """
    context = stream.codec_context
    pixel_format = av.VideoFormat(context.pix_fmt or "")
    primaries = _PRIMARIES_NAMES.get(context.color_primaries, "unknown")
    transfer = _TRANSFER_NAMES.get(context.color_trc, "unknown")
    if pixel_format.is_rgb or pixel_format.has_palette:
        return ColourTags("rgb", "full", primaries, transfer, "rgb")
    grey = len(pixel_format.components) < 3
    full = context.color_range == _FULL_RANGE or pixel_format.name.startswith("yuvj")
    code_range = "full" if full or (grey and context.color_range == 0) else "limited"
    tagged = _MATRIX_NAMES.get(context.colorspace)
    if matrix is not None:
        return ColourTags(canonical_matrix(matrix), code_range, primaries, transfer, "named")
    if tagged is not None:
        return ColourTags(canonical_matrix(tagged), code_range, primaries, transfer, "tagged")
    # Lines are counted on the short side, so that portrait footage falls on the same side as landscape.
    rule = "bt709" if min(context.width, context.height) >= _HD_LINES else "smpte170m"
    return ColourTags(rule, code_range, primaries, transfer, "rule")


class RgbConverter:
    """Decoded frames to RGB codes: ``uint8`` up to 8 bits, ``uint16`` over the full scale above.

    More than 8 bits go through float planes: FFmpeg's 16-bit RGB path is less precise.
    """

    def __init__(self, colour: ColourTags, bits: int) -> None:
        self._matrix = MATRICES.get(colour.matrix)
        self._range = ColorRange.JPEG if colour.range == "full" else ColorRange.MPEG
        self._deep = bits > 8
        self._reformatter = VideoReformatter()

    def rgb_codes(self, frame: av.VideoFrame) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Convert one frame to ``h w 3``, turned as its display matrix says."""
        rgb = self._reformatter.reformat(
            frame,
            format="gbrpf32le" if self._deep else "rgb24",
            src_colorspace=self._matrix,
            src_color_range=self._range,
            dst_color_range=ColorRange.JPEG,
            interpolation=EXACT,
            threads=1,
        )
        codes: NDArray[np.uint8] | NDArray[np.uint16]
        if self._deep:
            values = cast("NDArray[np.float32]", rgb.to_ndarray())
            codes = np.rint(np.clip(values, 0.0, 1.0) * np.float32(65535)).astype(np.uint16)
        else:
            codes = cast("NDArray[np.uint8]", rgb.to_ndarray())
        turns = (frame.rotation // 90) % 4
        return cast("NDArray[np.uint8] | NDArray[np.uint16]", np.ascontiguousarray(np.rot90(codes, turns)))
