"""Noise levels: their bounds, their shape, and where published schedules have theirs."""

from __future__ import annotations

import math

import pytest
import torch

from interpositive.errors import ConfigError
from interpositive.objectives.levels import (
    karras_schedule,
    log_normal_sigmas,
    logit_normal_levels,
    logit_normal_share,
    uniform_levels,
    uniform_schedule,
)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_learning_levels_are_distributed_as_they_are_called() -> None:
    uniform, middle = uniform_levels(50_000, generator()), logit_normal_levels(50_000, generator(), 0.4, 0.8)
    assert uniform.min() >= 0 and uniform.max() < 1
    torch.testing.assert_close(
        uniform.quantile(torch.tensor([0.1, 0.5, 0.9])), torch.tensor([0.1, 0.5, 0.9]), atol=0.01, rtol=0
    )
    assert middle.logit().mean().item() == pytest.approx(0.4, abs=0.02)
    assert middle.logit().std().item() == pytest.approx(0.8, abs=0.02)
    # 1 and a bit is what comes of shifting 1 there and back.
    for between in ((0.0, 0.7), (0.7, 1.0 + 2e-16)):
        some = logit_normal_levels(20_000, generator(), 0.4, 0.8, between)
        assert some.min() >= between[0] and some.max() <= between[1]
        of_all = middle[(middle >= between[0]) & (middle < between[1])]
        assert logit_normal_share(between, 0.4, 0.8) == pytest.approx(len(of_all) / len(middle), abs=0.01)
        assert some.mean().item() == pytest.approx(of_all.mean().item(), abs=0.01)
    sigmas = log_normal_sigmas(50_000, generator())
    assert sigmas.log().mean().item() == pytest.approx(-1.2, abs=0.02)
    assert sigmas.log().std().item() == pytest.approx(1.2, abs=0.02)
    assert torch.equal(sigmas, log_normal_sigmas(50_000, generator()))


def test_schedules_fall_to_nothing() -> None:
    assert uniform_schedule(4).tolist() == [1.0, 0.75, 0.5, 0.25, 0.0]
    karras = karras_schedule(18)
    assert len(karras) == 19 and karras[0].item() == pytest.approx(80.0) and karras[-2].item() == pytest.approx(0.002)
    assert karras[-1] == 0 and (karras.diff() < 0).all()
    # Eq. 5 of the paper, its tenth level of eighteen.
    assert karras[9].item() == pytest.approx((80 ** (1 / 7) + 9 / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7)
    assert math.isfinite(karras_schedule(1)[0].item())
    with pytest.raises(ConfigError, match="0"):
        uniform_schedule(0)
