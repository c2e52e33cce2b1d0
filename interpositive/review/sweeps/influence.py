"""How strongly an objective went with each parameter, and how strongly it would have by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpositive.records.sweep_record import Objective
from interpositive.review.sweeps.figures import Axis, SweepFigures, is_number, parameter_words, sign_of

FEWEST_TRIALS = 8
_NUM_SHUFFLES = 999
_CHANCE_PERCENT = 95
_Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Influence:
    """How an objective's ranks follow a parameter's.

    ``strength`` from 0 to 1 is Spearman's rank correlation without its sign, or for a parameter that is no number the
    correlation ratio of the ranks over its values. ``slope`` is 1 where a higher parameter went with a better
    objective, -1 where with a worse one, 0 where there is no higher. ``best_value`` has the best
    mean rank. ``chance`` is what 95 of 100 random orders of the same numbers stay below.
    """

    parameter: Axis
    objective: Objective
    strength: float
    slope: int
    best_value: str
    chance: float
    num_trials: int

    @property
    def stands_out(self) -> bool:
        """Whether chance alone rarely gives as much."""
        return self.strength > self.chance


def influences(figures: SweepFigures) -> list[Influence]:
    """Each parameter on each objective, strongest first within an objective.

    None for fewer than ``FEWEST_TRIALS`` trials, nor for a parameter or an objective that never changed.
    """
    found: list[Influence] = []
    for objective in figures.objectives:
        told = [_influence(figures, axis, objective) for axis in figures.parameter_axes]
        found += sorted((one for one in told if one is not None), key=lambda one: -one.strength)
    return found


def _influence(figures: SweepFigures, axis: Axis, objective: Objective) -> Influence | None:
    trials = [trial for trial in figures.judged if axis.name in trial.parameters]
    values = [trial.parameters[axis.name] for trial in trials]
    words = [parameter_words(value) for value in values]
    scores = np.array([sign_of(objective) * trial.values[objective.name] for trial in trials])
    if len(trials) < FEWEST_TRIALS or len(set(words)) < 2 or np.ptp(scores) == 0:
        return None
    ranks = average_ranks(scores)
    # The same shuffles each time: a page made again says the same.
    orders = np.random.default_rng(0).permuted(np.tile(ranks, (_NUM_SHUFFLES, 1)), axis=1)
    # A seed is a number without an order.
    if all(map(is_number, values)) and axis.name != "seed":
        of_parameter = average_ranks(np.array(values, np.float64))
        correlation = _correlations(of_parameter, ranks[None])[0]
        by_chance = np.abs(_correlations(of_parameter, orders))
        strength, slope = abs(correlation), int(np.sign(correlation))
    else:
        strength, slope = _correlation_ratios(words, ranks[None])[0], 0
        by_chance = _correlation_ratios(words, orders)
    means = {word: ranks[[other == word for other in words]].mean() for word in dict.fromkeys(words)}
    return Influence(
        parameter=axis,
        objective=objective,
        strength=float(strength),
        slope=slope,
        best_value=max(means, key=lambda word: means[word]),
        chance=float(np.percentile(by_chance, _CHANCE_PERCENT)),
        num_trials=len(trials),
    )


def average_ranks(values: _Numbers) -> _Numbers:
    """Ranks from 1, level values sharing the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: _Numbers = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _correlations(ranks: _Numbers, orders: _Numbers) -> _Numbers:
    """Pearson's correlation of ``ranks`` (n) with each row of ``orders`` (m n)."""
    one, many = ranks - ranks.mean(), orders - orders.mean(axis=1, keepdims=True)
    correlations: _Numbers = many @ one / np.sqrt((one**2).sum() * (many**2).sum(axis=1))
    return correlations


def _correlation_ratios(groups: Sequence[str], orders: _Numbers) -> _Numbers:
    """Root of the share of each row's variance (m n) that lies between groups."""
    member = np.array([[group == name for name in dict.fromkeys(groups)] for group in groups], np.float64)
    many = orders - orders.mean(axis=1, keepdims=True)
    between = ((many @ member) ** 2 / member.sum(axis=0)).sum(axis=1)
    ratios: _Numbers = np.sqrt(between / (many**2).sum(axis=1))
    return ratios
