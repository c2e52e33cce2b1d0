"""Pictures whose hole is filled, by their parts."""

from __future__ import annotations

import numpy as np
import pytest

from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.window_frames import CodedPicture


@pytest.mark.parametrize("coded", [False, True])
def test_a_filling_is_put_in_by_parts_and_nothing_else_is_touched(coded: bool) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    values = codes.astype(np.float32) / np.float32(255)
    hole = np.zeros((40, 60), bool)
    hole[10:20, 30:35] = True
    pixels = HolePixels(hole)
    filling = rng.random((len(pixels), 3)).astype(np.float32)
    look = pixels.filling(CodedPicture(codes) if coded else values, filling)
    whole = values.copy()
    whole[hole] = filling
    parts = ((slice(0, 40), slice(0, 60)), (slice(15, 40), slice(33, 60)), (slice(25, 40), slice(0, 10)))
    for part in parts:
        assert np.array_equal(look(part), whole[part])
    assert np.array_equal(values, codes.astype(np.float32) / np.float32(255))
