"""What is expected of courses of light over time, learned from two estimates of them whose errors are not shared.

How far each course strays from its mean, and how what it did predicts what it will do: an autoregressive model (Box and
Jenkins, Time Series Analysis, 1970) that all courses share, whose precision matrix has few bands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.linalg import solve_toeplitz
from scipy.ndimage import uniform_filter1d

Course = NDArray[np.float64]

LEAST_DEVIATION = 2e-5
_QUICK_FRAMES = 9
_LEAST_POWER, _MOST_POWER = 0.01, 100.0


def agreed_deviation(first: Course, second: Course) -> Course:
    """Deviation ``k`` of what two estimates ``t k c`` of the same courses have in common, quick changes alone."""
    quick = [course - uniform_filter1d(course, _QUICK_FRAMES, axis=0, mode="nearest") for course in (first, second)]
    common = np.mean(quick[0] * quick[1], (0, 2))
    apart = np.mean((quick[0] - quick[1]) ** 2, (0, 2)) / 2.0
    share = np.clip((common - apart) / np.maximum(common, 1e-12), 0.0, 1.0)
    return np.asarray(np.sqrt(np.maximum(common, 0.0)) * share + LEAST_DEVIATION)


def agreed_autocovariance(first: Course, second: Course, deviation: Course) -> Course:
    """Autocovariance ``t`` (by lag) of all courses together, as a share of their squared ``deviation``.

    From the power at each frequency that both estimates have; each course's mean is left out.
    """
    num_frames = len(first)
    common = dct(first, axis=0, norm="ortho") * dct(second, axis=0, norm="ortho")
    power = common.mean(2).sum(1) / np.square(deviation).sum()
    power = np.clip(power[1:], _LEAST_POWER, _MOST_POWER)
    lags = np.cos(np.pi * np.outer(np.arange(num_frames), np.arange(1, num_frames)) / num_frames)
    return np.asarray(lags @ power / len(power))


def prediction_precision(autocovariance: Course, order: int) -> Course:
    """Precision matrix ``t t`` of a stationary course that its last ``order`` values predict: ``order`` bands."""
    num_frames = len(autocovariance)
    errors = np.eye(num_frames)
    predictors: list[tuple[Course, float]] = []
    for known in range(min(order, num_frames - 1) + 1):
        weights = solve_toeplitz(autocovariance[:known], autocovariance[1 : known + 1]) if known else np.zeros(0)
        left = autocovariance[0] - weights @ autocovariance[1 : known + 1]
        predictors.append((weights[::-1], float(max(left, 1e-6 * autocovariance[0]))))
    for frame in range(num_frames):
        weights, variance = predictors[min(frame, len(predictors) - 1)]
        errors[frame, frame - len(weights) : frame] = -weights
        errors[frame] /= variance**0.5
    return np.asarray(errors.T @ errors)
