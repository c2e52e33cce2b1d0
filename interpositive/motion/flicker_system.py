"""Pairs of frames as one sparse system of the courses of light that make them agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from interpositive.functional.course_priors import agreed_autocovariance, agreed_deviation, prediction_precision
from interpositive.functional.light_fields import GRID_COLUMNS, GRID_ROWS
from interpositive.functional.threads import blas_by_one_thread
from interpositive.motion.frame_pairs import OFFSETS, FramePair, Plane

Courses = NDArray[np.float64]

_SQUARES = 9
_ACROSS, _DOWN, _TURNS_DOWN = 4.5, 3.5, 6
_PRIOR_DEVIATION = 0.1
_SHADING = 0.005
_NUM_RADII, _FALL_OFF = 2, 0.05
_ORDER, _ROUNDS = 3, 3
"""How many frames foretell the next, and how often the final system is weighed anew."""
_ALIKE = 50.0
"""How many neighbouring blocks err alike, and count as one."""


class _Solved(NamedTuple):
    """Courses ``t 2k 3``, and gains and offsets ``2r 3`` of the lens's fall-off."""

    courses: Courses
    fall_off: Courses


@dataclass(frozen=True)
class _Expected:
    """Deviation ``2k`` of each course from its mean, and the precision ``t t`` of all of them when it is 1."""

    deviation: Courses
    precision: Courses


class _Sums:
    """Normal equations of one channel: of courses (by gap, in ``blocks``), of the fall-off, and of both together."""

    def __init__(self, num_frames: int, gaps: tuple[int, ...], size: int) -> None:
        self.num_frames, self.gaps, self.size = num_frames, gaps, size
        self.blocks = np.zeros((num_frames, len(gaps), size, size))
        self.wanted = np.zeros((num_frames, size))
        self.across = np.zeros((num_frames, size, 2 * _NUM_RADII))
        self.lens, self.lens_wanted = np.zeros((2 * _NUM_RADII,) * 2), np.zeros(2 * _NUM_RADII)

    def add(self, normal: Plane, right: Plane, pair: FramePair) -> None:
        """Add one pair's, whose unknowns are the first frame's course, the second's, and the fall-off."""
        size = self.size
        for frame, part in ((pair.first, slice(0, size)), (pair.second, slice(size, 2 * size))):
            self.blocks[frame, 0] += normal[part, part]
            self.across[frame] += normal[part, 2 * size :]
            self.wanted[frame] += right[part]
        self.blocks[pair.first, self.gaps.index(pair.second - pair.first)] += normal[size : 2 * size, :size]
        self.lens += normal[2 * size :, 2 * size :]
        self.lens_wanted += right[2 * size :]

    def solved(self, expected: _Expected) -> tuple[Courses, Courses]:
        """The courses ``t 2k`` and the fall-off ``2r``; what is still is found with the courses eliminated."""
        num_frames, size = self.num_frames, self.size
        sure = 1.0 / expected.deviation**2
        rows = expected.precision.sum(1)
        beside = np.zeros((num_frames, size, size + 2 * _NUM_RADII))
        beside[:, range(size), range(size)] = -rows[:, None] * sure
        beside[..., size:] = self.across
        flat = beside.reshape(num_frames * size, -1)
        right = np.concatenate((self.wanted.reshape(-1, 1), flat), 1)
        answers = solveh_banded(self._banded(expected.precision, sure), right, lower=True, check_finite=False)
        alone, through = answers[:, 0], answers[:, 1:]
        still = np.zeros((size + 2 * _NUM_RADII,) * 2)
        still[range(size), range(size)] = 1.0 / _level_deviation() ** 2 + rows.sum() * sure
        still[size:, size:] = self.lens + np.eye(2 * _NUM_RADII) / _FALL_OFF**2
        wanted = np.concatenate((np.zeros(size), self.lens_wanted))
        kept = np.linalg.solve(still - flat.T @ through, wanted - flat.T @ alone)
        return (alone - through @ kept).reshape(num_frames, size), kept[size:]

    def _banded(self, precision: Courses, sure: Courses) -> Courses:
        """The courses' lower band, ``matrix[i - j, j]``."""
        size, num_frames = self.size, self.num_frames
        matrix = np.zeros((size * (self.gaps[-1] + 1), num_frames * size))
        row, column = np.mgrid[:size, :size]
        for place, gap in enumerate(self.gaps):
            for frame in range(num_frames - gap):
                lower = row >= column if gap == 0 else row >= 0
                there = (gap * size + row - column)[lower], (frame * size + column)[lower]
                matrix[there] += self.blocks[frame, place][lower]
        for gap in range(min(_ORDER, self.gaps[-1]) + 1):
            band = np.diagonal(precision, gap)
            matrix[gap * size, : len(band) * size] += np.outer(band, sure).ravel()
        return matrix


