"""Paths from clean to noise, and what can be told from what on them.

On a path ``x = a x0 + b n``: ``x`` is noisy, ``x0`` clean, ``n`` standard normal noise, and ``a`` and ``b`` are
functions of the level. The velocity ``a' x0 + b' n`` is what the path does per unit of level. All three paths are
written in the level in which ``a b' - a' b = 1``, so that clean and noise follow from noisy and velocity without a
division. ``x0``, ``n`` and ``x`` have any one shape, and levels broadcast against it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class Path(ABC):
    """A clean-to-noise line. Levels grow from 0, which is clean, to ``noisiest``."""

    noisiest: float

    @abstractmethod
    def weights(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """``a`` and ``b``: how much of the clean and of the noise there is."""

    @abstractmethod
    def rates(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """``a'`` and ``b'``: how they change with the level."""

    @abstractmethod
    def sigma_to_level(self, sigma: Tensor) -> Tensor:
        """The level at which noise is ``sigma`` times as strong as what is clean."""

    def level_to_sigma(self, level: Tensor) -> Tensor:
        """``b / a``, the noise beside the clean; the same on all paths for what is equally hard to see."""
        clean_weight, noise_weight = self.weights(level)
        return noise_weight / clean_weight

    def noisy(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """What is seen at a level."""
        clean_weight, noise_weight = self.weights(level)
        return clean_weight * clean + noise_weight * noise

    def velocity(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """What a network that predicts velocity is to say."""
        clean_rate, noise_rate = self.rates(level)
        return clean_rate * clean + noise_rate * noise

    def velocity_to_clean(self, velocity: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """At every level."""
        return self.rates(level)[1] * noisy - self.weights(level)[1] * velocity

    def velocity_to_noise(self, velocity: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """At every level."""
        return self.weights(level)[0] * velocity - self.rates(level)[0] * noisy

    def clean_to_velocity(self, clean: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """Where there is noise."""
        return (self.rates(level)[1] * noisy - clean) / self.weights(level)[1]

    def noise_to_velocity(self, noise: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """Where there is something clean."""
        return (noise + self.rates(level)[0] * noisy) / self.weights(level)[0]

    def clean_to_noise(self, clean: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """Where there is noise."""
        clean_weight, noise_weight = self.weights(level)
        return (noisy - clean_weight * clean) / noise_weight

    def noise_to_clean(self, noise: Tensor, noisy: Tensor, level: Tensor) -> Tensor:
        """Where there is something clean."""
        clean_weight, noise_weight = self.weights(level)
        return (noisy - noise_weight * noise) / clean_weight

    def noise_to_score(self, noise: Tensor, level: Tensor) -> Tensor:
        """The gradient of the noisy log density, ``-n / b``, where there is noise (Vincent, 2011)."""
        return -noise / self.weights(level)[1]

    def score_to_noise(self, score: Tensor, level: Tensor) -> Tensor:
        """At every level."""
        return -score * self.weights(level)[1]

    def to_path(self, noisy: Tensor, level: Tensor, other: Path) -> tuple[Tensor, Tensor]:
        """The same clean and noise, in the same proportion, as another path has them, and its level."""
        level_there = other.sigma_to_level(self.level_to_sigma(level))
        return noisy * (other.weights(level_there)[0] / self.weights(level)[0]), level_there


@dataclass(frozen=True)
class StraightPath(Path):
    """``(1 - t) x0 + t n``, velocity ``n - x0``: rectified flow (Liu et al., 2022), the line of flow matching."""

    noisiest: float = 1.0

    def weights(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """``1 - t`` and ``t``."""
        return 1.0 - level, level

    def rates(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """-1 and 1."""
        return -torch.ones_like(level), torch.ones_like(level)

    def sigma_to_level(self, sigma: Tensor) -> Tensor:
        """``sigma / (1 + sigma)``, and 1 for an endless one."""
        return 1.0 - 1.0 / (1.0 + sigma)


@dataclass(frozen=True)
class CircularPath(Path):
    """``cos(t) x0 + sin(t) n``, which keeps the variance: its velocity is v-prediction (Salimans and Ho, 2022)."""

    noisiest: float = math.pi / 2

    def weights(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """``cos`` and ``sin``."""
        return level.cos(), level.sin()

    def rates(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """``-sin`` and ``cos``."""
        return -level.sin(), level.cos()

    def sigma_to_level(self, sigma: Tensor) -> Tensor:
        """The angle whose tangent it is."""
        return sigma.atan()

    def kept_share_to_level(self, kept_share: Tensor) -> Tensor:
        """The level of a DDPM schedule's cumulative ``alpha``, the share of the variance that is clean, in [0, 1]."""
        return (1.0 - kept_share).sqrt().atan2(kept_share.sqrt())


@dataclass(frozen=True)
class SpreadingPath(Path):
    """``x0 + t n``, whose variance grows without end: the one of EDM (Karras et al., 2022)."""

    noisiest: float = 80.0

    def weights(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """1 and ``t``."""
        return torch.ones_like(level), level

    def rates(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """0 and 1."""
        return torch.zeros_like(level), torch.ones_like(level)

    def sigma_to_level(self, sigma: Tensor) -> Tensor:
        """The same."""
        return sigma


@dataclass(frozen=True)
class Preconditioning:
    """How EDM has a network see and say things of unit variance (Karras et al., 2022, table 1).

    ``sigma_of_clean`` is the standard deviation of what is clean. The network is given ``c_in x`` and ``c_noise``, and
    says ``F``; clean is ``c_skip x + c_out F``. Levels are the spreading path's, above 0.
    """

    sigma_of_clean: float = 0.5

    def given(self, noisy: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """What the network is given: ``c_in x``, and ``ln(sigma) / 4``."""
        return noisy / (sigma.square() + self.sigma_of_clean**2).sqrt(), sigma.log() / 4.0

    def output_to_clean(self, output: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """What a network's word means."""
        skip, scale = self._skip_and_scale(sigma)
        return skip * noisy + scale * output

    def clean_to_output(self, clean: Tensor, noisy: Tensor, sigma: Tensor) -> Tensor:
        """What the network is to say."""
        skip, scale = self._skip_and_scale(sigma)
        return (clean - skip * noisy) / scale

    def _skip_and_scale(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        variance = sigma.square() + self.sigma_of_clean**2
        return self.sigma_of_clean**2 / variance, sigma * self.sigma_of_clean / variance.sqrt()
