from fractions import Fraction

import pytest

from interpositive.media.timecode_bits import pack_timecode, unpack_timecode
from interpositive.records.timecode import frame_to_timecode, frames_per_day

RATES = [
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30), Fraction(48), Fraction(50), Fraction(60000, 1001),
]  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_bits_give_every_label_back(rate: Fraction) -> None:
    for frame in (*range(round(rate)), *range(0, frames_per_day(rate), 7919)):
        timecode = frame_to_timecode(frame, rate)
        packed = pack_timecode(timecode, rate)
        assert packed is not None and unpack_timecode(packed, rate) == timecode


def test_bits_are_those_of_the_standard() -> None:
    assert pack_timecode("23:59:58;29", Fraction(30000, 1001)) == 0x23595869
    # The 45th of 50 is the second of the 22nd pair, marked in the highest bit; at other rates in the seconds' byte.
    assert pack_timecode("01:02:03:45", Fraction(50)) == 0x81020322
    assert pack_timecode("01:02:03:45", Fraction(60)) == 0x01028322


def test_what_bits_cannot_hold_is_not_packed() -> None:
    assert pack_timecode("01:00:00:79", Fraction(100)) is not None
    assert pack_timecode("01:00:00:80", Fraction(100)) is None


@pytest.mark.parametrize("packed", [0xFFFFFFFF, 0x0A000000, 0x24000000, 0x00600000, 0x00007000])
def test_bits_without_a_timecode_are_none(packed: int) -> None:
    assert unpack_timecode(packed, None) is None