class FlickerSystem:
    """All pairs of a shot as one sparse system of courses ``t 2k 3``: gains about the centre by contrast, offsets.

    Beside the courses stand what nothing changes over time: the mean of each, and a lens's fall-off from the centre,
    which to a camera that pans would be light that drifts.
    """

    def __init__(self, pairs: list[FramePair], num_frames: int, centre: float, contrast: float, aspect: float) -> None:
        self.pairs, self.num_frames = pairs, num_frames
        self.centre, self.contrast = centre, contrast
        self.shapes = [(shapes(pair.places[0]), shapes(pair.places[1])) for pair in pairs]
        self.radii = [_radii(pair.places[0], aspect) - _radii(pair.places[1], aspect) for pair in pairs]
        self.size = 2 * len(orders())
        self.gaps = (0, *(step for step in OFFSETS if step < num_frames))

    def solve(self) -> tuple[Courses, Plane]:
        """The courses, and what is left of each pair, averaged on the grid.

        First by two halves of the frame, in squares like a chessboard: what is flicker both find alike, what moved
        by itself one of them. How far they agree is how much each shape may do in the end.
        """
        blas_by_one_thread()
        deviation = _PRIOR_DEVIATION * np.tile(_stiffness(), 2)
        free = np.eye(self.num_frames)
        halves = []
        for half in (0, 1):
            found = self._blank()
            for turn in range(2):
                found, _ = self._round(found, _Expected(deviation, free), half, solved=turn > 0)
            halves.append(found)
        first, second = (half.courses for half in halves)
        deviation = np.minimum(deviation, agreed_deviation(first, second))
        course = prediction_precision(agreed_autocovariance(first, second, deviation), min(_ORDER, self.gaps[-1]))
        found = _Solved(0.5 * (first + second), 0.5 * (halves[0].fall_off + halves[1].fall_off))
        left: list[Plane] = []
        for _ in range(_ROUNDS):
            found, left = self._round(found, _Expected(deviation, course), None, solved=True)
        return found.courses, _unrest(self.pairs, left, self.num_frames)

    def _blank(self) -> _Solved:
        return _Solved(np.zeros((self.num_frames, self.size, 3)), np.zeros((2 * _NUM_RADII, 3)))

    def _round(
        self, found: _Solved, expected: _Expected, half: int | None, *, solved: bool
    ) -> tuple[_Solved, list[Plane]]:
        sums = [_Sums(self.num_frames, self.gaps, self.size) for _ in range(3)]
        left = []
        for pair, (here, there), radii in zip(self.pairs, self.shapes, self.radii, strict=True):
            trust = pair.trust if half is None else pair.trust * (_chessboard(pair.places[0]) == half)[:, None]
            remains = np.zeros_like(pair.trust)
            for channel in range(3):
                values = (pair.values[0][:, channel], pair.values[1][:, channel])
                first, second = found.courses[pair.first, :, channel], found.courses[pair.second, :, channel]
                steady = 0.5 * (self._without(here, values[0], first) + self._without(there, values[1], second))
                features = np.concatenate(
                    (self._features(here, steady), -self._features(there, steady), self._features(radii, steady)),
                    1,
                    dtype=np.float32,
                )
                error = values[0] - values[1]
                known = np.concatenate((first, second, found.fall_off[:, channel])).astype(np.float32)
                rest = error - features @ known
                remains[:, channel] = np.abs(rest)
                weighted = np.asarray(features * _weights(rest, trust[:, channel], solved)[:, None], np.float32)
                sums[channel].add(weighted.T @ features, weighted.T @ error, pair)
            left.append(remains.mean(1))
        parts = [each.solved(expected) for each in sums]
        return _Solved(*(np.stack(part, -1) for part in zip(*parts, strict=True))), left

    def _features(self, forms: Plane, values: Plane) -> Plane:
        return np.concatenate((forms * ((values - self.centre) / self.contrast)[:, None], forms), 1)

    def _without(self, forms: Plane, values: Plane, course: Courses) -> Plane:
        """Values ``p`` without the flicker of a course ``2k``."""
        num_shapes = forms.shape[1]
        gain = forms @ (course[:num_shapes] / self.contrast).astype(np.float32)
        offset = forms @ course[num_shapes:].astype(np.float32) - gain * self.centre
        return np.asarray((values - offset) / np.maximum(1.0 + gain, 0.1), np.float32)


