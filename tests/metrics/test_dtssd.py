"""dtSSD: its anchor, its formula, what it forgives, streaming."""

import math

import numpy as np
import pytest
import torch

from interpositive.errors import MediaError
from interpositive.metrics.dtssd import Dtssd


def _value(result: torch.Tensor, reference: torch.Tensor) -> float:
    metric = Dtssd()
    metric.update(result, reference)
    return float(metric.compute()["dtssd"])


def _shot(num_frames: int, channels: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(num_frames, channels, 18, 22, generator=torch.Generator().manual_seed(seed))


def _alternating(num_frames: int, strength: float) -> torch.Tensor:
    return strength * torch.tensor([1.0, -1.0] * num_frames)[:num_frames, None, None, None]


def test_one_hundredth_in_turn_is_two() -> None:
    true = _shot(9).double()
    assert _value(true + _alternating(9, 0.01), true) == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_agrees_with_the_formula(channels: int) -> None:
    result, true = _shot(5, channels), _shot(5, channels, seed=1)
    changes = np.diff(result.double().numpy(), axis=0) - np.diff(true.double().numpy(), axis=0)
    expected = [100 * np.sqrt((change**2).mean()) for change in changes]
    assert _value(result, true) == pytest.approx(np.mean(expected), rel=1e-6)
    metric = Dtssd()
    metric.update(result, true)
    assert math.isnan(metric.curves["dtssd"][0])
    assert metric.curves["dtssd"][1:] == pytest.approx(expected, rel=1e-6)


def test_robust_video_matting_counts_the_first_frame_as_nothing() -> None:
    true = _shot(4).double()
    result = true + _alternating(4, 0.01)
    theirs = np.mean([0.0, 2.0, 2.0, 2.0])
    assert theirs == pytest.approx(_value(result, true) * 3 / 4)


def test_a_steady_error_is_forgiven_and_a_stronger_flicker_is_worse() -> None:
    true = _shot(6).double() * 0.5
    assert _value(true + 0.3, true) == pytest.approx(0.0, abs=1e-9)
    values = [_value(true + _alternating(6, strength), true) for strength in (0.0, 0.02, 0.05)]
    assert values[0] == 0.0 < values[1] < values[2]


def test_windows_equal_the_whole_and_inputs_are_left_alone() -> None:
    result, true = _shot(7), _shot(7, seed=1)
    before = result.clone(), true.clone()
    metric = Dtssd()
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        metric.update(result[start:stop], true[start:stop])
    assert float(metric.compute()["dtssd"]) == pytest.approx(_value(result, true), rel=1e-12)
    assert torch.equal(result, before[0]) and torch.equal(true, before[1])
    whole = _value(result, true)
    metric.end_shot()
    metric.update(true, true)
    assert float(metric.compute()["dtssd"]) == pytest.approx(whole / 2, rel=1e-12)


def test_one_frame_is_not_defined_and_bad_input_is_named() -> None:
    assert math.isnan(_value(_shot(1), _shot(1)))
    with pytest.raises(MediaError, match="without a reference"):
        Dtssd().update(_shot(2))
    with pytest.raises(MediaError, match="differ in size"):
        Dtssd().update(_shot(2), _shot(2)[..., :5])
