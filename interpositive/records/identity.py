"""What a frame is: a reel, a whole frame number on it, and the rate at which it was counted.

Timecode is only a view of it: a label that begins again at midnight, and at two
frames in a thousand is left out by drop-frame counting. Two frames are the same
frame only if reel, number and rate agree.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Self

from pydantic import Field

from interpositive.errors import TimecodeError
from interpositive.records.base import Record
from interpositive.records.timecode import frames_per_day, wrapped_timecode

# Rates are written with two or three decimals: 23.98 and 23.976 both mean 24000/1001.
_AS_GOOD_AS = Fraction(1, 100)
_LONGEST_RATE = 40


def exact_rate(text: str | float | Fraction) -> Fraction:
    """Frames a second, exact, as films and paperwork write them: ``25``, ``24000/1001``, ``23.98``, ``29.97``.

    Decimals within 0.01 of a whole rate or of its 1000/1001 version mean it. Raises ``TimecodeError`` otherwise.
    """
    written = str(text).strip()
    try:
        # An exponent would be written out, and there is memory for none of a billion.
        stated = Fraction(written if len(written) <= _LONGEST_RATE and "e" not in written.lower() else "")
    except (ValueError, ZeroDivisionError):
        found = written[:_LONGEST_RATE]
        raise TimecodeError("this is no frame rate", found=found, expected="such as 25, 24000/1001 or 29.97") from None
    if "/" in written or stated.denominator == 1:
        rates = [stated]
    else:
        whole = Fraction(round(stated))
        rates = sorted((whole, whole * 1000 / 1001), key=lambda rate: abs(rate - stated))
    if rates[0] <= 0 or abs(rates[0] - stated) > _AS_GOOD_AS:
        raise TimecodeError(
            "nothing is counted at this frame rate",
            found=f"{text} frames per second",
            expected="a whole rate, or one slowed by 1000/1001",
            remedy="write it as a fraction, such as 25/2, if it is meant",
        )
    return rates[0]


class FrameRange(Record):
    """Consecutive frames of one reel: ``start <= n < start + num_frames``, counted from its 00:00:00:00.

    ``rate`` is exact text such as ``"24000/1001"``. A reel that runs past midnight counts on, and handles
    may reach below zero; only the label begins again. An empty ``reel`` is one that nobody has named.
    """

    reel: str
    start: int
    num_frames: int = Field(ge=1)
    rate: str = Field(pattern=r"^[1-9]\d*/[1-9]\d*$")

    @property
    def end(self) -> int:
        """The first frame after the range."""
        return self.start + self.num_frames

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second, exact."""
        return Fraction(self.rate)

    def same_count(self, other: FrameRange) -> bool:
        """Whether both count frames of the same reel at the same rate, so that numbers may be compared."""
        return self.reel == other.reel and self.frame_rate == other.frame_rate

    def intersection(self, other: FrameRange) -> FrameRange | None:
        """The frames in both; None if there is none, or reel or rate differ."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        if not self.same_count(other) or start >= end:
            return None
        return self.model_copy(update={"start": start, "num_frames": end - start})

    def contains(self, other: FrameRange) -> bool:
        """Whether every frame of the other is in this one."""
        return self.intersection(other) == other

    def widened(self, head: int, tail: int) -> Self:
        """The range with that many frames more before and after it."""
        return self.model_copy(update={"start": self.start - head, "num_frames": self.num_frames + head + tail})

    def moved(self, num_frames: int) -> Self:
        """The range that many frames later."""
        return self.model_copy(update={"start": self.start + num_frames})

    def timecodes(self, drop_frame: bool = False) -> tuple[str, str]:
        """Labels of the first frame and of the frame after the last, as edit lists write in and out."""
        return (
            wrapped_timecode(self.start, self.frame_rate, drop_frame),
            wrapped_timecode(self.end, self.frame_rate, drop_frame),
        )

    def across_midnight(self, other: FrameRange, drop_frame: bool = False) -> FrameRange:
        """The other range, moved by a day if only then it lies on this reel that ran past midnight."""
        day = frames_per_day(self.frame_rate, drop_frame)
        for shift in (0, day, -day):
            if self.intersection(other.moved(shift)):
                return other.moved(shift)
        return other


def rate_text(rate: Fraction) -> str:
    """A rate as records keep it: ``24/1``, ``24000/1001``."""
    return f"{rate.numerator}/{rate.denominator}"
