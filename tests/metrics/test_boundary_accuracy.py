"""F of DAVIS against dilation by a disk, written out; closed forms, empty frames, streaming."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, gaussian_filter
from skimage.morphology import disk

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.boundary_accuracy import BoundaryAccuracy, boundary, boundary_f

NAME = "boundary_accuracy"


def _edge_by_pixels(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    edge = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            asked = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
            edge[y, x] = any(mask[v, u] != mask[y, x] for v, u in asked if v < height and u < width)
    return edge


def _f_by_dilation(result: np.ndarray, true: np.ndarray, tolerance: float) -> float:
    edge, true_edge = _edge_by_pixels(result), _edge_by_pixels(true)
    if not edge.any() or not true_edge.any():
        return 1.0 if edge.any() == true_edge.any() else 0.0
    element = disk(int(np.ceil(tolerance * np.sqrt(result.shape[0] ** 2 + result.shape[1] ** 2))))
    precision = (edge & binary_dilation(true_edge, element)).sum() / edge.sum()
    recall = (true_edge & binary_dilation(edge, element)).sum() / true_edge.sum()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _blobs(seed: int, height: int = 60, width: int = 90, level: float = 0.0) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((height, width)), 5.0)
    return noise > level * noise.std()


def _box(left: int, num_frames: int = 2) -> torch.Tensor:
    matte = torch.zeros(num_frames, 1, 90, 120)
    matte[..., 20:60, left : left + 40] = 1.0
    return matte


def _value(result: torch.Tensor, reference: torch.Tensor, **settings: float) -> float:
    metric = BoundaryAccuracy(**settings)
    metric.update(result, reference)
    return float(metric.compute()[NAME])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tolerance", [0.0, 0.008, 0.03, 0.05])
def test_agrees_with_dilation(seed: int, tolerance: float) -> None:
    true, other = _blobs(seed), _blobs(seed + 100)
    moved = np.roll(true, (2, 3), (0, 1))
    for result in (true, moved, other):
        assert boundary_f(result, true, tolerance) == pytest.approx(_f_by_dilation(result, true, tolerance), rel=1e-12)


def test_the_edge_is_theirs_at_the_border_of_the_frame_too() -> None:
    for seed in range(3):
        mask = _blobs(seed, 17, 23)
        assert (boundary(mask) == _edge_by_pixels(mask)).all()


def test_within_the_tolerance_is_right_and_beyond_is_wrong() -> None:
    true = _box(30)  # diagonal 150 px: tolerance ceil(1.2) = 2 px
    assert _value(_box(32), true) == 1.0
    assert _value(_box(33), true) < 1.0
    assert _value(_box(40), true) < _value(_box(33), true)
    assert _value(_box(40), true, tolerance=0.07) == 1.0


def test_empty_frames_agree_with_each_other_alone() -> None:
    empty, full = torch.zeros(2, 1, 90, 120), torch.ones(2, 1, 90, 120)
    assert _value(empty, empty) == 1.0 and _value(full, empty) == 1.0  # neither has an edge
    assert _value(empty, _box(30)) == 0.0 and _value(_box(30), empty) == 0.0
    assert math.isnan(BoundaryAccuracy().shot_values()[NAME])


def test_windows_equal_the_whole_mean_over_frames() -> None:
    true = _box(30, 4)
    result = torch.cat([_box(30 + 3 * shift, 1) for shift in range(4)])
    metric = BoundaryAccuracy()
    for start, stop in ((0, 1), (1, 4)):
        metric.update(result[start:stop], true[start:stop])
    assert float(metric.compute()[NAME]) == pytest.approx(_value(result, true), rel=1e-12)
    assert float(metric.compute()[NAME]) == pytest.approx(np.mean(metric.curves[NAME]))


def test_bad_input_is_named() -> None:
    with pytest.raises(ConfigError, match="tolerance"):
        BoundaryAccuracy(tolerance=-0.1)
    with pytest.raises(ConfigError, match="tolerance"):
        BoundaryAccuracy(tolerance=5)
    with pytest.raises(MediaError, match="one channel"):
        BoundaryAccuracy().update(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
    with pytest.raises(MediaError, match="without a reference"):
        BoundaryAccuracy().update(_box(5))
