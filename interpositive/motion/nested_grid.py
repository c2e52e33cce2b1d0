"""A hole on a grid that is the coarser, the deeper in the hole: of what bridges it nothing fine is left there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_DEPTH_STEPS = 3
"""So many of its steps within a hole a grid begins: what is read between and around its points is of the hole."""
_BETWEEN = ((-3, -1 / 16), (-1, 9 / 16), (1, 9 / 16), (3, -1 / 16))
"""The cubic through four points of a grid, half-way between the middle two, by half steps from there."""

Numbers = NDArray[np.int64]
Boolean = NDArray[np.bool_]


@dataclass(frozen=True)
class NestedGrid:
    """Which of a hole's ``m`` pixels are solved for, and how all others follow.

    ``points`` (``n``) are these, by their number in the order of the hole's rows, ``steps`` (``n``) how far from one to
    the next of its grid. ``levels`` give the pixels from them by cubic interpolation, the last of them first: what each
    grid has from the next coarser one. Their product would have many times as many numbers.
    """

    points: Numbers
    steps: Numbers
    levels: Sequence[sparse.csr_matrix]

    @classmethod
    def full(cls, num: int) -> NestedGrid:
        """Every pixel is solved for."""
        return cls(np.arange(num), np.ones(num, np.int64), [])

    @classmethod
    def of(cls, hole: Boolean) -> NestedGrid:
        """Of a hole ``h w``: every second pixel more than 6 from its edge or the frame's, every fourth beyond 12..."""
        ys, xs = np.nonzero(hole)
        coarsest = _coarsest_steps(hole)
        points, levels, step = np.arange(len(ys)), [], 2
        while step <= coarsest.max(initial=1):
            y, x = ys[points], xs[points]
            left_out = (coarsest[points] >= step) & ((y % step != 0) | (x % step != 0))
            levels.append(_between(y, x, left_out, step, hole.shape))
            points, step = points[~left_out], 2 * step
        return cls(points, coarsest[points], levels)

    def solved_for(self, weights: sparse.csr_matrix) -> sparse.csr_matrix:
        """Weights of pixels, ``k m``, as those of the points that pixels follow from, ``k n``."""
        for level in self.levels:
            weights = weights @ level
        return weights

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """What the pixels have, ``m c``, from what the points have, ``n c``."""
        for level in reversed(self.levels):
            values = level @ values
        return values


def nested_points(hole: Boolean) -> Boolean:
    """Which of a hole's ``m`` pixels :meth:`NestedGrid.of` solves for."""
    ys, xs = np.nonzero(hole)
    # Its steps are powers of two.
    finer = _coarsest_steps(hole) - 1
    points: Boolean = ((ys | xs) & finer) == 0
    return points


def _coarsest_steps(hole: Boolean) -> Numbers:
    """The step of the coarsest grid that reaches each of a hole's ``m`` pixels."""
    edged = np.pad(hole, 1).astype(np.uint8)
    depth = cv2.distanceTransform(edged, cv2.DIST_C, 3)[1:-1, 1:-1][hole]
    steps, step = np.ones(len(depth), np.int64), 2
    while (deep := depth > _DEPTH_STEPS * step).any():
        steps[deep] = step
        step *= 2
    return steps


def _between(ys: Numbers, xs: Numbers, left_out: Boolean, step: int, shape: tuple[int, ...]) -> sparse.csr_matrix:
    """How points ``n`` of a grid follow from those that stay: the others lie midway between these, a ``step`` apart."""
    stays = np.flatnonzero(~left_out)
    place = np.full(shape, -1, np.int32)
    place[ys[stays], xs[stays]] = np.arange(len(stays), dtype=np.int32)
    off_row, off_column = ys % step != 0, xs % step != 0
    num_each = np.where(left_out, np.where(off_row, 4, 1) * np.where(off_column, 4, 1), 1)
    begins = np.concatenate(([0], np.cumsum(num_each)))
    columns, shares = np.empty(begins[-1], np.int32), np.empty(begins[-1])
    columns[begins[stays]], shares[begins[stays]] = place[ys[stays], xs[stays]], 1.0
    alone = ((0, 1.0),)
    for which, down, across in (
        (off_row & ~off_column, _BETWEEN, alone),
        (~off_row & off_column, alone, _BETWEEN),
        (off_row & off_column, _BETWEEN, _BETWEEN),
    ):
        points = np.flatnonzero(which & left_out)
        y, x, begin = ys[points], xs[points], begins[points]
        for dy, share_down in down:
            for dx, share_across in across:
                columns[begin] = place[y + dy * step // 2, x + dx * step // 2]
                shares[begin] = share_down * share_across
                begin = begin + 1
    return sparse.csr_matrix((shares, columns, begins), shape=(len(ys), len(stays)))
