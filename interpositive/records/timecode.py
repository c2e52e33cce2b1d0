"""Timecode as SMPTE ST 12-1 counts it: a name for a frame, exact at every rate.

A timecode labels frames; it is not a clock. At 24000/1001 frames per second
the label 01:00:00:00 is frame 86400 and comes 3.6 s late. Drop-frame skips
labels, never frames, so that 29.97 and 59.94 keep near the clock: the first
two (four) labels of every minute, except each tenth minute.
"""

from __future__ import annotations

import re
from fractions import Fraction

from interpositive.errors import TimecodeError

_TEXT = re.compile(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d)", re.ASCII)
_DROPPED_LABELS = {Fraction(30000, 1001): 2, Fraction(60000, 1001): 4}
_HOURS_A_DAY = 24
# Frames are labelled with two digits.
_HIGHEST_COUNT = 100


def is_drop_frame(text: str) -> bool:
    """Whether a timecode is written as drop-frame, with a semicolon before the frames."""
    return ";" in text


def frames_per_day(rate: Fraction, drop_frame: bool = False) -> int:
    """Count the labels of 24 hours."""
    count, dropped = _counting(rate, drop_frame)
    return _HOURS_A_DAY * 6 * _ten_minutes(count, dropped)


def timecode_to_frame(text: str, rate: Fraction) -> int:
    """Number of frames from 00:00:00:00 to the labelled frame.

    ``HH:MM:SS:FF`` counts every label, ``HH:MM:SS;FF`` is drop-frame. Raises
    ``TimecodeError`` for labels that do not exist at this rate.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise TimecodeError("this is no timecode", found=text, expected="HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame")
    hours, minutes, seconds, frames = (int(match[part]) for part in (1, 2, 3, 5))
    count, dropped = _counting(rate, is_drop_frame(text))
    if hours >= _HOURS_A_DAY or minutes > 59 or seconds > 59 or frames >= count:
        raise TimecodeError(
            f"no frame has this timecode at {rate} frames per second",
            found=text,
            expected=f"hours to 23, minutes and seconds to 59, frames to {count - 1}",
        )
    if minutes % 10 and seconds == 0 and frames < dropped:
        raise TimecodeError(
            "drop-frame counting leaves this timecode out",
            found=text,
            expected=f"frames from {dropped:02d} on in the first second of this minute",
            remedy="write it with a colon if it was counted without dropping",
        )
    total_minutes = 60 * hours + minutes
    labels = (60 * total_minutes + seconds) * count + frames
    return labels - dropped * (total_minutes - total_minutes // 10)


def frame_to_timecode(frame: int, rate: Fraction, drop_frame: bool = False) -> str:
    """Label of a frame counted from 00:00:00:00, within one day.

    Raises ``TimecodeError`` outside the day and for drop-frame at a rate that has none.
    """
    count, dropped = _counting(rate, drop_frame)
    day = frames_per_day(rate, drop_frame)
    if not 0 <= frame < day:
        raise TimecodeError("timecode ends after 24 hours", found=f"frame {frame}", expected=f"0 to {day - 1}")
    tens, rest = divmod(frame, _ten_minutes(count, dropped))
    # Only the first minute of ten has all its labels.
    minutes_after = max(0, (rest - dropped) // (60 * count - dropped)) if dropped else rest // (60 * count)
    labels = rest + dropped * minutes_after
    seconds, frames = divmod(labels, count)
    minutes, seconds = divmod(600 * tens + seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if drop_frame else ':'}{frames:02d}"


def wrapped_timecode(frame: int, rate: Fraction, drop_frame: bool = False) -> str:
    """Label of any frame of a reel: the clock begins again at midnight, before frame 0 it is the day before."""
    return frame_to_timecode(frame % frames_per_day(rate, drop_frame), rate, drop_frame)


def _counting(rate: Fraction, drop_frame: bool) -> tuple[int, int]:
    """Labels a second, and labels left out at the start of nine minutes in ten."""
    rate = Fraction(rate)
    count = round(rate)
    # ST 12-1 labels whole rates and their 1000/1001 versions; nothing between has a defined count.
    if not 0 < count <= _HIGHEST_COUNT or rate not in (Fraction(count), Fraction(count * 1000, 1001)):
        raise TimecodeError(
            "timecode cannot count at this frame rate",
            found=f"{rate} frames per second",
            expected="a whole rate to 100, or one slowed by 1000/1001 such as 24000/1001",
        )
    if not drop_frame:
        return count, 0
    if rate not in _DROPPED_LABELS:
        raise TimecodeError(
            "drop-frame does not exist at this frame rate",
            found=f"{rate} frames per second",
            expected="30000/1001 or 60000/1001",
            remedy="write the timecode with a colon before the frames",
        )
    return count, _DROPPED_LABELS[rate]


def _ten_minutes(count: int, dropped: int) -> int:
    return 600 * count - 9 * dropped
