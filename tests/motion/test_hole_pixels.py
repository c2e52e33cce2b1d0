"""Pictures whose hole lies midway between two fillings, by their parts."""

from __future__ import annotations

import numpy as np
import pytest

from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.window_frames import CodedPicture, CodedValues


@pytest.mark.parametrize("coded", [False, True])
def test_what_lies_midway_is_put_in_by_parts_and_nothing_else_is_touched(coded: bool) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    values = codes.astype(np.float32) / np.float32(255)
    hole = np.zeros((40, 60), bool)
    hole[10:20, 30:35] = True
    pixels = HolePixels(hole)
    one, other = rng.random((2, len(pixels), 3)).astype(np.float32)
    look = pixels.filling_midway(CodedPicture(codes) if coded else values, one, other)
    whole = values.copy()
    whole[hole] = 0.5 * (one + other)
    parts = ((slice(0, 40), slice(0, 60)), (slice(15, 40), slice(33, 60)), (slice(25, 40), slice(0, 10)))
    for part in parts:
        assert np.array_equal(look(part), whole[part])
    assert np.array_equal(values, codes.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-3.0, 60.0)])
def test_coded_values_are_half_as_large_and_as_near_as_16_bits_are(low: float, high: float) -> None:
    values = np.random.default_rng(2).uniform(low, high, (500, 3)).astype(np.float32)
    coded = CodedValues(values)
    assert len(coded) == 500 and coded.nbytes == values.nbytes // 2
    most = 0.51 * (high - low) / 65535
    assert 0.0 < np.abs(coded[:] - values).max() < most
    which = np.array([3, 499, 7])
    assert np.array_equal(coded[which], coded[:][which]) and np.array_equal(np.asarray(coded), coded[:])
    with pytest.raises(ValueError, match="made anew"):
        np.asarray(coded, copy=False)


@pytest.mark.parametrize("num", [0, 4])
def test_coded_values_that_do_not_differ_stay_the_same(num: int) -> None:
    coded = CodedValues(np.full((num, 3), 0.3, np.float32))
    assert coded[:].shape == (num, 3) and (coded[:] == np.float32(0.3)).all()


def test_coded_values_are_put_into_pictures_as_others_are() -> None:
    picture, hole = np.zeros((20, 30, 3), np.float32), np.zeros((20, 30), bool)
    hole[5:9, 10:22] = True
    pixels = HolePixels(hole)
    one, other = (CodedValues(each) for each in np.random.default_rng(3).random((2, len(pixels), 3), np.float32))
    for part in ((slice(0, 20), slice(0, 30)), (slice(6, 20), slice(0, 14)), (slice(0, 3), slice(0, 3))):
        assert np.array_equal(pixels.filling(picture, one)(part), pixels.filling(picture, one[:])(part))
        midway = pixels.filling_midway(picture, one, other)(part)
        assert np.array_equal(midway, pixels.filling_midway(picture, one[:], other[:])(part))
