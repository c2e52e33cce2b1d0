"""Pixel terms, averaged over a weight map."""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``b c h w`` values over ``b 1 h w`` weights and all channels; zero where the weight is."""
    total = weight.sum() * values.shape[1]
    return (values * weight).sum() / total.clamp_min(1.0)


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
