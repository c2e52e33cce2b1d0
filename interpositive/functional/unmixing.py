"""A pixel as a mixture of what covers it and of what is behind, as in matting."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

_LEAST_CONTRAST = 0.02


class Mixture(NamedTuple):
    """The share of what covers a pixel, what no share explains, and how unlike the two ends are; ``b 1 h w``."""

    share: Tensor
    unexplained: Tensor
    contrast: Tensor


def unmix(apart: Tensor, behind: Tensor, cover: Tensor) -> Mixture:
    """How much of what covers it is in a pixel that is so far ``apart`` from the picture ``behind``, ``b 3 h w``."""
    axis = cover - behind
    power = axis.square().mean(1, keepdim=True)
    share = ((apart * axis).mean(1, keepdim=True) / (power + _LEAST_CONTRAST**2)).clamp(-1.0, 2.0)
    return Mixture(share, level(apart - share * axis), (power + 1e-8).sqrt())


def level(planes: Tensor) -> Tensor:
    """How large the channels of ``b c h w`` are in the mean, ``b 1 h w``."""
    return planes.abs().mean(1, keepdim=True)
