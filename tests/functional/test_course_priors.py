"""What two estimates of the same courses tell of them: how far they stray, and how frames follow from the last."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import toeplitz

from interpositive.functional.course_priors import (
    LEAST_DEVIATION,
    agreed_autocovariance,
    agreed_deviation,
    prediction_precision,
)

T, K = 48, 12


def wandering(kept: float) -> NDArray[np.float64]:
    random = np.random.default_rng(4)
    course = np.zeros((T, K, 3))
    for frame in range(T):
        fresh = random.standard_normal((K, 1))
        course[frame] = kept * course[frame - 1] + (1 - kept**2) ** 0.5 * fresh if frame else fresh
    return course


def noise(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((T, K, 3))


def test_what_one_estimate_finds_alone_is_no_deviation() -> None:
    alone = 0.3 * noise(1)
    assert agreed_deviation(alone, 0.3 * noise(2)).max() < 0.1
    assert np.all(agreed_deviation(alone, np.zeros_like(alone)) == LEAST_DEVIATION)
    both = 0.3 * wandering(0.0)
    assert agreed_deviation(both + 0.05 * noise(1), both + 0.05 * noise(2)) == pytest.approx(np.full(K, 0.27), rel=0.35)


@pytest.mark.parametrize("kept", [-0.6, 0.0, 0.8])
def test_lags_are_those_of_what_both_share_and_not_of_their_errors(kept: float) -> None:
    course = wandering(kept)
    level = 3.0 * np.random.default_rng(9).standard_normal((1, K, 3))
    found = agreed_autocovariance(course + 0.7 * noise(1) + level, course + 0.7 * noise(2) + level, np.ones(K))
    assert found[1] / found[0] == pytest.approx(kept, abs=0.2)
    assert found[0] == pytest.approx(1.0, abs=0.35)


def test_the_precision_is_the_inverse_of_a_covariance_that_few_frames_foretell() -> None:
    lags = 2.0 * 0.7 ** np.arange(20)
    assert prediction_precision(lags, 1) == pytest.approx(np.linalg.inv(toeplitz(lags)), abs=1e-9)
    assert prediction_precision(lags, 3) == pytest.approx(np.linalg.inv(toeplitz(lags)), abs=1e-9)
    beat = np.cos(2 * np.pi * np.arange(20) / 5.0) * 0.95 ** np.arange(20)
    precision = prediction_precision(beat, 3)
    assert np.all(np.tril(precision, -4) == 0) and np.linalg.eigvalsh(precision).min() > 0
    slow, quick = np.ones(20), np.cos(2 * np.pi * np.arange(20) / 5.0) * 2**0.5
    assert quick @ precision @ quick < 0.3 * (slow @ precision @ slow)
