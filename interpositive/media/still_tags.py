"""What a delivered frame's header says, in the fields of its own format: timecode, rate, reel, number, colour.

EXR has a standard attribute for each. DPX (SMPTE ST 268) has fields for
timecode, rate, number and transfer, and by custom keeps the reel as the input
device. PNG takes them as text under the names EXR uses. What a format has no
field for, or no field long enough, is kept whole as JSON in its free text:
the user data of DPX, the image description of TIFF.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, Self

import numpy as np
import OpenImageIO as oiio

from interpositive.media.contract import MediaInfo
from interpositive.media.encoding_tags import encoding_of_movie
from interpositive.media.still_colour import CHROMATICITIES, UNKNOWN, dpx_colour, png_code_points
from interpositive.media.still_fields import OWN_MARK
from interpositive.media.timecode_bits import HIGHEST_SINGLE, pack_timecode
from interpositive.records.identity import rate_text

FrameFormat = Literal["png16", "exr", "dpx10", "dpx12", "dpx16", "tiff16"]
# 32 bytes with the closing nought; a reel cut short would be another reel.
_DPX_REEL_LENGTH = 31
# Header fields of numbers are 32 bits wide.
_LARGEST_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class FrameTags:
    """What every frame of a sequence says beside its own timecode and number.

    ``primaries`` and ``transfer`` are those of ``ColourTags``, ``encoding`` a name of the colour room.
    ``chromaticities`` are written as they are; without them, those that ``primaries`` names.
    ``says_rate`` is False for a rate that was only assumed: headers say what is known.
    """

    reel: str | None = None
    primaries: str = UNKNOWN
    transfer: str = UNKNOWN
    encoding: str = ""
    chromaticities: tuple[float, ...] | None = None
    pixel_aspect: float = 1.0
    says_rate: bool = True

    @classmethod
    def of(cls, info: MediaInfo, encoding: str) -> Self:
        """The tags of a plate, for frames made from it; ``encoding`` is the plate's as far as anybody knows.

        A file's colour tags that say another one, such as the BT.709 of a camera
        that records log, are not handed on.
        """
        tags = cls(info.reel, encoding=encoding, pixel_aspect=info.pixel_aspect, says_rate=not info.rate_assumed)
        colour = info.colour
        if encoding != info.encoding or encoding_of_movie(colour, {}) not in ("", encoding):
            return tags
        return replace(tags, primaries=colour.primaries, transfer=colour.transfer, chromaticities=info.chromaticities)

    @property
    def colour_names(self) -> dict[str, str]:
        """The names that are known, by what they name."""
        names = {"primaries": self.primaries, "transfer": self.transfer, "encoding": self.encoding}
        return {what: name for what, name in names.items() if name not in ("", UNKNOWN)}


def tag_frame(
    spec: Any, format: FrameFormat, tags: FrameTags, rate: Fraction, number: int, timecode: str | None, bits: int
) -> None:
    """Write one frame's tags into an OpenImageIO header; ``bits`` are those of the plate."""
    if tags.pixel_aspect != 1.0:
        spec.attribute("PixelAspectRatio", tags.pixel_aspect)
    if format == "exr":
        _tag_exr(spec, tags, rate, number, timecode)
    elif format.startswith("dpx"):
        _tag_dpx(spec, tags, rate, number, timecode)
    elif format == "png16":
        _tag_png(spec, tags, rate, timecode)
    if format in ("exr", "png16"):
        for what, name in tags.colour_names.items():
            spec.attribute(f"interpositive:{what}", name)
        spec.attribute("interpositive:bits", str(bits))
        return
    own = {"timecode": timecode, "reel": tags.reel, **tags.colour_names, "bits": str(bits)}
    if tags.says_rate:
        own["rate"] = rate_text(rate)
    text = OWN_MARK + json.dumps({key: value for key, value in own.items() if value is not None}, ensure_ascii=False)
    if format == "tiff16":
        spec.attribute("ImageDescription", text)
        if tags.reel is not None:
            spec.attribute("DocumentName", tags.reel)
        return
    user_data = np.frombuffer(text.encode(), np.uint8)
    spec.attribute("dpx:UserData", oiio.TypeDesc(f"uint8[{len(user_data)}]"), user_data)


def _tag_exr(spec: Any, tags: FrameTags, rate: Fraction, number: int, timecode: str | None) -> None:
    if tags.says_rate:
        spec.attribute("framesPerSecond", oiio.TypeRational, (rate.numerator, rate.denominator))
    if number <= _LARGEST_NUMBER:
        spec.attribute("imageCounter", number)
    _tag_timecode_bits(spec, timecode, rate)
    if timecode is not None and rate > HIGHEST_SINGLE:
        # Not every reader knows that the bits count pairs.
        spec.attribute("interpositive:timecode", timecode)
    if tags.reel is not None:
        spec.attribute("reelName", tags.reel)
    # An EXR that says nothing is taken for scene light.
    spec.attribute("interpositive:transfer", tags.transfer)
    chromaticities = tags.chromaticities or CHROMATICITIES.get(tags.primaries)
    if chromaticities is not None:
        spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), tuple(chromaticities))


def _tag_dpx(spec: Any, tags: FrameTags, rate: Fraction, number: int, timecode: str | None) -> None:
    colorimetric, transfer = dpx_colour(tags.primaries, tags.transfer)
    spec.attribute("dpx:Colorimetric", colorimetric)
    spec.attribute("dpx:Transfer", transfer)
    # The film header and the television header each have a field; conforming tools look into either.
    for field in ("dpx:FrameRate", "dpx:TemporalFrameRate") if tags.says_rate else ():
        spec.attribute(field, float(rate))
    if number <= _LARGEST_NUMBER:
        spec.attribute("dpx:FramePosition", oiio.UINT32, number)
    _tag_timecode_bits(spec, timecode, rate)
    if tags.reel is not None and tags.reel.isascii() and len(tags.reel) <= _DPX_REEL_LENGTH:
        spec.attribute("dpx:InputDevice", tags.reel)


def _tag_png(spec: Any, tags: FrameTags, rate: Fraction, timecode: str | None) -> None:
    if tags.says_rate:
        spec.attribute("FramesPerSecond", rate_text(rate))
    if timecode is not None:
        spec.attribute("smpte:TimeCode", timecode)
    if tags.reel is not None:
        spec.attribute("reelName", tags.reel)
        spec.attribute("DocumentName", tags.reel)
    points = png_code_points(tags.primaries, tags.transfer)
    if points is not None:
        spec.attribute("CICP", oiio.TypeDesc("int[4]"), points)


def _tag_timecode_bits(spec: Any, timecode: str | None, rate: Fraction) -> None:
    bits = None if timecode is None else pack_timecode(timecode, rate)
    if bits is not None:
        spec.attribute("smpte:TimeCode", oiio.TypeTimeCode, (bits, 0))