def _chessboard(places: Plane) -> NDArray[np.int64]:
    squares = np.floor(places * np.array([_SQUARES, _SQUARES * 0.6])).astype(np.int64)
    return np.asarray(squares.sum(1) % 2)


def _level_deviation() -> Courses:
    """How far the mean of each course may be from nothing, ``2k``: the level of the whole frame is free.

    What varies over the frame and never changes, but for a lens's fall-off, is small.
    """
    level = np.array([order == (0, 0) for order in orders()])
    return np.tile(np.where(level, _PRIOR_DEVIATION, _SHADING * _stiffness()), 2)


def _weights(rest: Plane, trust: Plane, solved: bool) -> Plane:
    """Cauchy weights over the variance of a pair; at first, when all is flicker, about what most blocks share."""
    seen = trust > 0
    if seen.sum() < 32:
        return np.zeros_like(trust)
    middle = np.float32(np.median(rest[seen]))
    scale = 1.4826 * float(np.median(np.abs(rest[seen] - middle))) + 1e-3
    strange = rest if solved else rest - middle
    return np.asarray(trust / (1.0 + (strange / (2.0 * scale)) ** 2) / np.float32(_ALIKE * scale * scale), np.float32)


def _unrest(pairs: list[FramePair], left: list[Plane], num_frames: int) -> Plane:
    total = np.zeros((num_frames, GRID_ROWS * GRID_COLUMNS), np.float32)
    count = np.full_like(total, 1e-3)
    for pair, rest in zip(pairs, left, strict=True):
        seen = (pair.trust.min(1) > 0).astype(np.float32)
        for frame, places in zip((pair.first, pair.second), pair.places, strict=True):
            cell = np.rint(places[:, 1] * (GRID_ROWS - 1)) * GRID_COLUMNS + np.rint(places[:, 0] * (GRID_COLUMNS - 1))
            cell = cell.astype(np.int64)
            total[frame] += np.bincount(cell, seen * rest, total.shape[1]).astype(np.float32)
            count[frame] += np.bincount(cell, seen, total.shape[1]).astype(np.float32)
    return (total / count).reshape(num_frames, GRID_ROWS, GRID_COLUMNS)


@lru_cache(maxsize=1)
def orders() -> tuple[tuple[int, int], ...]:
    """Orders (across, down) of the cosines."""
    columns = [(0, down) for down in range(_TURNS_DOWN + 1)]
    around = [
        (across, down)
        for across in range(1, int(_ACROSS) + 1)
        for down in range(int(_DOWN) + 1)
        if (across / _ACROSS) ** 2 + (down / _DOWN) ** 2 <= 1.0
    ]
    return tuple(columns + around)


def _stiffness() -> Courses:
    return np.array([1.0 / (1.0 + 0.25 * (across**2 + 0.5 * down**2)) for across, down in orders()])


def shapes(places: Plane) -> Plane:
    """The cosines at places ``p 2`` (x, y in [0, 1]), ``p k``, of unit power."""
    across = [np.cos(np.pi * order * places[:, 0]) * (2**0.5 if order else 1.0) for order in range(int(_ACROSS) + 1)]
    down = [np.cos(np.pi * order * places[:, 1]) * (2**0.5 if order else 1.0) for order in range(_TURNS_DOWN + 1)]
    return np.stack([across[x] * down[y] for x, y in orders()], 1).astype(np.float32)


def _radii(places: Plane, aspect: float) -> Plane:
    """The second and fourth power of the distance from the frame's centre at ``p 2``, ``p 2``; corners are at 1."""
    offset = 2.0 * places - 1.0
    squared = (offset[:, 0] ** 2 + (aspect * offset[:, 1]) ** 2) / (1.0 + aspect**2)
    return np.stack((squared, squared**2), 1).astype(np.float32)
