"""The schedule, and the gradient step, of the one training module."""

from __future__ import annotations

from itertools import pairwise

import pytest

import interpositive.training  # noqa: F401  isort: skip
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.training.fine_tuner import FineTuner

SMALL = CandidateFusion(scorer_width=4, residual_widths=(4, 4, 4), crop_px=32)


def test_the_learning_rate_rises_then_falls_to_its_last_share() -> None:
    tuner = FineTuner(SMALL, max_steps=100, warmup_steps=10, final_share=0.02)
    shares = [tuner.learning_rate_share(step) for step in range(101)]
    assert shares[0] == pytest.approx(0.1, abs=1e-3)
    assert all(a < b for a, b in pairwise(shares[:10]))
    assert all(a > b for a, b in pairwise(shares[10:]))
    assert shares[100] == pytest.approx(0.02)
    assert tuner.learning_rate_share(500) == pytest.approx(0.02)


def test_without_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert FineTuner(SMALL, max_steps=10, warmup_steps=0).learning_rate_share(0) == pytest.approx(1.0)


def test_the_optimiser_is_given_every_parameter() -> None:
    tuner = FineTuner(SMALL, max_steps=10, learning_rate=3e-3, weight_decay=0.5)
    optimizer = tuner.configure_optimizers()["optimizer"]
    (group,) = optimizer.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in SMALL.parameters()}
    assert group["initial_lr"] == pytest.approx(3e-3) and group["weight_decay"] == 0.5
