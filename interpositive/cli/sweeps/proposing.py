"""What the next trial tries: the next point of a grid, or what Optuna makes of the trials that have ended.

A proposal depends on the seed, the trial's number and the trials before its round, on nothing that a killed sweep
would lose: the trial records are all the storage there is.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from interpositive.cli.sweeps.space import SweptKey
from interpositive.errors import ConfigError
from interpositive.functional.seeds import seed_from
from interpositive.records.sweep_record import Objective, Parameter, ParameterSpace, TrialRecord

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

SAMPLERS = ("tpe", "gp", "random")


class Proposer(ABC):
    """Says what a numbered trial tries."""

    num_trials: int

    @abstractmethod
    def propose(self, number: int, earlier: Sequence[TrialRecord]) -> dict[str, Parameter]:
        """A value for each swept key. ``earlier`` are trials of smaller numbers: ended, or of the same round."""


class GridProposer(Proposer):
    """Every combination of the choices, the last key changing first."""

    def __init__(self, swept: Sequence[SweptKey]) -> None:
        self.keys = [each.space.key for each in swept]
        self.choices = [each.space.choices for each in swept]
        self.num_trials = math.prod(len(choices) for choices in self.choices)

    def propose(self, number: int, earlier: Sequence[TrialRecord]) -> dict[str, Parameter]:
        """The combination of that number."""
        point = next(itertools.islice(itertools.product(*self.choices), number, None))
        return dict(zip(self.keys, point, strict=True))


class OptunaProposer(Proposer):
    """Optuna's ``tpe`` (Tree-structured Parzen Estimator), ``gp`` (Gaussian process) or ``random``, by ask alone.

    The first ``num_random_trials`` are drawn at random. ``ConfigError`` for an unknown sampler, or nothing to vary.
    """

    def __init__(
        self,
        swept: Sequence[SweptKey],
        objectives: Sequence[Objective],
        *,
        sampler: str,
        num_trials: int,
        num_random_trials: int,
        seed: int,
    ) -> None:
        if sampler not in SAMPLERS:
            raise ConfigError("hydra.sweeper.sampler is not known", found=sampler, expected=", ".join(SAMPLERS))
        for name, count in (("num_trials", num_trials), ("num_random_trials", num_random_trials)):
            if not isinstance(count, int) or count < 1:
                raise ConfigError(f"hydra.sweeper.{name} means nothing", found=count, expected="1 or more")
        if not isinstance(seed, int):
            raise ConfigError("hydra.sweeper.seed means nothing", found=seed, expected="a whole number")
        if not swept:
            raise ConfigError(
                "Optuna has nothing to vary",
                found="no key with more than one value",
                expected="such as 'trainer.learning_rate=tag(log,interval(1e-4,1e-2))'",
            )
        self.sampler, self.seed, self.num_random_trials = sampler, seed, num_random_trials
        self.num_trials = num_trials
        self.objectives = list(objectives)
        self.spaces = [each.space for each in swept]

    def propose(self, number: int, earlier: Sequence[TrialRecord]) -> dict[str, Parameter]:
        """What a sampler seeded for this number asks for, after the earlier trials in order of number."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            sampler=self._sampler(number), directions=[objective.direction for objective in self.objectives]
        )
        distributions = {space.key: _distribution(space) for space in self.spaces}
        for trial in sorted(earlier, key=lambda trial: trial.number):
            study.add_trial(self._as_told(trial, distributions))
        asked: dict[str, Any] = study.ask(distributions).params
        return {space.key: _chosen(space, asked[space.key]) for space in self.spaces}

    def _sampler(self, number: int) -> BaseSampler:
        from optuna import samplers

        seed = seed_from("trial", self.seed, number) % 2**32
        if self.sampler == "random":
            return samplers.RandomSampler(seed=seed)
        if self.sampler == "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=self.num_random_trials)
        return samplers.TPESampler(seed=seed, n_startup_trials=self.num_random_trials)

    def _as_told(self, trial: TrialRecord, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
        from optuna.trial import TrialState, create_trial

        states = {"finished": TrialState.COMPLETE, "failed": TrialState.FAIL, "running": TrialState.RUNNING}
        params = {space.key: _index(space, trial.parameters[space.key]) for space in self.spaces}
        values = [trial.values[objective.name] for objective in self.objectives] if trial.state == "finished" else None
        return create_trial(state=states[trial.state], params=params, distributions=distributions, values=values)


def _distribution(space: ParameterSpace) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if space.choices:
        # By place: Optuna takes 1, 1.0 and true for one choice.
        return CategoricalDistribution(tuple(range(len(space.choices))))
    assert space.low is not None and space.high is not None
    if space.is_integer:
        return IntDistribution(int(space.low), int(space.high), log=space.is_log, step=int(space.step or 1))
    return FloatDistribution(space.low, space.high, log=space.is_log, step=space.step)


def _chosen(space: ParameterSpace, asked: int | float) -> Parameter:
    if space.choices:
        return space.choices[int(asked)]
    return int(asked) if space.is_integer else float(asked)


def _index(space: ParameterSpace, value: Parameter) -> Any:
    """A recorded value as Optuna was asked for it."""
    if not space.choices:
        return value
    places = [i for i, choice in enumerate(space.choices) if type(choice) is type(value) and choice == value]
    if not places:
        raise ConfigError(f"a trial has a value of {space.key} that is no choice", found=value, expected=space.choices)
    return places[0]
