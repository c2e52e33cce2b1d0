"""Single fields of a still picture's header, in whichever of its format's places they stand."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from typing import Any

import numpy as np

from interpositive.errors import TimecodeError
from interpositive.media.timecode_bits import unpack_timecode
from interpositive.records.identity import exact_rate

OWN_MARK = "interpositive "
"""Begins what we keep in a header's free text, as JSON after it: DPX user data, TIFF image description."""

_TIMECODE = re.compile(r"\d\d:\d\d:\d\d[:;]\d\d", re.ASCII)
_RATE_FIELDS = ("framesPerSecond", "FramesPerSecond", "dpx:FrameRate", "dpx:TemporalFrameRate")
_NAMED_FIELDS = ("encoding", "primaries", "transfer", "timecode")


class FieldError(ValueError):
    """A field whose content cannot be meant; the message says which and what was found."""


def own_fields(spec: Any) -> dict[str, str]:
    """What we wrote beside a format's own fields: by attribute, or as JSON in its free text."""
    texts = [str(spec.getattribute("ImageDescription") or "")]
    if (user := spec.getattribute("dpx:UserData")) is not None:
        texts.append(bytes(np.asarray(user, np.uint8)).rstrip(b"\0").decode(errors="replace"))
    for text in texts:
        if text.startswith(OWN_MARK + "{"):
            try:
                fields = json.loads(text.removeprefix(OWN_MARK))
            except (ValueError, RecursionError):
                continue
            return {key: sound_text(value) for key, value in fields.items() if isinstance(value, str)}
    named = {key: text_field(spec, f"interpositive:{key}") for key in _NAMED_FIELDS}
    return {key: value for key, value in named.items() if value is not None}


def text_field(spec: Any, name: str) -> str | None:
    """A text attribute without the blanks around it; None where there is none."""
    value = spec.getattribute(name)
    return sound_text(value).strip() or None if isinstance(value, str) else None


def sound_text(text: str) -> str:
    """Give a text back if it is one: damaged bytes come as half characters, which no file or catalogue can hold."""
    text.encode()
    return text


def pixel_aspect(spec: Any) -> float:
    """Width of a pixel over its height; 1 where the header has nothing sensible."""
    value = spec.getattribute("PixelAspectRatio")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else 1.0


def timecode(spec: Any, own: str | None, rate: Fraction | None) -> str | None:
    """A frame's timecode, kept as text or as bits; None where there is none. ``FieldError`` for text that is none."""
    value = own or spec.getattribute("smpte:TimeCode")
    if value is None:
        return None
    if not isinstance(value, str):
        return unpack_timecode(int(value[0]), rate)
    if _TIMECODE.fullmatch(value) is None:
        raise FieldError(f"a timecode that is none: {value[:40]!r}")
    return value


def frame_rate(spec: Any, own: str | None) -> Fraction | None:
    """Frames a second, by the first field that says a rate a camera can have."""
    for value in (own, *(spec.getattribute(name) for name in _RATE_FIELDS)):
        try:
            if isinstance(value, tuple | list) and len(value) == 2:
                rate = Fraction(int(value[0]), int(value[1]))
            elif isinstance(value, str | int | float):
                rate = Fraction(value)
            else:
                continue
        except (ValueError, ZeroDivisionError, OverflowError):
            continue
        if 1 <= rate <= 1000:
            try:
                # 23.976, in whatever precision it was stored, is 24000/1001.
                return exact_rate(float(rate))
            except TimecodeError:
                return rate.limit_denominator(1001)
    return None
