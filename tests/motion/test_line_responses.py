"""Lines stand out from noise, whichever way they run, and say whether they are bright or dark."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from interpositive.motion.line_responses import line_responses


@pytest.mark.parametrize("angle", [0.0, 33.0, 90.0, 147.0])
@pytest.mark.parametrize("step", [0.1, -0.1])
def test_a_line_fainter_than_the_noise_stands_out(angle: float, step: float) -> None:
    random = np.random.default_rng(3)
    plane = np.zeros((96, 96), np.float32)
    reach = 60 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    ends = [tuple(int(v) for v in np.rint(48 + side * reach)) for side in (-1, 1)]
    line = cv2.line(plane.copy(), ends[0], ends[1], 1.0, 2) > 0
    noisy = 0.5 + step * line + random.normal(0.0, 0.12, plane.shape).astype(np.float32)
    highest, lowest = line_responses(noisy.astype(np.float32), 31, 2.0)
    wanted, other = (highest, -lowest) if step > 0 else (-lowest, highest)
    inside = cv2.erode(np.ones_like(plane, np.uint8), np.ones((33, 33)), borderValue=0) > 0
    off = inside & (cv2.dilate(line.astype(np.uint8), np.ones((9, 9))) == 0)
    assert np.median(wanted[line & inside]) > 1.2 * np.quantile(wanted[off], 0.95)
    assert np.median(wanted[line & inside]) > np.median(other[line & inside])


def test_even_light_gives_none() -> None:
    highest, lowest = line_responses(np.full((40, 50), 0.7, np.float32), 15, 1.5)
    assert np.abs(highest).max() < 1e-5 and np.abs(lowest).max() < 1e-5
