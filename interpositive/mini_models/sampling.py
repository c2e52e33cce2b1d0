"""From noise to latents with a pretrained network: guided by words, told of plate and mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interpositive.backbones.pretrained.contract import PathName, VideoDiffusion, Words
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


@torch.no_grad()
def sample_latents(
    backbone: VideoDiffusion,
    noise: Tensor,
    levels: Tensor,
    guidance: Guidance,
    condition: Tensor | None = None,
    solver: Solver = euler,
) -> Tensor:
    """Clean latents ``b t c h w`` from noise of their shape, through ``levels`` of the backbone's path."""

    def velocity(noisy: Tensor, level: Tensor) -> Tensor:
        towards = backbone.velocity(noisy, level, guidance.words, condition).float()
        if guidance.away_from is None or guidance.strength == 1.0:
            return towards
        away = backbone.velocity(noisy, level, guidance.away_from, condition).float()
        return away + guidance.strength * (towards - away)

    return solver(velocity, noise, levels, PATHS[backbone.path])
