"""From noise to latents with a pretrained network: guided by words or an image, told of plate and mask."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interpositive.backbones.pretrained.contract import PathName, Told, VideoDiffusion, Words
from interpositive.errors import ConfigError
from interpositive.objectives.paths import CircularPath, Path, SpreadingPath, StraightPath
from interpositive.objectives.solvers import Solver, euler

Tell = Callable[[slice], Told]
PATHS: dict[PathName, Path] = {"straight": StraightPath(), "circular": CircularPath(), "spreading": SpreadingPath()}


@dataclass(frozen=True)
class Guidance:
    """Words to keep to, and words to keep away from by ``strength`` (Ho and Salimans, 2022).

    A network that hears no words (None) is guided towards what it is told, away from being told nothing. A strength of
    1 is the first words alone, and asks the network once a step instead of twice. ``first_strength`` is that of a
    stretch's first latent, from which it rises evenly to ``strength`` at the last; None if all have the same.
    """

    words: Words | None
    away_from: Words | None = None
    strength: float = 1.0
    first_strength: float | None = None

    @property
    def asks_twice(self) -> bool:
        """Whether there is something to keep away from."""
        is_plain = self.strength == 1.0 and self.first_strength in (None, 1.0)
        return not is_plain and (self.words is None or self.away_from is not None)

    def strengths(self, num: int) -> Tensor:
        """Of each latent of a stretch, ``num 1 1 1``."""
        first = self.strength if self.first_strength is None else self.first_strength
        return torch.linspace(first, self.strength, num)[:, None, None, None]


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
    tell: Tell | None = None,
    solver: Solver = euler,
    windows: LatentWindows | None = None,
    known: Known | None = None,
) -> Tensor:
    """Clean latents ``b t c h w`` from noise of their shape, through ``levels`` of the backbone's path.

    ``tell`` gives what the network is told of a stretch of latents, nothing if it is None.

    With ``windows``, shots of any length: at every step each stretch says its velocities, and where stretches share
    latents the mean of these moves them, weighted towards each stretch's middle, so that all agree on one picture
    (MultiDiffusion, Bar-Tal et al., 2023, in time). What is ``known`` moves along its own path, from the same noise.
    """
    stretches = windows.over(noise.shape[1]) if windows else [slice(0, noise.shape[1])]
    told = {stretch.start: tell(stretch) if tell else Told() for stretch in stretches}

    def velocity(noisy: Tensor, level: Tensor) -> Tensor:
        def of(stretch: slice) -> Tensor:
            return _guided(backbone, noisy[:, stretch], level, guidance, told[stretch.start])

        said = averaged_over(stretches, noisy, of)
        return said if known is None else torch.where(known.mask > 0, said, path.velocity(known.latents, noise, level))

    path = PATHS[backbone.path]
    return solver(velocity, _begin(path, noise, levels[0], known), levels, path)


def averaged_over(stretches: Sequence[slice], like: Tensor, say: Callable[[slice], Tensor]) -> Tensor:
    """What is said of each stretch of ``b t ...``, and their mean where some overlap, weighted towards the middles."""
    total, weights = torch.zeros_like(like), like.new_zeros(like.shape[1], 1, 1, 1)
    for stretch in stretches:
        share = _towards_the_middle(stretch.stop - stretch.start).to(like)
        total[:, stretch] += share * say(stretch)
        weights[stretch] += share
    return total / weights


def _begin(path: Path, noise: Tensor, level: Tensor, known: Known | None) -> Tensor:
    """Noise, as strong as noise and clean latents of unit variance are together; and what is known, at this level."""
    level = level.to(noise)
    clean_weight, noise_weight = path.weights(level)
    begun = noise * (clean_weight.square() + noise_weight.square()).sqrt()
    return begun if known is None else torch.where(known.mask > 0, begun, path.noisy(known.latents, noise, level))


def _guided(backbone: VideoDiffusion, noisy: Tensor, level: Tensor, guidance: Guidance, told: Told) -> Tensor:
    towards = backbone.velocity(noisy, level, guidance.words, told).float()
    if not guidance.asks_twice:
        return towards
    away = backbone.velocity(noisy, level, guidance.away_from, backbone.untold(told)).float()
    return away + guidance.strengths(noisy.shape[1]).to(noisy) * (towards - away)


def _towards_the_middle(num: int) -> Tensor:
    """A triangle's weights ``num 1 1 1``, none of them 0."""
    rising = torch.arange(1, num + 1)
    return torch.minimum(rising, rising.flip(0))[:, None, None, None]
