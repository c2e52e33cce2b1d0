"""Timecode: every frame of a day has one label and every label that exists has its frame."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from dftt_timecode import DfttTimecode

from interpositive.errors import TimecodeError
from interpositive.records.timecode import (
    frame_to_timecode,
    frames_per_day,
    timecode_to_frame,
)

COUNTINGS = [
    (Fraction(24000, 1001), False),
    (Fraction(24), False),
    (Fraction(25), False),
    (Fraction(30000, 1001), False),
    (Fraction(30000, 1001), True),
    (Fraction(30), False),
    (Fraction(50), False),
    (Fraction(60000, 1001), True),
]
NAMES = [f"{float(rate):.2f}{'DF' if drop else ''}" for rate, drop in COUNTINGS]


@pytest.mark.parametrize(("rate", "drop"), COUNTINGS, ids=NAMES)
def test_every_label_of_a_day_is_a_frame_and_back(rate: Fraction, drop: bool) -> None:
    day = frames_per_day(rate, drop)
    # Every frame of the first eleven minutes and of the day's last, and a stride coprime to every period
    # between.
    minute = 60 * round(rate)
    previous = ""
    for frame in (*range(11 * minute), *range(11 * minute, day - minute, 9973), *range(day - minute, day)):
        label = frame_to_timecode(frame, rate, drop)
        assert timecode_to_frame(label, rate) == frame
        previous = label
    assert previous == f"23:59:59{';' if drop else ':'}{round(rate) - 1:02d}"


@pytest.mark.parametrize(("rate", "drop"), COUNTINGS, ids=NAMES)
def test_labels_that_exist_are_as_many_as_frames(rate: Fraction, drop: bool) -> None:
    count = round(rate)
    mark = ";" if drop else ":"
    frames = []
    for minute in range(20):
        for second in (0, 1, 59):
            for number in range(count):
                try:
                    frames.append(timecode_to_frame(f"01:{minute:02d}:{second:02d}{mark}{number:02d}", rate))
                except TimecodeError:
                    assert drop and minute % 10 and second == 0 and number < (2 if count == 30 else 4)
    assert frames == sorted(set(frames))
    dropped = (2 if count == 30 else 4) * 18 if drop else 0
    assert len(frames) == 20 * 3 * count - dropped


@pytest.mark.parametrize(("rate", "drop"), COUNTINGS, ids=NAMES)
def test_agrees_with_another_implementation(rate: Fraction, drop: bool) -> None:
    chance = random.Random(7)
    for _ in range(100):
        frame = chance.randrange(frames_per_day(rate, drop))
        label = frame_to_timecode(frame, rate, drop)
        theirs = DfttTimecode(label, "auto", fps=round(float(rate), 2) if drop else round(rate), drop_frame=drop)
        assert theirs.framecount == frame
        assert theirs.timecode_output("smpte").replace(";", ":") == label.replace(";", ":")


def test_known_labels() -> None:
    ntsc = Fraction(30000, 1001)
    assert frame_to_timecode(1799, ntsc, True) == "00:00:59;29"
    assert frame_to_timecode(1800, ntsc, True) == "00:01:00;02"
    assert frame_to_timecode(17982, ntsc, True) == "00:10:00;00"
    assert timecode_to_frame("01:00:00;00", ntsc) == 107892
    assert timecode_to_frame("01:00:00:00", Fraction(24000, 1001)) == 86400
    assert frames_per_day(ntsc, True) == 2589408


@pytest.mark.parametrize(
    ("label", "rate"),
    [
        ("01:00:60:00", Fraction(24)),
        ("01:60:00:00", Fraction(24)),
        ("24:00:00:00", Fraction(24)),
        ("01:00:00:24", Fraction(24)),
        ("01:00:00:24", Fraction(24000, 1001)),
        ("00:01:00;00", Fraction(30000, 1001)),
        ("00:09:00;01", Fraction(30000, 1001)),
        ("00:01:00;03", Fraction(60000, 1001)),
        ("00:00:00;00", Fraction(24)),
        ("00:00:00;00", Fraction(30)),
        ("1:00:00:00", Fraction(24)),
        ("01:00:00", Fraction(24)),
        ("\u0660\u0661:00:00:00", Fraction(24)),
        ("-1:00:00:00", Fraction(24)),
        ("01:00:00:00", Fraction(2997, 100)),
        ("01:00:00:00", Fraction(0)),
        ("", Fraction(24)),
    ],
)
def test_nonsense_is_refused(label: str, rate: Fraction) -> None:
    with pytest.raises(TimecodeError) as refusal:
        timecode_to_frame(label, rate)
    assert "found:" in str(refusal.value)


def test_frames_outside_the_day_are_refused() -> None:
    day = frames_per_day(Fraction(25))
    for frame in (-1, day):
        with pytest.raises(TimecodeError, match="24 hours"):
            frame_to_timecode(frame, Fraction(25))
