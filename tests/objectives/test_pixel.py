"""Pixel terms against what they are by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from interpositive.objectives.pixel import absolute, charbonnier, gradient_difference, weighted_mean

Term = Callable[[Tensor, Tensor, Tensor], Tensor]
TERMS: list[Term] = [absolute, charbonnier, gradient_difference]


def test_a_weighted_mean_by_hand() -> None:
    values = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]])
    weight = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    assert float(weighted_mean(values, weight)) == pytest.approx((1 + 4 + 5 + 8) / 4)


def test_terms_by_hand() -> None:
    target, weight = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    estimate = torch.tensor([[[[0.0, 0.3], [0.0, 0.0]]]])
    assert float(absolute(estimate, target, weight)) == pytest.approx(0.3 / 4)
    assert float(charbonnier(estimate, target, weight)) == pytest.approx(((0.09 + 1e-6) ** 0.5 + 3e-3) / 4)
    assert float(gradient_difference(estimate, target, weight)) == pytest.approx(0.3 / 2 + 0.3 / 2)


@pytest.mark.parametrize("term", TERMS)
def test_only_what_is_weighted_counts(term: Term) -> None:
    generator = torch.Generator().manual_seed(0)
    estimate, target = (torch.rand(2, 3, 12, 12, generator=generator) for _ in range(2))
    weight = torch.zeros(2, 1, 12, 12)
    weight[:, :, 4:8, 4:8] = 1
    far = torch.ones(2, 1, 12, 12)
    far[:, :, 3:9, 3:9] = 0
    changed = torch.where(far > 0, estimate + 5.0, estimate)
    assert torch.equal(term(estimate, target, weight), term(changed, target, weight))
    assert float(term(estimate, target, weight)) > 0.05


@pytest.mark.parametrize("term", TERMS)
def test_parts_of_a_batch_average_to_the_whole_whatever_their_weights(term: Term) -> None:
    generator = torch.Generator().manual_seed(0)
    estimate, target = (torch.rand(4, 3, 12, 12, generator=generator) for _ in range(2))
    shares = torch.tensor([0.05, 0.9, 0.0, 0.3])[:, None, None, None]
    weight = (torch.rand(4, 1, 12, 12, generator=generator) < shares).float()
    parts = [float(term(estimate[i : i + 2], target[i : i + 2], weight[i : i + 2])) for i in (0, 2)]
    assert float(term(estimate, target, weight)) == pytest.approx(sum(parts) / 2, rel=1e-6)


@pytest.mark.parametrize("term", TERMS)
def test_nothing_weighted_is_zero_with_a_gradient_of_zero(term: Term) -> None:
    estimate = torch.rand(1, 3, 8, 8, requires_grad=True)
    loss = term(estimate, torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
    loss.backward()
    assert float(loss.detach()) == 0.0 and estimate.grad is not None and not estimate.grad.any()


@pytest.mark.parametrize("term", TERMS)
def test_a_perfect_estimate_is_best_and_has_a_finite_gradient(term: Term) -> None:
    target, weight = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    estimate = target.clone().requires_grad_()
    best = term(estimate, target, weight)
    best.backward()
    assert estimate.grad is not None and estimate.grad.isfinite().all()
    assert float(best.detach()) <= 1e-3 + 1e-7
    assert float(term(target + 0.1 * torch.rand(1, 3, 8, 8), target, weight)) > float(best.detach())


def test_a_constant_offset_has_no_gradient_difference() -> None:
    target, weight = torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)
    assert float(gradient_difference(target + 0.25, target, weight)) == pytest.approx(0.0, abs=1e-6)
