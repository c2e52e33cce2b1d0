"""Flicker of a shot, solved against its motion-compensated neighbours in one sparse system.

Each frame has a gain and an offset per channel, smooth over the frame: a few cosines, more of them down the rows, for
the phase of a mains beat runs there. Neighbours up to sixteen frames off are brought over by optical flow, and all
frames are asked to agree where they see the same thing; robust weights leave out what moved or changed by itself
(Roosmalen, Lagendijk and Biemond's model of intensity flicker, IEEE T-CSVT 9(7), 1999, solved jointly in the way
of a bundle adjustment). What all frames share is not seen by this; real light is told from
flicker by :func:`~interpositive.functional.steady_courses.real_course`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from interpositive.functional.light_fields import GRID_COLUMNS, GRID_ROWS
from interpositive.functional.steady_courses import real_course
from interpositive.motion.frame_pairs import OFFSETS, FramePair, Plane, frame_pairs, reduced

Courses = NDArray[np.float64]

_SQUARES = 9
_LEAST_DEVIATION = 2e-5
_DEEPEST, _AROUND = 0.075, 7
"""RMS over the frame, as a share of the mean code, from which a local change of light is a shadow (about a sixth of a
stop), and over how many frames it is looked for around each."""
_ACROSS, _DOWN, _TURNS_DOWN = 4.5, 3.5, 6
_TRUSTED = (0.02, 0.98)
_PRIOR_DEVIATION = 0.1
_SHADING = 0.02
_ALIKE_OVER_TIME = 0.1
_ALIKE = 50.0
"""How many neighbouring blocks err alike, and count as one."""


@dataclass(frozen=True)
class FlickerSolve:
    """What takes the flicker out: gains (0 is none) and offsets, ``t rows columns 3``.

    ``real_gain`` and ``real_offset`` are the change of light that was found to be real, and stays.
    ``unrest`` (``t rows columns``) is how far neighbours still disagree, in code values: where it is large something
    moved that flow did not follow.
    """

    gain: Plane
    offset: Plane
    real_gain: Plane
    real_offset: Plane
    unrest: Plane


def solve_flicker(frames: Plane, *, hold: int = 8, keep_real_light: bool = True) -> FlickerSolve:
    """Solve the flicker of a shot or window ``t h w 3``; the codes may be of any encoding, values near 0 to 1.

    ``hold`` is how many frames to a side one jump of flicker may last. Without ``keep_real_light`` all frames are
    brought to one level: fades and lamps that come on go too.
    """
    num_frames = len(frames)
    if num_frames < 2:
        nothing = np.zeros((num_frames, GRID_ROWS, GRID_COLUMNS, 3), np.float32)
        return FlickerSolve(nothing, nothing, nothing, nothing, nothing[..., 0])
    small = np.stack([reduced(frame) for frame in frames])
    low, high = float(small.min()), float(small.max())
    trusted = (low + _TRUSTED[0] * (high - low), low + _TRUSTED[1] * (high - low))
    centre, contrast = float(small.mean()), max(float(small.std()), 1e-3)
    pairs = list(frame_pairs(small, trusted))
    courses, unrest = _System(pairs, num_frames, centre, contrast).solve()
    flat = courses.reshape(num_frames, -1)
    base = real_course(flat, hold) if keep_real_light else flat.mean(0, keepdims=True)
    shapes = _shapes(_grid_places())
    gain, offset = _on_grid(shapes, courses, centre, contrast)
    real_gain, real_offset = _on_grid(
        shapes, np.broadcast_to(base, flat.shape).reshape(courses.shape), centre, contrast
    )
    # From a code back to what the steady light would give, and on to what the real light gives.
    stretch = (1.0 + real_gain) / np.maximum(1.0 + gain, 0.1)
    trust = _no_shadow((flat - base) / max(centre, 1e-3))[:, None, None]
    made = (trust * (stretch - 1.0), trust * (real_offset - offset * stretch), real_gain, real_offset)
    fields = [each.reshape(num_frames, GRID_ROWS, GRID_COLUMNS, 3).astype(np.float32) for each in made]
    return FlickerSolve(fields[0], fields[1], fields[2], fields[3], unrest)


def _no_shadow(wanted: Courses) -> Courses:
    """How far each frame's flicker ``t 6k`` (shares of the mean code) is believed: not where places change unlike.

    A shadow that passes is over as soon as flicker is. It is deeper than what film or a tool lets
    a part of the frame differ by from one frame to the next.
    """
    parts = wanted.reshape(len(wanted), 2, len(_orders()), 3)
    across = np.array([order[0] > 0 for order in _orders()])
    local = np.sqrt(np.square(parts[:, 1, across]).sum(1).mean(1))
    worst = maximum_filter1d(local, _AROUND, mode="nearest")
    return np.asarray(1.0 / (1.0 + (worst / _DEEPEST) ** 8))


def _on_grid(shapes: Plane, courses: Courses, centre: float, contrast: float) -> tuple[Courses, Courses]:
    """Gain and offset ``t p 3`` that flicker puts on, from courses ``t 2k 3``."""
    num_shapes = shapes.shape[1]
    gain = np.einsum("pk,tkc->tpc", shapes.astype(np.float64), courses[:, :num_shapes] / contrast)
    return gain, np.einsum("pk,tkc->tpc", shapes.astype(np.float64), courses[:, num_shapes:]) - gain * centre


class _System:
    """All pairs of a shot as one sparse system of courses ``t 2k 3``: gains about the centre by contrast, offsets."""

    def __init__(self, pairs: list[FramePair], num_frames: int, centre: float, contrast: float) -> None:
        self.pairs, self.num_frames = pairs, num_frames
        self.centre, self.contrast = centre, contrast
        self.shapes = [(_shapes(pair.places[0]), _shapes(pair.places[1])) for pair in pairs]
        self.size = 2 * len(_orders())
        self.gaps = (0, *(step for step in OFFSETS if step < num_frames))

    def solve(self) -> tuple[Courses, Plane]:
        """The courses, and what is left of each pair, averaged on the grid.

        First by two halves of the frame, in squares like a chessboard: what is flicker both find alike, what moved
        by itself one of them. How far they agree is how much each shape may do in the end.
        """
        deviation = _PRIOR_DEVIATION * np.tile(_stiffness(), 2)
        halves = []
        for half in (0, 1):
            courses = self._blank()
            for turn in range(2):
                courses, _ = self._round(courses, deviation, half, solved=turn > 0)
            halves.append(courses)
        deviation = np.minimum(deviation, _agreed_deviation(*halves))
        courses = 0.5 * (halves[0] + halves[1])
        left: list[Plane] = []
        for _ in range(2):
            courses, left = self._round(courses, deviation, None, solved=True)
        return courses, _unrest(self.pairs, left, self.num_frames)

    def _blank(self) -> Courses:
        return np.zeros((self.num_frames, self.size, 3))

    def _round(
        self, courses: Courses, deviation: Courses, half: int | None, *, solved: bool
    ) -> tuple[Courses, list[Plane]]:
        # What frames a gap apart say of each other's courses.
        blocks = np.zeros((3, self.num_frames, len(self.gaps), self.size, self.size))
        wanted = np.zeros((3, self.num_frames, self.size))
        left = []
        for pair, shapes in zip(self.pairs, self.shapes, strict=True):
            here, there = shapes
            trust = pair.trust if half is None else pair.trust * (_chessboard(pair.places[0]) == half)[:, None]
            remains = np.zeros_like(pair.trust)
            for channel in range(3):
                values = (pair.values[0][:, channel], pair.values[1][:, channel])
                first, second = courses[pair.first, :, channel], courses[pair.second, :, channel]
                steady = 0.5 * (self._without(here, values[0], first) + self._without(there, values[1], second))
                features = np.concatenate(
                    (self._features(here, steady), -self._features(there, steady)), 1, dtype=np.float32
                )
                error = values[0] - values[1]
                rest = error - features @ np.concatenate((first, second)).astype(np.float32)
                remains[:, channel] = np.abs(rest)
                weighted = np.asarray(features * _weights(rest, trust[:, channel], solved)[:, None], np.float32)
                self._add(blocks[channel], wanted[channel], weighted.T @ features, weighted.T @ error, pair)
            left.append(remains.mean(1))
        prior = _prior(self.num_frames, self.gaps, deviation)
        better = np.empty_like(courses)
        for channel in range(3):
            found = solveh_banded(
                self._banded(blocks[channel], prior), wanted[channel].ravel(), lower=True, check_finite=False
            )
            better[:, :, channel] = found.reshape(self.num_frames, self.size)
        return better, left

    def _add(self, blocks: Courses, wanted: Courses, normal: Plane, right: Plane, pair: FramePair) -> None:
        """Add one pair's normal equations."""
        size = self.size
        for frame, part in ((pair.first, slice(0, size)), (pair.second, slice(size, 2 * size))):
            blocks[frame, 0] += normal[part, part]
            wanted[frame] += right[part]
        blocks[pair.first, self.gaps.index(pair.second - pair.first)] += normal[size:, :size]

    def _banded(self, blocks: Courses, prior: tuple[Courses, Courses]) -> Courses:
        """The system's lower band, ``matrix[i - j, j]``; the prior is that of each frame, and of two a gap apart."""
        size, num_frames = self.size, self.num_frames
        matrix = np.zeros((size * (self.gaps[-1] + 1), num_frames * size))
        row, column = np.mgrid[:size, :size]
        for place, gap in enumerate(self.gaps):
            for frame in range(num_frames - gap):
                lower = row >= column if gap == 0 else row >= 0
                there = (gap * size + row - column)[lower], (frame * size + column)[lower]
                matrix[there] += blocks[frame, place][lower]
        matrix[0] += prior[0].ravel()
        for gap in self.gaps[1:]:
            matrix[gap * size, : -gap * size] += np.tile(prior[1], num_frames - gap)
        return matrix

    def _features(self, shapes: Plane, values: Plane) -> Plane:
        return np.concatenate((shapes * ((values - self.centre) / self.contrast)[:, None], shapes), 1)

    def _without(self, shapes: Plane, values: Plane, course: Courses) -> Plane:
        """Values ``p`` without the flicker of a course ``2k``."""
        num_shapes = shapes.shape[1]
        gain = shapes @ (course[:num_shapes] / self.contrast).astype(np.float32)
        offset = shapes @ course[num_shapes:].astype(np.float32) - gain * self.centre
        return np.asarray((values - offset) / np.maximum(1.0 + gain, 0.1), np.float32)


