"""The relative warping error: 1 for the reference, telling blur from boil, and its excess curve."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpositive.metrics.warp_error import WarpError
from interpositive.metrics.warp_error_relative import RelativeWarpError, relative_warp_error

SIGMA = 0.02


def _grain(shot: torch.Tensor, sigma: float, seed: int = 1) -> torch.Tensor:
    return shot + sigma * torch.randn(shot.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def shot() -> torch.Tensor:
    """Five frames of a pan with grain."""
    noise = np.random.default_rng(0).standard_normal((96, 138, 3))
    smooth = gaussian_filter(noise, (2.0, 2.0, 0.0))
    wide = (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1)
    frames = np.stack([wide[:, 2 * t : 2 * t + 128] for t in range(5)])
    return _grain(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), SIGMA).clamp(0, 1)


@pytest.fixture(scope="module")
def mask() -> torch.Tensor:
    mask = torch.zeros(5, 1, 96, 128)
    mask[:, :, 30:60, 40:80] = 1.0
    return mask


def _measured(result: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None) -> dict[str, float]:
    return {name: float(value) for name, value in RelativeWarpError()(result, reference, mask=mask).items()}


def test_relative_is_one_for_the_reference_and_tells_blur_from_boil(shot: torch.Tensor, mask: torch.Tensor) -> None:
    soft = torch.nn.functional.avg_pool2d(shot, 5, 1, 2, count_include_pad=False)
    boil = _grain(shot, SIGMA, seed=9).clamp(0, 1)
    for name in ("e_warp_rel_dis_hole", "e_warp_rel_dis"):
        values = [_measured(result, shot, mask)[name] for result in (soft, shot, boil)]
        assert values[1] == pytest.approx(1.0)
        assert values[0] < 0.5 and values[2] > 1.5
    assert math.isnan(relative_warp_error(0.1, 0.0))


def test_ratio_of_the_warping_errors(shot: torch.Tensor, mask: torch.Tensor) -> None:
    boil = _grain(shot, SIGMA, seed=9).clamp(0, 1)
    result, reference = (WarpError()(frames, shot, mask=mask) for frames in (boil, shot))
    for name, value in _measured(boil, shot, mask).items():
        plain = name.replace("_rel", "")
        assert value == pytest.approx(float(result[plain] / reference[plain]), rel=1e-9)


def test_excess_is_zero_for_the_reference_and_finds_the_bad_frame(shot: torch.Tensor, mask: torch.Tensor) -> None:
    meter = RelativeWarpError()
    meter.update(shot, shot, mask=mask)
    curve = meter.curves["e_warp_excess_dis_hole"]
    assert math.isnan(curve[0]) and curve[1:] == pytest.approx([0.0] * 4)
    bad = shot.clone()
    bad[2] = torch.where(mask[2] > 0, 1 - bad[2], bad[2])
    meter.end_shot()
    meter.update(bad, shot, mask=mask)
    curve = meter.curves["e_warp_excess_dis_hole"]
    assert min(curve[2], curve[3]) > 100 * max(abs(curve[1]), abs(curve[4]), 1e-6)


def test_undefined_without_a_reference_or_pairs(shot: torch.Tensor, mask: torch.Tensor) -> None:
    meter = RelativeWarpError()
    meter.update(shot, plate=shot, mask=mask)
    assert all(math.isnan(value) for value in meter.shot_values().values())
    assert not math.isnan(meter.curves["e_warp_excess_dis_hole"][1])
    assert "no clean reference" in meter.reasons(list(meter.shot_values()))[0]
    assert all(math.isnan(value) for value in _measured(shot[:1], shot[:1], mask[:1]).values())
    assert math.isnan(_measured(shot, shot, None)["e_warp_rel_dis_hole"])
