"""Curves that the pieces of a mask lie on: one for pieces that continue each other, several where lines cross."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_Chosen = NDArray[np.bool_]

LEAST_PX = 20.0
"""A shorter piece does not say where its line goes."""
_SLIM_PX, _THICK_PX = 9.0, 11
"""A line is less broad than the first; where a square of the second fits in there is none."""
_BENT_PX = 48.0
"""The bend of a shorter piece is not known: it is taken for straight."""
_NEAR_PX = 2.5
_MOST_LINES, _PLACES, _APART_PX = 6, 8, 8.0
"""How many lines a piece may be, and from how many places of it, so far apart, each of them is looked for."""
_AROUND_PX, _STRETCH_PX = 14.0, 20.0
"""The pixels that say in which direction a line goes through a place, and how far it is taken to go so at first."""


@dataclass(frozen=True)
class Curve:
    """A parabola about an axis of its own, in pixels; from ``first`` to ``last`` along the axis it was seen."""

    origin: Points
    along: Points
    bends: Points
    first: float
    last: float

    @property
    def aside(self) -> Points:
        """The direction across the axis."""
        return np.array([-self.along[1], self.along[0]])

    def placed(self, points: Points) -> tuple[Points, Points]:
        """How far along the axis points ``n xy`` are, and how far beside the curve."""
        # Spelt out, as BLAS would take threads for so many points.
        x, y = (points - self.origin).T
        u = x * self.along[0] + y * self.along[1]
        return u, y * self.along[0] - x * self.along[1] - np.polyval(self.bends, u)

    def covered_px(self, points: Points) -> int:
        """Over how much of it there are points."""
        return len(np.unique(np.rint(self.placed(points)[0])))


@dataclass(frozen=True)
class Line:
    """A curve, and how broad what lies on it is."""

    curve: Curve
    width_px: float


def lines_of(mask: NDArray[np.bool_]) -> Iterator[Line]:
    """What the slim pieces of a mask ``h w`` lie on, the longest first; a piece that lies on a longer one's has none.

    A piece that is on no curve, as where wires cross, is several lines: from places all over it a curve is laid in the
    direction that it has there, through it and through what continues it. The one with most of it is a line, and what
    that leaves is looked through again.
    """
    codes = mask.astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(codes, connectivity=8)
    length = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    length[0] = 0.0
    thick = cv2.morphologyEx(codes, cv2.MORPH_OPEN, np.ones((_THICK_PX, _THICK_PX), np.uint8)) > 0
    ys, xs = np.nonzero((length >= LEAST_PX)[np.asarray(labels)] & ~thick)
    points, owners = np.stack((xs, ys), 1).astype(np.float64), np.asarray(labels)[ys, xs]
    told = np.zeros(len(points), bool)
    for piece in sorted(np.flatnonzero(length >= LEAST_PX).tolist(), key=lambda number: -length[number]):
        own = owners == piece
        if not own.any() or told[own].mean() >= 0.7:
            continue
        whole = _line(points, own)
        for line, near in (whole,) if whole else _crossing(points, own, told):
            told |= near
            yield line


def _crossing(points: Points, own: _Chosen, told: _Chosen) -> Iterator[tuple[Line, _Chosen]]:
    """The lines that a piece consists of, one after another, while whoever takes them marks their points as told."""
    for _ in range(_MOST_LINES):
        found = _longest(points, own & ~told, told)
        if found is None:
            return
        yield found


def _longest(points: Points, rest: _Chosen, told: _Chosen) -> tuple[Line, _Chosen] | None:
    """Of the lines through some of a piece's points the one with most that no other has, and its points."""
    best, most, through = None, int(LEAST_PX) - 1, np.zeros_like(rest)
    for place in _spread(points, rest):
        found = None if through[place] else _line(points, _stretch(points, rest, place))
        if found is not None:
            line, near = found
            through |= near
            new = line.curve.covered_px(points[near & ~told])
            if new > most:
                best, most = found, new
    return best


def _spread(points: Points, rest: _Chosen) -> Iterator[int]:
    """Points of a piece, each as far as can be from those before it."""
    numbers = np.flatnonzero(rest)
    if len(numbers) < LEAST_PX:
        return
    # The first is at an end.
    far = np.hypot(*(points[numbers] - points[numbers[0]]).T)
    for count in range(_PLACES):
        place = int(np.argmax(far))
        if far[place] < _APART_PX:
            return
        yield int(numbers[place])
        away = np.hypot(*(points[numbers] - points[numbers[place]]).T)
        far = np.minimum(far, away) if count else away


def _stretch(points: Points, rest: _Chosen, place: int) -> _Chosen:
    """The points about one of them in the direction that a line has there; none if it has no direction."""
    around = points[rest & (np.hypot(*(points - points[place]).T) < _AROUND_PX)]
    none = np.zeros_like(rest)
    if len(around) < 8:
        return none
    spread, axes = np.linalg.eigh(np.cov((around - around.mean(0)).T))
    if 4.0 * spread[0] > spread[1]:
        return none
    v, u = ((points - around.mean(0)) @ axes).T
    near: _Chosen = rest & (np.abs(u) < _STRETCH_PX) & (np.abs(v) < _NEAR_PX)
    return near


def _line(points: Points, own: _Chosen) -> tuple[Line, _Chosen] | None:
    """The line of a piece and of all that continues it, and what that is; None if it is none."""
    curve, near = _consensus(points, own)
    if curve is None:
        return None
    width_px = float(near.sum()) / curve.covered_px(points[near])
    return (Line(curve, width_px), near) if width_px < _SLIM_PX else None


def _consensus(points: Points, own: _Chosen) -> tuple[Curve | None, _Chosen]:
    """The curve of a piece and of all that continues it, and what that is; none if the piece itself is not on it."""
    near = own
    curve = fitted(points[near])
    for _ in range(8):
        if curve is None:
            return None, near
        u, v = curve.placed(points)
        beyond = np.maximum(0.0, np.maximum(curve.first - u, u - curve.last))
        now = (np.abs(v) < _NEAR_PX + 0.03 * beyond) & (beyond < max(40.0, curve.last - curve.first))
        if (now == near).all():
            break
        near = now
        curve = fitted(points[near])
    if curve is None or (np.abs(curve.placed(points[own])[1]) < _NEAR_PX).mean() < 0.6:
        return None, near
    return curve, near


def fitted(points: Points) -> Curve | None:
    """The parabola through points ``n xy``, or the straight line if they are near each other; None if too near."""
    if len(points) < 10:
        return None
    origin = points.mean(0)
    along = np.linalg.eigh(np.cov((points - origin).T))[1][:, -1]
    u, v = (points - origin) @ along, (points - origin) @ np.array([-along[1], along[0]])
    span = float(np.ptp(u))
    kept = np.ones(len(u), bool)
    bends = np.zeros(1)
    for _ in range(2):
        if span < 0.7 * LEAST_PX or kept.sum() < 8:
            return None
        bends = np.polyfit(u[kept], v[kept], 2 if span > _BENT_PX else 1)
        kept = np.abs(v - np.polyval(bends, u)) < 1.5 * _NEAR_PX
    if kept.sum() < 8:
        return None
    return Curve(origin, along, bends, float(u[kept].min()), float(u[kept].max()))
