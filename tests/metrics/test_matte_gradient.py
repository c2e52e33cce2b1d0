"""Grad against plain two-dimensional filters by scipy; what it sees and what it forgives, streaming."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate, gaussian_filter

from interpositive.errors import MediaError
from interpositive.metrics.matte_gradient import MatteGradient, gaussian_taps, gradient_length

NAME = "matte_gradient"


def _length_by_filters(matte: np.ndarray, sigma: float = 1.4) -> np.ndarray:
    """Rhemann et al.: the analytic derivative of a Gaussian as a 9x9 filter of Frobenius norm 1, edge repeated."""
    places = np.arange(-4, 5)
    gauss = np.exp(-(places**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -places * gauss / sigma**2
    across = np.array([[gauss[y] * slope[x] for x in range(9)] for y in range(9)])
    across /= np.sqrt((across**2).sum())
    return np.hypot(correlate(matte, across, mode="nearest"), correlate(matte, across.T, mode="nearest"))


def _error_by_filters(result: np.ndarray, true: np.ndarray) -> float:
    lengths = []
    for matte in (result.astype(np.float64), true.astype(np.float64)):
        matte = (matte - matte.min()) / (np.ptp(matte) or 1.0)
        lengths.append(_length_by_filters(matte))
    return ((lengths[0] - lengths[1]) ** 2).sum() / 1000


def _mattes(num_frames: int, softness: float = 2.0, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).standard_normal((num_frames, 50, 70))
    shapes = (gaussian_filter(noise, (0, 6, 6)) > 0).astype(np.float64)
    soft = gaussian_filter(shapes, (0, softness, softness)) if softness else shapes
    return torch.from_numpy(soft).float()[:, None]


def _value(result: torch.Tensor, reference: torch.Tensor) -> float:
    metric = MatteGradient()
    metric.update(result, reference)
    return float(metric.compute()[NAME])


def test_agrees_with_plain_filters() -> None:
    result, true = _mattes(3, 1.0), _mattes(3, 3.0)
    expected = [_error_by_filters(a[0].numpy(), b[0].numpy()) for a, b in zip(result, true, strict=True)]
    assert _value(result, true) == pytest.approx(np.mean(expected), rel=1e-9)
    noise = torch.rand(2, 1, 20, 30, generator=torch.Generator().manual_seed(1))
    expected = [_error_by_filters(a[0].numpy(), b[0].numpy()) for a, b in zip(noise, noise.flip(0), strict=True)]
    assert _value(noise, noise.flip(0)) == pytest.approx(np.mean(expected), rel=1e-9)


def test_taps_are_nine_of_length_one() -> None:
    smooth, slope = gaussian_taps()
    assert len(smooth) == 9
    assert np.linalg.norm(smooth) == pytest.approx(1.0) and np.linalg.norm(slope) == pytest.approx(1.0)
    assert slope.sum() == pytest.approx(0.0, abs=1e-12)


def test_a_flat_matte_has_no_gradient() -> None:
    assert gradient_length(np.full((12, 15), 0.7, np.float64)) == pytest.approx(0.0, abs=1e-9)


def test_softer_edges_measure_worse() -> None:
    true = _mattes(2, 1.0)
    values = [_value(_mattes(2, softness), true) for softness in (1.0, 2.0, 4.0)]
    assert values[0] < 1e-20 and values[0] < values[1] < values[2]


def test_stretched_as_in_the_tables() -> None:
    true = _mattes(2, 1.0)
    assert _value(0.2 + 0.5 * true.double(), true.double()) == pytest.approx(0.0, abs=1e-20)


def test_empty_mattes() -> None:
    empty, true = torch.zeros(2, 1, 50, 70), _mattes(2)
    assert _value(empty, empty) == 0.0
    expected = [_error_by_filters(np.zeros((50, 70)), matte[0].numpy()) for matte in true]
    assert _value(empty, true) == pytest.approx(np.mean(expected), rel=1e-9)
    assert math.isnan(MatteGradient().shot_values()[NAME])


def test_windows_equal_the_whole() -> None:
    result, true = _mattes(5, 1.0), _mattes(5, 3.0)
    metric = MatteGradient()
    for start, stop in ((0, 1), (1, 3), (3, 5)):
        metric.update(result[start:stop], true[start:stop])
    assert float(metric.compute()[NAME]) == pytest.approx(_value(result, true), rel=1e-12)
    assert len(metric.curves[NAME]) == 5


def test_bad_input_is_named() -> None:
    with pytest.raises(MediaError, match="one channel"):
        MatteGradient().update(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
    with pytest.raises(MediaError, match="without a reference"):
        MatteGradient().update(_mattes(2))
