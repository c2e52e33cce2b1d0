"""From noise to latents with a pretrained network: guided by words, told of plate and mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from interpositive.backbones.pretrained.contract import PathName, VideoDiffusion, Words
from interpositive.errors import ConfigError
from interpositive.objectives.paths import CircularPath, Path, SpreadingPath, StraightPath
from interpositive.objectives.solvers import Solver, euler

PATHS: dict[PathName, Path] = {"straight": StraightPath(), "circular": CircularPath(), "spreading": SpreadingPath()}


@dataclass(frozen=True)
class Guidance:
    """Words to keep to, and words to keep away from by ``strength`` (Ho and Salimans, 2022).

    A strength of 1 is the first words alone, and asks the network once a step instead of twice.
    """

    words: Words
    away_from: Words | None = None
    strength: float = 1.0


@dataclass(frozen=True)
class Known:
    """Latents ``b t c h w`` of a plate, and where they are made anew, ``b t 1 h w``: 1 there, 0 where they stay."""

    latents: Tensor
    mask: Tensor


@dataclass(frozen=True)
class LatentWindows:
    """How long a stretch of latents the network is asked about at once, and how many of them two stretches share."""

    size: int
    overlap: int

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise ConfigError(
                "these windows cannot cover a shot",
                found=f"{self.size} latents, {self.overlap} of them shared",
                expected="at least one, and fewer shared than there are",
            )

    def over(self, num: int) -> list[slice]:
        """Stretches that cover ``num`` latents, all of one length and evenly spread; one if they fit."""
        if num <= self.size:
            return [slice(0, num)]
        num_stretches = math.ceil((num - self.overlap) / (self.size - self.overlap))
        starts = [round(index * (num - self.size) / (num_stretches - 1)) for index in range(num_stretches)]
        return [slice(start, start + self.size) for start in starts]


@torch.no_grad()
def sample_latents(
    backbone: VideoDiffusion,
    noise: Tensor,
    levels: Tensor,
    guidance: Guidance,
    condition: Tensor | None = None,
    solver: Solver = euler,
    windows: LatentWindows | None = None,
    known: Known | None = None,
) -> Tensor:
    """Clean latents ``b t c h w`` from noise of their shape, through ``levels`` of the backbone's path.

    With ``windows``, shots of any length: at every step each stretch says its velocities, and where stretches share
    latents the mean of these moves them, weighted towards each stretch's middle, so that all agree on one picture
    (MultiDiffusion, Bar-Tal et al., 2023, in time). What is ``known`` moves along its own path, from the same noise.
    """
    stretches = windows.over(noise.shape[1]) if windows else [slice(0, noise.shape[1])]

    def velocity(noisy: Tensor, level: Tensor) -> Tensor:
        total, weights = torch.zeros_like(noisy), noisy.new_zeros(noisy.shape[1], 1, 1, 1)
        for stretch in stretches:
            told = None if condition is None else condition[:, stretch]
            share = _towards_the_middle(stretch.stop - stretch.start).to(noisy)
            total[:, stretch] += share * _guided(backbone, noisy[:, stretch], level, guidance, told)
            weights[stretch] += share
        said = total / weights
        return said if known is None else torch.where(known.mask > 0, said, path.velocity(known.latents, noise, level))

    path = PATHS[backbone.path]
    return solver(velocity, _begin(path, noise, levels[0], known), levels, path)


def _begin(path: Path, noise: Tensor, level: Tensor, known: Known | None) -> Tensor:
    """Noise, under which what is known shows as it does at the first level."""
    if known is None:
        return noise
    return torch.where(known.mask > 0, noise, path.noisy(known.latents, noise, level.to(noise)))


def _guided(
    backbone: VideoDiffusion, noisy: Tensor, level: Tensor, guidance: Guidance, condition: Tensor | None
) -> Tensor:
    towards = backbone.velocity(noisy, level, guidance.words, condition).float()
    if guidance.away_from is None or guidance.strength == 1.0:
        return towards
    away = backbone.velocity(noisy, level, guidance.away_from, condition).float()
    return away + guidance.strength * (towards - away)


def _towards_the_middle(num: int) -> Tensor:
    """A triangle's weights ``num 1 1 1``, none of them 0."""
    rising = torch.arange(1, num + 1)
    return torch.minimum(rising, rising.flip(0))[:, None, None, None]
