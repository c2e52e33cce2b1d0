"""J: closed forms, scikit-learn-like counting, empty frames, streaming."""

import math

import numpy as np
import pytest
import torch

from interpositive.errors import MediaError
from interpositive.metrics.region_overlap import RegionOverlap, intersection_over_union

NAME = "region_overlap"


def _box(top: int, left: int, size: int = 10, num_frames: int = 3) -> torch.Tensor:
    matte = torch.zeros(num_frames, 1, 32, 40)
    matte[..., top : top + size, left : left + size] = 1.0
    return matte


def _value(result: torch.Tensor, reference: torch.Tensor) -> float:
    metric = RegionOverlap()
    metric.update(result, reference)
    return float(metric.compute()[NAME])


def test_closed_forms() -> None:
    assert _value(_box(5, 5), _box(5, 5)) == 1.0
    assert _value(_box(5, 10), _box(5, 5)) == pytest.approx(50 / 150)
    assert _value(_box(5, 25), _box(5, 5)) == 0.0
    assert _value(0.4 * _box(5, 5), _box(5, 5)) == 0.0  # cut at one half
    assert _value(0.6 * _box(5, 5), _box(5, 5)) == 1.0


def test_agrees_with_sets_of_pixels() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random((2, 12, 15)) > 0.4
    pixels = [set(zip(*np.nonzero(mask), strict=True)) for mask in (first, second)]
    expected = len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1])
    assert intersection_over_union(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected)


def test_empty_frames_agree_with_each_other_alone() -> None:
    empty = torch.zeros(3, 1, 32, 40)
    assert _value(empty, empty) == 1.0
    assert _value(empty, _box(5, 5)) == 0.0
    assert math.isnan(RegionOverlap().shot_values()[NAME])


def test_a_worse_matte_measures_lower() -> None:
    values = [_value(_box(5, 5 + shift), _box(5, 5)) for shift in (0, 1, 4, 8)]
    assert values == sorted(values, reverse=True) and len(set(values)) == 4


def test_windows_equal_the_whole_mean_over_frames() -> None:
    true = _box(5, 5, num_frames=4)
    result = torch.cat([_box(5, 5 + shift, num_frames=1) for shift in range(4)])
    metric = RegionOverlap()
    for start, stop in ((0, 1), (1, 4)):
        metric.update(result[start:stop], true[start:stop])
    expected = [1.0, 90 / 110, 80 / 120, 70 / 130]
    assert metric.curves[NAME] == pytest.approx(expected)
    assert float(metric.compute()[NAME]) == pytest.approx(np.mean(expected))
    metric.end_shot()
    metric.update(true, true)
    assert float(metric.compute()[NAME]) == pytest.approx((np.mean(expected) + 1) / 2)


def test_bad_input_is_named() -> None:
    with pytest.raises(MediaError, match="one channel"):
        RegionOverlap().update(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
    with pytest.raises(MediaError, match="without a reference"):
        RegionOverlap().update(_box(5, 5))
