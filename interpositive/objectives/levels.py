"""Amounts of noise: those that a network learns at, and those that a solver goes down through."""

from __future__ import annotations

import torch
from torch import Tensor

from interpositive.errors import ConfigError


def uniform_levels(num: int, generator: torch.Generator) -> Tensor:
    """Learning levels ``(num,)`` in [0, 1), all alike."""
    return torch.rand(num, generator=generator, device=generator.device)


def logit_normal_levels(
    num: int,
    generator: torch.Generator,
    mean: float = 0.0,
    deviation: float = 1.0,
    between: tuple[float, float] = (0.0, 1.0),
) -> Tensor:
    """Learning levels ``(num,)`` in (0, 1), most of them in the middle (Esser et al., 2024, eq. 19).

    Those ``between`` two levels are as likely among themselves as they are among all.
    """
    normal = torch.randn(num, generator=generator, device=generator.device)
    if between != (0.0, 1.0):
        low, high = _shares_below(between, mean, deviation)
        normal = torch.special.ndtri(low + (high - low) * torch.special.ndtr(normal.double())).float()
    return (mean + deviation * normal).sigmoid()


def logit_normal_share(between: tuple[float, float], mean: float = 0.0, deviation: float = 1.0) -> float:
    """How many of all learning levels lie between two, in [0, 1]."""
    low, high = _shares_below(between, mean, deviation)
    return float(high - low)


def _shares_below(levels: tuple[float, float], mean: float, deviation: float) -> Tensor:
    # A level that was reckoned may be 1 and a bit.
    ends = torch.tensor(levels, dtype=torch.float64).clamp(0.0, 1.0).logit()
    shares: Tensor = torch.special.ndtr((ends - mean) / deviation)
    return shares


def log_normal_sigmas(num: int, generator: torch.Generator, mean: float = -1.2, deviation: float = 1.2) -> Tensor:
    """Learning levels ``(num,)`` above 0 of the spreading path (Karras et al., 2022)."""
    return (mean + deviation * torch.randn(num, generator=generator, device=generator.device)).exp()


def uniform_schedule(num_steps: int, noisiest: float = 1.0) -> Tensor:
    """``(num_steps + 1,)`` levels from the noisiest down to 0, equally far apart."""
    _refuse_no_steps(num_steps)
    return torch.linspace(noisiest, 0.0, num_steps + 1, dtype=torch.float64)


def karras_schedule(num_steps: int, least: float = 0.002, noisiest: float = 80.0, rho: float = 7.0) -> Tensor:
    """``(num_steps + 1,)`` levels of the spreading path, dense at little noise, and 0 (Karras et al., 2022, eq. 5)."""
    _refuse_no_steps(num_steps)
    ramp = torch.linspace(0.0, 1.0, num_steps, dtype=torch.float64)
    levels = (noisiest ** (1 / rho) + ramp * (least ** (1 / rho) - noisiest ** (1 / rho))) ** rho
    return torch.cat([levels, levels.new_zeros(1)])


def _refuse_no_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise ConfigError("a solver needs steps", found=num_steps, expected="1 or more")
