"""Uneven shapes: their outlines, and how much of each pixel they fill."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float32] | NDArray[np.float64]

_SUPERSAMPLING, _SHIFT_BITS = 4, 4


def uneven_outline(
    random: np.random.Generator, radius_px: float, num_points: int, unevenness: float, waves: Sequence[int]
) -> NDArray[np.float64]:
    """An outline ``n 2`` about the origin: a circle with so many ``waves`` around it, stretched and turned."""
    angles = np.linspace(0.0, 2.0 * np.pi, num_points, endpoint=False)
    bumps = sum(random.uniform(0.0, unevenness / k) * np.cos(k * angles + random.uniform(0, 6.28)) for k in waves)
    reach = radius_px * (1.0 + bumps)
    stretch, turn = random.uniform(1.0, 2.5), random.uniform(0.0, np.pi)
    x, y = reach * np.cos(angles) * stretch, reach * np.sin(angles)
    return np.stack((x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)), -1)


def filled(outlines: Sequence[Outline], height: int, width: int) -> NDArray[np.float32]:
    """Anti-aliased coverage ``h w`` in [0, 1] of all that the outlines (``n 2``, in pixels) enclose."""
    scale = _SUPERSAMPLING
    canvas = np.zeros((height * scale, width * scale), np.uint8)
    for outline in outlines:
        fixed = np.rint(((outline + 0.5) * scale - 0.5) * (1 << _SHIFT_BITS)).astype(np.int32)
        cv2.fillPoly(canvas, [fixed[:, None, :]], 255, cv2.LINE_8, _SHIFT_BITS)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / 255.0
