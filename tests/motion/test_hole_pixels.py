"""Pictures whose hole lies midway between two fillings, by their parts."""

from __future__ import annotations

import numpy as np
import pytest

from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.window_frames import CodedPicture


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
