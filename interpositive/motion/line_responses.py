"""How much each pixel lies on a line: means along it against both of its sides, over many directions."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

NUM_DIRECTIONS = 16


def line_responses(plane: Plane, length_px: int, width_px: float) -> tuple[Plane, Plane]:
    """The highest and the lowest response ``h w`` of a plane ``h w`` over 16 directions.

    A response is the mean over a straight piece ``length_px`` long and ``width_px`` wide, minus the mean of its two
    sides: bright lines have a high highest, dark ones a low lowest, and noise averages out along both.
    """
    highest = np.full(plane.shape, -np.inf, np.float32)
    lowest = np.full(plane.shape, np.inf, np.float32)
    for kernel in _kernels(length_px, width_px):
        response = cv2.filter2D(plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        np.maximum(highest, response, out=highest)
        np.minimum(lowest, response, out=lowest)
    return highest, lowest


@lru_cache(maxsize=16)
def _kernels(length_px: int, width_px: float) -> tuple[Plane, ...]:
    reach = length_px // 2 + 2
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    kernels = []
    for index in range(NUM_DIRECTIONS):
        angle = np.pi * index / NUM_DIRECTIONS
        along = xs * np.cos(angle) + ys * np.sin(angle)
        across = np.abs(ys * np.cos(angle) - xs * np.sin(angle))
        piece = np.clip(length_px / 2 + 0.5 - np.abs(along), 0.0, 1.0)
        middle = piece * np.clip(width_px / 2 + 0.5 - across, 0.0, 1.0)
        sides = piece * np.clip(width_px / 2 + 0.5 - np.abs(across - 1.5 * width_px - 0.5), 0.0, 1.0)
        kernels.append((middle / middle.sum() - sides / sides.sum()).astype(np.float32))
    return tuple(kernels)
