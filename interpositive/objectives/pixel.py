"""Pixel terms, averaged over each example's weight map, then over the examples."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over ``b`` of each example's mean of ``c h w`` values over ``1 h w`` weights; 0 for one without weight."""
    totals = weight.sum((1, 2, 3)) * values.shape[1]
    return ((values * weight).sum((1, 2, 3)) / totals.clamp_min(1.0)).mean()


def charbonnier(estimate: Tensor, target: Tensor, weight: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Smooth L1 (Charbonnier et al., 1994), ``sqrt(d^2 + epsilon^2)``."""
    return weighted_mean(torch.sqrt((estimate - target).square() + epsilon * epsilon), weight)


def absolute(estimate: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error."""
    return weighted_mean((estimate - target).abs(), weight)


def gradient_difference(estimate: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error of horizontal and vertical forward differences."""
    error = estimate - target
    across = weighted_mean((error[..., :, 1:] - error[..., :, :-1]).abs(), weight[..., :, 1:])
    down = weighted_mean((error[..., 1:, :] - error[..., :-1, :]).abs(), weight[..., 1:, :])
    return across + down
