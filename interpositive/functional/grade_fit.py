"""The grade that brings some colours to others: pair by pair where those are known, by their spread where not."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares

from interpositive.functional.grades import NUM_NUMBERS, graded

Colours = NDArray[np.float32]

_MOST_PAIRS = 1500
_NUM_LEVELS = 24
_TOLERANCE = 0.015
_HOLD = 0.003
_SPREAD_WEIGHT = 0.02
_BOUND = np.array([1.6] * 3 + [0.5] * 3 + [1.2] * 3 + [1.2])


def fit_grade(pairs: tuple[Colours, Colours], pixels: tuple[Colours, Colours], trust: float) -> NDArray[np.float32]:
    """The ten numbers of a grade from the first colours of each tuple to the second ones, all ``n 3``.

    ``pairs`` show the same things and are fitted robustly; ``pixels`` are any of the two pictures, of which only
    the spread of each channel and of the differences between channels is compared. ``trust`` in [0, 1] says how far
    the pairs alone decide.
    """
    thinned = _thinned(pairs)
    levels = (np.arange(_NUM_LEVELS) + 0.5) / _NUM_LEVELS
    wanted = _spread(pixels[1], levels)
    share = _SPREAD_WEIGHT + (1.0 - _SPREAD_WEIGHT) * (1.0 - trust) if len(thinned[0]) else 1.0

    def misses(grade: NDArray[np.float64]) -> NDArray[np.float64]:
        found = []
        if len(thinned[0]):
            rest = (_graded(thinned[0], grade) - thinned[1]).ravel() / _TOLERANCE
            # Soft L1, so that what moved or was lit anew does not pull.
            robust = np.sign(rest) * np.sqrt(2.0 * (np.sqrt(1.0 + rest**2) - 1.0))
            found.append(robust * (trust / len(thinned[0])) ** 0.5)
        spread = (_spread(_graded(pixels[0], grade), levels) - wanted).ravel() / _TOLERANCE
        found.append(spread * (share / len(spread)) ** 0.5)
        found.append(_HOLD * grade / _BOUND)
        return np.concatenate(found)

    start = np.zeros(NUM_NUMBERS)
    best = least_squares(misses, start, bounds=(-_BOUND, _BOUND), max_nfev=60, x_scale=0.1 * _BOUND)
    return np.asarray(best.x, np.float32)


def _graded(colours: Colours, grade: NDArray[np.float64]) -> Colours:
    values = torch.from_numpy(np.ascontiguousarray(colours.T, np.float64))
    return np.asarray(graded(values, torch.from_numpy(grade)).numpy().T)


def _spread(colours: Colours, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of the channels and of two differences between them, which saturation changes."""
    red, green, blue = colours.T
    axes = np.stack((red, green, blue, red - green, blue - green))
    return np.asarray(np.quantile(axes, levels, axis=1))


def _thinned(pairs: tuple[Colours, Colours]) -> tuple[Colours, Colours]:
    """As many pairs of dark as of bright, for a grade bends at its ends."""
    first, second = pairs
    if len(first) <= _MOST_PAIRS:
        return first, second
    order = np.argsort(first.mean(1), kind="stable")
    # Half of them spaced by rank, half by level.
    by_rank = np.linspace(0, len(order) - 1, _MOST_PAIRS // 2).astype(int)
    level = first.mean(1)[order]
    by_level = np.searchsorted(level, np.linspace(level[0], level[-1], _MOST_PAIRS // 2)).clip(0, len(order) - 1)
    chosen = order[np.unique(np.concatenate((by_rank, by_level)))]
    return first[chosen], second[chosen]
