"""Timecode as binary-coded decimals (SMPTE ST 12-1), the way DPX and EXR headers hold it."""

from __future__ import annotations

from fractions import Fraction

HIGHEST_SINGLE = 30
"""Frames a second above which pairs of frames are counted, as frames have six bits; a mark tells a pair's second."""

_MOST_FRAMES = 39
_DROP_FRAME = 1 << 6
_SECOND_OF_PAIR, _SECOND_OF_PAIR_AT_50 = 1 << 15, 1 << 31
# Hours, minutes, seconds, frames: where each begins, and which bits beside it are its tens.
_PLACES = ((24, 0x3), (16, 0x7), (8, 0x7), (0, 0x3))


def pack_timecode(timecode: str, rate: Fraction) -> int | None:
    """Pack ``HH:MM:SS:FF`` into 32 bits, hours highest, bit 6 for drop-frame; None where the bits do not suffice."""
    *clock, frames = (int(part) for part in timecode.replace(";", ":").split(":"))
    packed = _DROP_FRAME if ";" in timecode else 0
    if rate > HIGHEST_SINGLE:
        frames, second = divmod(frames, 2)
        packed |= second * _mark(rate)
    if frames > _MOST_FRAMES:
        return None
    for value, (shift, _) in zip((*clock, frames), _PLACES, strict=True):
        packed |= (value // 10 << 4 | value % 10) << shift
    return packed


def unpack_timecode(packed: int, rate: Fraction | None) -> str | None:
    """Read what :func:`pack_timecode` writes, at a rate that is not known as at 30 or less.

    None for bits that are no timecode: devices that have none fill them with ones.
    """
    digits = [(packed >> shift + 4 & tens, packed >> shift & 0xF) for shift, tens in _PLACES]
    hours, minutes, seconds, frames = (10 * tens + units for tens, units in digits)
    if any(units > 9 for _, units in digits) or hours > 23 or max(minutes, seconds) > 59:
        return None
    if rate is not None and rate > HIGHEST_SINGLE:
        frames = 2 * frames + bool(packed & _mark(rate))
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if packed & _DROP_FRAME else ':'}{frames:02d}"


def _mark(rate: Fraction) -> int:
    return _SECOND_OF_PAIR_AT_50 if rate == 50 else _SECOND_OF_PAIR
