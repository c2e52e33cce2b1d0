"""How sure a mean over shots is: 95 % bootstrap intervals.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993. Shots are drawn,
not frames: frames of one shot are alike, and would make a mean look surer than it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.stats import bootstrap

CONFIDENCE = 0.95
NUM_RESAMPLES = 9999
FEW_SHOTS = 8
"""Below this many shots an interval is rough: the bootstrap then covers less than it says."""

# Resamples are drawn in batches of about this many values, so that memory does not grow with the number of shots.
_BATCH_VALUES = 4_000_000


def bootstrap_interval(
    values: Sequence[float],
    *,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The interval that holds the mean of ``values`` (one a shot, finite) with ``confidence``; None for fewer than two.

    Bias-corrected and accelerated (BCa), or percentiles where that is not
    defined. Equal values give an interval of no width. The same values and
    seed give the same interval. ``ValueError`` for values that are not finite.
    """
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("intervals are of finite numbers only")
    if len(numbers) < 2:
        return None
    if np.all(numbers == numbers[0]):
        return float(numbers[0]), float(numbers[0])
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = bootstrap(
                (numbers,),
                np.mean,
                vectorized=True,
                n_resamples=num_resamples,
                batch=max(1, _BATCH_VALUES // len(numbers)),
                confidence_level=confidence,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            break
    return float(found.low), float(found.high)


def paired_interval(
    values: Sequence[float],
    others: Sequence[float],
    *,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The interval of the mean of ``values - others``, shot by shot; both have the same shots in the same order."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    return bootstrap_interval(differences, confidence=confidence, num_resamples=num_resamples, seed=seed)
