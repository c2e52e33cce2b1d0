"""A frame is a reel, a whole number and a rate: ranges of frames, rates as paperwork writes them, midnight."""

from __future__ import annotations

from fractions import Fraction

import pytest

from interpositive.errors import TimecodeError
from interpositive.records.identity import FrameRange, exact_rate
from interpositive.records.timecode import wrapped_timecode

LONG_REEL = "A003C012_240131_R1AB — 2. Einheit/«Ö»"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", Fraction(25)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("23.976023976023978", Fraction(24000, 1001)),
        ("24.00", Fraction(24)),
        ("29.97", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("119.88", Fraction(120000, 1001)),
        (" 24000/1001 ", Fraction(24000, 1001)),
        ("25/2", Fraction(25, 2)),
    ],
)
def test_rates_as_paperwork_writes_them(text: str, rate: Fraction) -> None:
    assert exact_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["24.5", "0", "-25", "", "fast", "24/0", "nan", "inf", "12.5", "1e999999999", "1" * 5000]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(TimecodeError, match="rate"):
        exact_rate(text)


def a_range(start: int, num_frames: int, reel: str = LONG_REEL, rate: str = "24/1") -> FrameRange:
    return FrameRange(reel=reel, start=start, num_frames=num_frames, rate=rate)


def test_ranges_meet_only_on_the_same_reel_at_the_same_rate() -> None:
    take = a_range(100, 50)
    assert take.intersection(a_range(140, 50)) == a_range(140, 10)
    assert take.intersection(a_range(150, 1)) is None
    assert take.contains(a_range(100, 50)) and take.contains(a_range(149, 1))
    assert not take.contains(a_range(99, 2)) and not take.contains(a_range(149, 2))
    assert take.intersection(a_range(100, 50, reel="A003C012_240131_R1AB — 2. Einheit/«O»")) is None
    assert take.intersection(a_range(100, 50, rate="24000/1001")) is None
    assert take.widened(8, 4) == a_range(92, 62)


def test_a_reel_counts_on_past_midnight_while_its_label_begins_again() -> None:
    day = 24 * 3600 * 24
    take = a_range(day - 24, 48)
    assert take.timecodes() == ("23:59:59:00", "00:00:01:00")
    found = take.across_midnight(a_range(10, 5))
    assert found.start == day + 10 and take.contains(found)
    assert take.across_midnight(a_range(1000, 5)).start == 1000
    assert a_range(3, 5).widened(8, 0).timecodes()[0] == "23:59:59:19"
    drop = Fraction(30000, 1001)
    assert wrapped_timecode(2589408, drop, True) == "00:00:00;00"
    assert wrapped_timecode(-1, drop, True) == "23:59:59;29"
