"""MAD and MSE of mattes: formulas, closed forms, streaming."""

import math

import numpy as np
import pytest
import torch

from interpositive.errors import MediaError
from interpositive.metrics.matte_error import MatteError, matte_errors


def _mattes(num_frames: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(num_frames, 1, 18, 22, generator=torch.Generator().manual_seed(seed))


def _values(result: torch.Tensor, reference: torch.Tensor) -> dict[str, float]:
    metric = MatteError()
    metric.update(result, reference)
    return {name: float(value) for name, value in metric.compute().items()}


def test_closed_forms() -> None:
    true = torch.full((3, 1, 8, 8), 0.25, dtype=torch.float64)
    assert _values(true + 0.1, true) == pytest.approx({"matte_mad": 100.0, "matte_mse": 10.0})
    assert _values(true, true) == {"matte_mad": 0.0, "matte_mse": 0.0}
    assert matte_errors(torch.ones(4, 4), torch.zeros(4, 4)) == (1000.0, 1000.0)


def test_agrees_with_the_formulas() -> None:
    result, true = _mattes(4), _mattes(4, seed=1)
    gap = result.double().numpy() - true.double().numpy()
    expected = {"matte_mad": 1e3 * np.abs(gap).mean(), "matte_mse": 1e3 * (gap**2).mean()}
    assert _values(result, true) == pytest.approx(expected, rel=1e-6)


def test_a_worse_matte_measures_worse() -> None:
    true, other = _mattes(3), _mattes(3, seed=2)
    values = [_values(torch.lerp(true, other, share), true) for share in (0.0, 0.2, 0.6)]
    for name in ("matte_mad", "matte_mse"):
        assert values[0][name] == 0.0 < values[1][name] < values[2][name]


def test_windows_equal_the_whole_and_inputs_are_left_alone() -> None:
    result, true = _mattes(7), _mattes(7, seed=1)
    before = result.clone()
    metric = MatteError()
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        metric.update(result[start:stop], true[start:stop])
    whole = _values(result, true)
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(whole, rel=1e-12)
    assert torch.equal(result, before)
    assert np.mean(metric.curves["matte_mad"]) == pytest.approx(whole["matte_mad"]) and len(metric.curves) == 2
    metric.end_shot()
    metric.update(true, true)
    assert float(metric.compute()["matte_mad"]) == pytest.approx(whole["matte_mad"] / 2)


def test_empty_mattes_agree_and_nothing_measured_is_nan() -> None:
    empty = torch.zeros(2, 1, 8, 8)
    assert _values(empty, empty)["matte_mad"] == 0.0
    assert math.isnan(MatteError().shot_values()["matte_mse"])


def test_bad_input_is_named() -> None:
    with pytest.raises(MediaError, match=r"(?s)one channel.*3 channels"):
        MatteError().update(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8))
    with pytest.raises(MediaError, match="without a reference"):
        MatteError().update(_mattes(2))
    with pytest.raises(MediaError, match="differ in size"):
        MatteError().update(_mattes(2), _mattes(2)[..., :5])
    with pytest.raises(MediaError, match="not in"):
        MatteError().update(_mattes(2) * 255, _mattes(2))
