"""The way back from noise to clean, given a network's velocities.

All have one signature: a network's velocity ``(noisy, level) -> velocity``, the noisiest ``x``, the levels in falling
order, and the path. The level is handed on as a tensor without dimensions. A solver that costs more a step wants fewer
steps: ``network_calls`` says how many calls of the network are due. ``ConfigError`` for levels that do not fall.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.objectives.paths import Path

Velocity: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Solver: TypeAlias = Callable[[Velocity, Tensor, Tensor, Path], Tensor]


def euler(velocity: Velocity, noisy: Tensor, levels: Tensor, path: Path) -> Tensor:
    """One call a step, first order: clean and noise as they are told now, in the next level's proportions.

    On the straight and the spreading path that is Euler's step, on the circular one DDIM (Song et al., 2020).
    """
    for level, after in _steps(levels, noisy):
        noisy = _moved(path, velocity(noisy, level), noisy, level, after)
    return noisy


def heun(velocity: Velocity, noisy: Tensor, levels: Tensor, path: Path) -> Tensor:
    """Two calls a step, second order: the mean of the velocities before and after (Karras et al., 2022, algorithm 1).

    The step to 0 is Euler's, for some networks know nothing where there is no noise.
    """
    for level, after in _steps(levels, noisy):
        here = velocity(noisy, level)
        guess = _moved(path, here, noisy, level, after)
        if after == 0:
            return guess
        noisy = noisy + (after - level) * 0.5 * (here + velocity(guess, after))
    return noisy


def multistep(velocity: Velocity, noisy: Tensor, levels: Tensor, path: Path) -> Tensor:
    """One call a step, second order: clean is drawn on from the step before.

    DPM-Solver++ 2M (Lu et al., 2022, algorithm 2). The first step, and the one to 0, are of first order.
    """
    before: tuple[Tensor, Tensor] | None = None
    for level, after in _steps(levels, noisy):
        here = velocity(noisy, level)
        clean = path.velocity_to_clean(here, noisy, level)
        if before is None or after == 0:
            noisy = _moved(path, here, noisy, level, after)
        else:
            clean_before, level_before = before
            # Steps are even in the logarithm of the noise beside the clean.
            step = (path.level_to_sigma(level) / path.level_to_sigma(after)).log()
            step_before = (path.level_to_sigma(level_before) / path.level_to_sigma(level)).log()
            drawn_on = clean + (clean - clean_before) * (0.5 * step / step_before)
            noise_share = path.weights(after)[1] / path.weights(level)[1]
            noisy = noise_share * noisy + path.weights(after)[0] * -(-step).expm1() * drawn_on
        before = clean, level
    return noisy


def network_calls(solver: Solver, num_steps: int) -> int:
    """How often a solver asks the network, when its last step is to 0."""
    return 2 * num_steps - 1 if solver is heun else num_steps


def _moved(path: Path, velocity: Tensor, noisy: Tensor, level: Tensor, after: Tensor) -> Tensor:
    clean = path.velocity_to_clean(velocity, noisy, level)
    return path.noisy(clean, path.velocity_to_noise(velocity, noisy, level), after)


def _steps(levels: Tensor, noisy: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each step's level and the one after, in the numbers of ``noisy``."""
    if levels.ndim != 1 or len(levels) < 2 or not (levels.diff() < 0).all() or levels[-1] < 0:
        raise ConfigError(
            "a solver goes down through levels", found=levels.tolist(), expected="two or more, falling, none below 0"
        )
    return list(pairwise(levels.to(noisy)))