def _chessboard(places: Plane) -> NDArray[np.int64]:
    squares = np.floor(places * np.array([_SQUARES, _SQUARES * 0.6])).astype(np.int64)
    return np.asarray(squares.sum(1) % 2)


def _agreed_deviation(first: Courses, second: Courses) -> Courses:
    """Deviation ``2k`` of what two estimates ``t 2k 3`` of the same courses have in common, quick changes alone."""
    quick = [course - uniform_filter1d(course, 9, axis=0, mode="nearest") for course in (first, second)]
    common = np.mean(quick[0] * quick[1], (0, 2))
    apart = np.mean((quick[0] - quick[1]) ** 2, (0, 2)) / 2.0
    share = np.clip((common - apart) / np.maximum(common, 1e-12), 0.0, 1.0)
    return np.asarray(np.sqrt(np.maximum(common, 0.0)) * share + _LEAST_DEVIATION)


def _prior(num_frames: int, gaps: tuple[int, ...], deviation: Courses) -> tuple[Courses, Courses]:
    """What is expected before anything is seen: how sure each course is of itself, ``t 2k``, and of that a gap on.

    Courses keep about one level of their own, and differ from it by ``deviation``. The level of the whole frame is
    free. What varies over the frame and never changes, as the shading of a lens, is small: to a camera that pans, a
    slope across the frame is the same as light that drifts.
    """
    level = np.where(np.array([order == (0, 0) for order in _orders()]), _PRIOR_DEVIATION, _SHADING * _stiffness())
    alone = np.tile(1.0 / np.tile(level, 2) ** 2, (num_frames, 1))
    alike = _ALIKE_OVER_TIME / deviation**2
    for gap in gaps[1:]:
        alone[gap:] += alike
        alone[:-gap] += alike
    return alone, -alike


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
def _orders() -> tuple[tuple[int, int], ...]:
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
    return np.array([1.0 / (1.0 + 0.25 * (across**2 + 0.5 * down**2)) for across, down in _orders()])


def _shapes(places: Plane) -> Plane:
    """The cosines at places ``p 2`` (x, y in [0, 1]), ``p k``, of unit power."""
    across = [np.cos(np.pi * order * places[:, 0]) * (2**0.5 if order else 1.0) for order in range(int(_ACROSS) + 1)]
    down = [np.cos(np.pi * order * places[:, 1]) * (2**0.5 if order else 1.0) for order in range(_TURNS_DOWN + 1)]
    return np.stack([across[x] * down[y] for x, y in _orders()], 1).astype(np.float32)


def _grid_places() -> Plane:
    ys, xs = np.mgrid[:GRID_ROWS, :GRID_COLUMNS].astype(np.float32)
    return np.stack((xs.ravel() / (GRID_COLUMNS - 1), ys.ravel() / (GRID_ROWS - 1)), 1)
