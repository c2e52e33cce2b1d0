"""A hole on a grid that is the coarser, the deeper in the hole: of what bridges it nothing fine is left there."""

from __future__ import annotations

from dataclasses import dataclass

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
    the next of its grid. ``spread`` (``m n``) gives all pixels from them by cubic interpolation; None where all are
    solved for.
    """

    points: Numbers
    steps: Numbers
    spread: sparse.csr_matrix | None

    @classmethod
    def full(cls, num: int) -> NestedGrid:
        """Every pixel is solved for."""
        return cls(np.arange(num), np.ones(num, np.int64), None)

    @classmethod
    def of(cls, hole: Boolean) -> NestedGrid:
        """Of a hole ``h w``: every second pixel more than 6 from its edge or the frame's, every fourth beyond 12..."""
        ys, xs = np.nonzero(hole)
        edged = np.pad(hole, 1).astype(np.uint8)
        depth = cv2.distanceTransform(edged, cv2.DIST_C, 3)[1:-1, 1:-1][hole]
        grid, step = cls.full(len(ys)), 2
        while True:
            deep = depth[grid.points] > _DEPTH_STEPS * step
            on = (ys[grid.points] % step == 0) & (xs[grid.points] % step == 0)
            if not (deep & ~on).any():
                return grid
            between = _between(ys[grid.points], xs[grid.points], deep & ~on, step, hole.shape)
            spread = between if grid.spread is None else grid.spread @ between
            stays = ~deep | on
            grid = cls(grid.points[stays], np.where(deep, step, grid.steps)[stays], spread)
            step *= 2


def _between(ys: Numbers, xs: Numbers, left_out: Boolean, step: int, shape: tuple[int, ...]) -> sparse.csr_matrix:
    """How points ``n`` of a grid follow from those that stay: the others lie midway between these, a ``step`` apart."""
    stays = np.flatnonzero(~left_out)
    place = np.full(shape, -1)
    place[ys[stays], xs[stays]] = np.arange(len(stays))
    rows, columns, shares = [stays], [np.arange(len(stays))], [np.ones(len(stays))]
    off_row, off_column = ys % step != 0, xs % step != 0
    alone = ((0, 1.0),)
    for which, down, across in (
        (off_row & ~off_column, _BETWEEN, alone),
        (~off_row & off_column, alone, _BETWEEN),
        (off_row & off_column, _BETWEEN, _BETWEEN),
    ):
        points = np.flatnonzero(which & left_out)
        for dy, share_down in down:
            for dx, share_across in across:
                rows.append(points)
                columns.append(place[ys[points] + dy * step // 2, xs[points] + dx * step // 2])
                shares.append(np.full(len(points), share_down * share_across))
    given = np.concatenate(shares), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(given, shape=(len(ys), len(stays)))
