"""Where a line that is known in part goes on: how it stands out from its sides, as its known part does."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma
from interpositive.motion.window_motion import Plane

_SIDE_PX, _BESIDE_PX = 3, 10
"""How broad a side is that a line is held against, and how far beside it other things may be as good a line."""
_DARKEST = 0.05
"""Added to luma before its logarithm is taken, as grain would be all contrast in the dark."""
_ALONG_PX = 21
_LEAST_KNOWN_PX = 10
_LEAST, _FLOOR, _SHARE = 0.05, 0.04, 0.5
"""Contrasts (natural logarithms): a line with less than the first has none; what speaks for a line has the second, and
that share of the known part's."""


def brightness_of(picture: Plane) -> Plane:
    """The logarithm of a frame's luma: ``h w`` of ``h w 3`` in [0, 1] and a little beyond."""
    brightness: Plane = np.log(np.maximum(luma(picture), 0.0) + _DARKEST).astype(np.float32)
    return brightness


def contrast_speaks(shown: Plane, known: NDArray[np.bool_], width_px: float) -> Plane | None:
    """What the picture says of a line along a strip: -1 to 1 for each ``step offset``; None for one of no contrast.

    ``shown`` is brightness along the strip, :func:`sides_px` wider on both sides than ``known``, which is where the
    line was found. A line is darker than both of its sides, or brighter than both, whichever its known part is, over
    21 px along it. Half of the median contrast of that part is 0, and all of it is 1; but 0 is never less than what
    stands out so in the 10 px beside, as leaves and bricks have a line for anybody who looks for one.
    """
    offsets, half = known.shape[1], _half(width_px)
    on = known.any(1)
    if on.sum() < _LEAST_KNOWN_PX:
        return None
    smooth = cv2.blur(shown, (1, _ALONG_PX), borderType=cv2.BORDER_REPLICATE)
    sums = np.pad(np.cumsum(smooth, 1, dtype=np.float64), ((0, 0), (1, 0)))
    core = max(0, round(width_px / 2 - 0.6))
    first, all_offsets = half + _SIDE_PX, offsets + 2 * _BESIDE_PX
    middle = _means(sums, first - core, 2 * core + 1, all_offsets)
    sides = _means(sums, 0, _SIDE_PX, all_offsets), _means(sums, first + half + 1, _SIDE_PX, all_offsets)
    ways = np.minimum(*sides) - middle, middle - np.maximum(*sides)
    own = slice(_BESIDE_PX, _BESIDE_PX + offsets)
    medians = [float(np.median(np.where(known, way[:, own], -np.inf).max(1)[on])) for way in ways]
    contrast = max(medians)
    if contrast < _LEAST:
        return None
    way = ways[medians.index(contrast)]
    beside = np.maximum(way[:, :_BESIDE_PX].max(1), way[:, -_BESIDE_PX:].max(1))
    beside = cv2.blur(beside[:, None], (1, _ALONG_PX), borderType=cv2.BORDER_REPLICATE)
    needed = np.maximum(max(_FLOOR, _SHARE * contrast), beside)
    speaks: Plane = np.clip(way[:, own] / needed - 1.0, -1.0, 1.0).astype(np.float32)
    return speaks


def sides_px(width_px: float) -> int:
    """How much wider on each side than where a line may be its picture has to be."""
    return _half(width_px) + _SIDE_PX + _BESIDE_PX


def _half(width_px: float) -> int:
    return max(1, round(width_px / 2))


def _means(sums: NDArray[np.float64], first: int, num: int, offsets: int) -> NDArray[np.float64]:
    """Means of ``num`` columns from ``first`` on, and of as many from each of the next columns on."""
    means: NDArray[np.float64] = (sums[:, first + num : first + num + offsets] - sums[:, first : first + offsets]) / num
    return means
