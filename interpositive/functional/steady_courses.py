"""What of a course over time is real light and what is flicker.

The rule: a change is real if frames further off than ``hold`` bear it out. Each frame is predicted from
those more than ``hold`` frames away (h-block cross-validation, Burman, Chow and Nolan, Biometrika 81, 1994),
by the simplest of a few smooth courses that predicts as well as any; a persistent step is allowed where
predicting each side from itself is surely better. A fade or a lamp that is switched on is borne out, and stays;
a jump that is taken back within ``hold`` frames, a beat or a random gain is not, and goes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Course = NDArray[np.float64]

CURVES = ((math.inf, 0), (math.inf, 1), (math.inf, 3), (96.0, 1), (48.0, 1), (24.0, 1))
"""Kinds of courses, how far each frame looks and the degree of its curve, from the stiffest to the slackest."""
SURELY_BETTER, BETTER = 3.0, 1.25
SURELY_A_STEP = 5.0
_NUM_PLACES = 6


def real_course(course: Course, hold: int = 8, least_stay: int = 12) -> Course:
    """The real light of a course ``t n``: several values over time that share their steps.

    ``hold`` is how many frames to either side may be of one jump of flicker; what stays changed for
    ``least_stay`` frames may be a persistent step. Values must be in comparable units.
    """
    num_frames = len(course)
    if num_frames < 3:
        return np.repeat(course.mean(0, keepdims=True), num_frames, 0)
    breaks: list[int] = []
    error, best = _best_course(course, breaks, hold)
    while True:
        tries = [
            (*_best_course(course, sorted([*breaks, place]), hold), place)
            for place in _places(course, breaks, least_stay)
        ]
        if not tries:
            break
        found = min(tries, key=lambda each: each[0])
        if found[0] * SURELY_A_STEP > error:
            break
        error, best = found[0], found[1]
        breaks = sorted([*breaks, found[2]])
    return best


def _places(course: Course, breaks: list[int], least_stay: int) -> list[int]:
    """Where a step may be: the few places at which the frames before and after differ most."""
    num_frames, side = len(course), max(2, least_stay // 2)
    ends = [0, *breaks, num_frames]
    allowed = [p for p in range(num_frames) if all(abs(p - end) >= least_stay for end in ends)]
    jumps = {p: float(np.square(course[p : p + side].mean(0) - course[p - side : p].mean(0)).sum()) for p in allowed}
    return sorted(jumps, key=lambda place: -jumps[place])[:_NUM_PLACES]


def _best_course(course: Course, breaks: list[int], hold: int) -> tuple[float, Course]:
    """The simplest kind of course with these steps that predicts well, and its mean squared error, of all values.

    All values take the same kind: of many that wander, each for itself, some are always predicted well by chance.
    """
    segment = np.searchsorted(np.asarray(breaks), np.arange(len(course)), side="right")
    best_error, best, level = math.inf, course.copy(), True
    for width, degree in CURVES:
        if math.isfinite(width) and width > len(course):
            continue
        held_out = _smoother(segment, width, degree, hold) @ course
        error = float(np.mean((course - held_out) ** 2, 0).sum()) + 1e-14
        # To leave one level takes more than to follow closer what does not keep to one.
        if error * (SURELY_BETTER if level else BETTER) < best_error:
            level = level and degree == 0
            best_error, best = error, _smoother(segment, width, degree, -1) @ course
    return best_error, best


def _smoother(segment: NDArray[np.int64], width: float, degree: int, hold: int) -> Course:
    """Local curves as a matrix ``t t``: row ``t`` weighs the frames of its segment that are more than ``hold`` off."""
    num_frames = len(segment)
    apart = np.arange(num_frames)[None, :] - np.arange(num_frames)[:, None]
    weight = np.exp(-0.5 * (apart / width) ** 2) if math.isfinite(width) else np.ones(apart.shape)
    same = segment[None, :] == segment[:, None]
    usable = same & (np.abs(apart) > hold)
    # Where a segment is too short to leave anything, its other frames must do.
    usable |= (usable.sum(1, keepdims=True) < 1) & same & (apart != 0)
    weight = weight * usable
    if not degree:
        return np.asarray(weight / weight.sum(1, keepdims=True))
    powers = (apart / num_frames)[..., None] ** np.arange(degree + 1)
    weighted = weight[..., None] * powers
    normal = np.einsum("tsi,tsj->tij", weighted, powers)
    # A hair, so that few frames make a level, and not a wild curve.
    normal[:, range(1, degree + 1), range(1, degree + 1)] += 4.0 / num_frames**2
    level = np.linalg.solve(normal, np.eye(degree + 1)[:, :1])
    return np.asarray(np.einsum("tsi,ti->ts", weighted, level[..., 0]))
