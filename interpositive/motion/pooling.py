"""Means over wide surroundings, found on a smaller raster."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

REACH_SIGMAS = 4.0
"""OpenCV's Gaussian of floats ends there."""
_LEAST_SIGMA_PX = 4.0
"""Wider pools are taken on a raster so much smaller that theirs is at least that: nothing finer is left of them."""


def pooled_by_gaussian(plane: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """A plane ``h w`` or picture ``h w c`` (up to four channels) blurred by a Gaussian, as far as one can tell."""
    factor = 1
    while sigma_px >= 2 * factor * _LEAST_SIGMA_PX:
        factor *= 2
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)
    height, width = plane.shape[:2]
    small_size = (-(-width // factor), -(-height // factor))
    small = cv2.resize(plane, small_size, interpolation=cv2.INTER_AREA)
    # The mean over an area and the way back between pixels blur too.
    rest = sigma_px**2 - (factor**2 - 1) / 12.0 - factor**2 / 6.0
    small = cv2.GaussianBlur(small, (0, 0), rest**0.5 / factor)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
