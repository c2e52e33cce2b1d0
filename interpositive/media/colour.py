"""Which matrix and range turn a movie's codes into RGB (ITU-T H.273 names).

Every conversion names them: FFmpeg's own default for untagged HD is BT.601,
wrong by up to 30 of 255 codes.
"""

from __future__ import annotations

import av
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from interpositive.errors import ConfigError, MediaError
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
# What still headers can say and movies cannot, the names of interpositive.media.still_colour.
_WITHOUT_NUMBER = {"unknown", "ap0", "ap1", "arri-wide-gamut-3", "arri-wide-gamut-4", "printing-density", "logarithmic"}
_HD_LINES = 720
_UNSPECIFIED = 2
_FULL_RANGE = 2


def primaries_tag(name: str) -> int:
    """The H.273 number of primaries; 2 (unspecified) for ``unknown`` and what only still headers name."""
    return _tag(_PRIMARIES_NAMES, name, "primaries")


def transfer_tag(name: str) -> int:
    """The H.273 number of a transfer function; 2 (unspecified) for ``unknown`` and what only still headers name."""
    return _tag(_TRANSFER_NAMES, name, "transfer function")


def _tag(names: dict[int, str], name: str, kind: str) -> int:
    if name in _WITHOUT_NUMBER:
        return _UNSPECIFIED
    numbers = {text: number for number, text in names.items()}
    if name not in numbers:
        raise ConfigError(f"there are no such {kind}", found=name, expected=f"one of {', '.join(numbers)}, or unknown")
    return numbers[name]


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
