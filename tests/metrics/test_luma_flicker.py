"""Global luma flicker against a direct double sum and closed forms."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from interpositive.errors import ConfigError, TimecodeError
from interpositive.metrics.luma import decode_bt709, luma_of
from interpositive.metrics.luma_flicker import LumaFlicker, luma_flicker_percent

RATE = Fraction(24000, 1001)


def _measured(shot: torch.Tensor, mask: torch.Tensor | None = None) -> dict[str, float]:
    return {name: float(value) for name, value in LumaFlicker(rate=RATE)(shot, mask=mask).items()}


def _flicker_by_definition(course: np.ndarray, rate: float) -> float:
    """The definition, frame by frame: Gaussian average over all known frames, sigma 0.25 s."""
    known = [t for t in range(len(course)) if not math.isnan(course[t])]
    gaps = []
    for t in known:
        weights = [math.exp(-0.5 * ((t - s) / (0.25 * rate)) ** 2) for s in known]
        gaps.append(course[t] - sum(w * course[s] for w, s in zip(weights, known, strict=True)) / sum(weights))
    return 100 * math.sqrt(np.mean(np.square(gaps))) / np.mean([course[t] for t in known])


@pytest.mark.parametrize("num_frames", [2, 7, 60])
def test_agrees_with_the_definition(num_frames: int) -> None:
    course = 0.4 + 0.05 * np.random.default_rng(0).standard_normal(num_frames)
    if num_frames > 5:
        course[3] = np.nan
    expected = _flicker_by_definition(course, float(RATE))
    assert luma_flicker_percent(course.tolist(), RATE) == pytest.approx(expected, rel=1e-3)


def test_alternating_light_has_its_own_depth_and_a_slow_fade_almost_none() -> None:
    alternating = [0.5 * (1 + 0.1 * (-1) ** t) for t in range(240)]
    assert luma_flicker_percent(alternating, RATE) == pytest.approx(10.0, rel=0.01)
    fade = np.linspace(0.3, 0.5, 240).tolist()
    assert luma_flicker_percent(fade, RATE) < 0.3
    assert luma_flicker_percent([0.4] * 50, RATE) == pytest.approx(0.0, abs=1e-12)


def test_stronger_flicker_measures_worse() -> None:
    noise = np.random.default_rng(1).standard_normal(48)
    measured = [luma_flicker_percent((0.5 + depth * noise).tolist(), RATE) for depth in (0.01, 0.02, 0.05)]
    assert measured[0] < measured[1] < measured[2]


def test_luma_is_weighted_and_decoded() -> None:
    green = torch.zeros(1, 3, 4, 4)
    green[:, 1] = 1.0
    assert luma_of(green).mean().item() == pytest.approx(0.7152)
    codes = torch.tensor([0.0, 0.018 * 4.5, 1.099 * 0.5**0.45 - 0.099, 1.0])
    assert decode_bt709(codes).tolist() == pytest.approx([0.0, 0.018, 0.5, 1.0], abs=1e-4)
    grey = torch.full((1, 3, 4, 4), 0.5)
    assert luma_of(grey, linear=True).mean().item() == pytest.approx(((0.5 + 0.099) / 1.099) ** (1 / 0.45), abs=1e-5)


def test_linear_flicker_is_deeper_than_encoded() -> None:
    levels = torch.tensor([0.5 * (1 + 0.05 * (-1) ** t) for t in range(48)])
    shot = levels[:, None, None, None].expand(48, 3, 8, 8)
    encoded, linear = (_measured(shot)[name] for name in ("luma_flicker", "luma_flicker_linear"))
    slope = (1 / 0.45) * 0.5 / (0.5 + 0.099)  # of log light against log code at one half
    assert linear / encoded == pytest.approx(slope, rel=0.02)


def test_hole_sees_only_its_pixels_and_frames() -> None:
    shot, mask = torch.full((30, 3, 8, 8), 0.5), torch.zeros(30, 1, 8, 8)
    mask[:25, :, :2, :2] = 1.0
    shot[::2, :, 4:, 4:] = 0.9  # flickers outside the hole
    shot[27, :, :2, :2] = 0.0  # where there is no hole
    assert _measured(shot, mask)["luma_flicker_hole"] == pytest.approx(0.0, abs=1e-5)
    assert _measured(shot)["luma_flicker"] > 1.0


def test_windows_equal_the_whole_and_shots_are_averaged() -> None:
    shots = [torch.rand(length, 3, 4, 4, generator=torch.Generator().manual_seed(length)) for length in (9, 14)]
    meter = LumaFlicker(rate=RATE)
    for shot in shots:
        for window in shot.split(4):
            meter.update(window)
        meter.end_shot()
    alone = [_measured(shot)["luma_flicker"] for shot in shots]
    assert float(meter.compute()["luma_flicker"]) == pytest.approx(sum(alone) / 2, rel=1e-9)
    meter.reset()
    meter.update(shots[0])
    assert float(meter.compute()["luma_flicker"]) == pytest.approx(alone[0], rel=1e-9)


def test_undefined_without_two_frames_or_light() -> None:
    assert all(math.isnan(value) for value in _measured(torch.rand(1, 3, 4, 4)).values())
    assert all(math.isnan(value) for value in _measured(torch.zeros(5, 3, 4, 4)).values())
    assert math.isnan(_measured(torch.rand(5, 3, 4, 4), torch.zeros(5, 1, 4, 4))["luma_flicker_hole"])


def test_bad_input_is_named() -> None:
    with pytest.raises(TimecodeError, match="-24"):
        LumaFlicker(rate=Fraction(-24))
    with pytest.raises(ConfigError, match=r"found: +4"):
        LumaFlicker(rate=RATE).update(torch.rand(2, 4, 8, 8))
    with pytest.raises(ConfigError, match="needs the frame rate"):
        LumaFlicker()(torch.rand(2, 3, 8, 8))
