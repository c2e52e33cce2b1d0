"""Reprojection error: closed forms, inliers, pooling, bad input."""

import math

import numpy as np
import pytest
import torch

from interpositive.errors import MediaError
from interpositive.metrics.reprojection import Reprojection


def _points(num: int, seed: int = 0) -> torch.Tensor:
    return 1000 * torch.rand(num, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _values(metric: Reprojection) -> dict[str, float]:
    return {name: float(value) for name, value in metric.compute().items()}


def test_all_points_off_by_three_and_four_pixels() -> None:
    metric, points = Reprojection(), _points(50)
    metric.update(points + torch.tensor([3.0, -4.0]), points)
    assert _values(metric) == pytest.approx({"reprojection_error": 5.0, "reprojection_inliers": 1.0})


def test_root_of_the_mean_square_over_inliers_alone() -> None:
    points, solved = _points(40), _points(40) + 2 * _points(40, seed=1) / 1000
    inliers = torch.arange(40) % 4 != 0
    solved[~inliers] += 300
    metric = Reprojection()
    metric.update(solved, points, inliers)
    gap = (solved - points).numpy()[inliers.numpy()]
    expected = np.sqrt((gap**2).sum(1).mean())
    assert _values(metric) == pytest.approx({"reprojection_error": expected, "reprojection_inliers": 0.75})


def test_frames_are_pooled_and_shots_averaged() -> None:
    metric = Reprojection()
    for num, off in ((30, 1.0), (10, 3.0), (0, 0.0)):
        metric.update(_points(num) + torch.tensor([off, 0.0]), _points(num))
    pooled = math.sqrt((30 * 1 + 10 * 9) / 40)
    assert _values(metric)["reprojection_error"] == pytest.approx(pooled)
    metric.end_shot()
    metric.update(_points(5), _points(5))
    assert _values(metric)["reprojection_error"] == pytest.approx(pooled / 2)


def test_worse_measures_worse() -> None:
    noise, values = torch.randn(60, 2, generator=torch.Generator().manual_seed(3)), []
    for strength in (0.0, 0.3, 1.0):
        metric = Reprojection()
        metric.update(_points(60) + strength * noise, _points(60))
        values.append(_values(metric)["reprojection_error"])
    assert values[0] == 0.0 < values[1] < values[2]


def test_not_defined_without_points_or_inliers() -> None:
    metric = Reprojection()
    metric.update(_points(0), _points(0))
    assert all(math.isnan(value) for value in _values(metric).values())
    metric.update(_points(4), _points(4), torch.zeros(4, dtype=torch.bool))
    assert math.isnan(_values(metric)["reprojection_error"]) and _values(metric)["reprojection_inliers"] == 0.0


def test_outliers_may_be_anything() -> None:
    points, solved = _points(4), _points(4)
    solved[2] = math.nan
    metric = Reprojection()
    metric.update(solved, points, torch.tensor([True, True, False, True]))
    assert _values(metric) == pytest.approx({"reprojection_error": 0.0, "reprojection_inliers": 0.75})
    with pytest.raises(MediaError, match=r"(?s)not numbers.*1 of 4"):
        Reprojection().update(solved, points)


def test_bad_input_is_named() -> None:
    points = _points(4)
    with pytest.raises(MediaError, match=r"(?s)cannot be compared.*\(4, 2\).*\(3, 2\)"):
        Reprojection().update(points, points[:3])
    with pytest.raises(MediaError, match="cannot be compared"):
        Reprojection().update(points.T, points.T)
    with pytest.raises(MediaError, match="inliers do not fit"):
        Reprojection().update(points, points, torch.ones(3, dtype=torch.bool))
    with pytest.raises(MediaError, match="inliers do not fit"):
        Reprojection().update(points, points, torch.ones(4))
