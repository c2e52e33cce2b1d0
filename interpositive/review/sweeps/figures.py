"""The numbers of a sweep's figures: axes, who beats whom, and how far the best went beyond the rest.

Pages and reports draw these and reckon nothing of their own, so that they show the same.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeGuard

from interpositive.records.sweep_record import Objective, Parameter, ParameterSpace, SweepRecord, TrialRecord

MOST_PAIRED_OBJECTIVES = 4


@dataclass(frozen=True)
class Axis:
    """One parameter or objective as an axis from ``low`` to ``high``.

    ``categories`` are evenly spaced from the bottom, where ``kind`` says so. ``direction`` is empty for a parameter.
    """

    name: str
    title: str
    kind: Literal["linear", "log", "category"]
    low: float = 0.0
    high: float = 1.0
    categories: tuple[str, ...] = ()
    unit: str = ""
    direction: Literal["", "maximize", "minimize"] = ""

    def place(self, value: Parameter) -> float:
        """Where a value lies, 0 at ``low`` and 1 at ``high``; in the middle of an axis without length."""
        if self.kind == "category":
            num = len(self.categories)
            return (self.categories.index(parameter_words(value)) + 0.5) / num
        assert isinstance(value, int | float)
        number, low, high = float(value), self.low, self.high
        if self.kind == "log":
            number, low, high = math.log(number), math.log(low), math.log(high)
        return (number - low) / (high - low) if high > low else 0.5


@dataclass(frozen=True)
class PairFront:
    """Two objectives, and the trials that no other beats in both, from the best in ``x`` to the best in ``y``."""

    x: Objective
    y: Objective
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Standing:
    """How one trial stands in one objective: its value, and how much better it is than what it is compared with.

    Gains are positive where it is better. ``first`` is the finished trial with the lowest number, None if that is this
    trial.
    """

    number: int
    objective: Objective
    value: float
    first: int | None
    gain_over_first: float
    median: float
    gain_over_median: float


@dataclass(frozen=True)
class SweepFigures:
    """All that is drawn of a sweep.

    ``judged`` are finished trials with a number for every objective, ``unjudged`` finished ones without. ``best`` has
    the best trials of each objective, ``front`` those that no other is at least as good as in everything and better in
    something, from the best in the first objective on. ``balanced`` is the one of the front that is nearest to the
    best of everything, None for fewer than three.
    """

    objectives: tuple[Objective, ...]
    parameter_axes: tuple[Axis, ...]
    objective_axes: tuple[Axis, ...]
    judged: tuple[TrialRecord, ...]
    unjudged: tuple[TrialRecord, ...]
    failed: tuple[TrialRecord, ...]
    running: tuple[TrialRecord, ...]
    best: dict[str, tuple[int, ...]]
    front: tuple[int, ...]
    balanced: int | None
    pairs: tuple[PairFront, ...]

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Parameters, then objectives."""
        return (*self.parameter_axes, *self.objective_axes)

    def trial(self, number: int) -> TrialRecord:
        """A judged trial by its number."""
        return next(trial for trial in self.judged if trial.number == number)

    def value(self, trial: TrialRecord, axis: Axis) -> Parameter:
        """What a trial has on an axis, None where it has nothing there."""
        return trial.values.get(axis.name) if axis.direction else trial.parameters.get(axis.name)

    def ranked(self, objective: Objective) -> list[TrialRecord]:
        """Judged trials from the best to the worst, earlier ones first where they are level."""
        return _ordered(self.judged, objective)

    def picks(self, most: int) -> list[int]:
        """A few trials to look at: the best of each objective, the balanced one, the front, then others."""
        first = [self.best[objective.name][0] for objective in self.objectives if self.judged]
        balanced = [] if self.balanced is None else [self.balanced]
        ranked = [trial.number for trial in self.ranked(self.objectives[0])]
        on_front = [number for number in ranked if number in self.front]
        return list(dict.fromkeys([*first, *balanced, *on_front, *ranked]))[:most]

    def standing(self, number: int, objective: Objective) -> Standing:
        """How a judged trial stands in an objective."""
        sign, values = sign_of(objective), [trial.values[objective.name] for trial in self.judged]
        value, median = self.trial(number).values[objective.name], statistics.median(values)
        first = self.judged[0]
        return Standing(
            number=number,
            objective=objective,
            value=value,
            first=None if first.number == number else first.number,
            gain_over_first=sign * (value - first.values[objective.name]),
            median=median,
            gain_over_median=sign * (value - median),
        )

    def history(self, objective: Objective) -> list[tuple[int, float, float]]:
        """Each judged trial's number, value, and the best value up to it, in the order of trials."""
        course: list[tuple[int, float, float]] = []
        sign = sign_of(objective)
        for trial in self.judged:
            value = trial.values[objective.name]
            best = value if not course else sign * max(sign * value, sign * course[-1][2])
            course.append((trial.number, value, best))
        return course


def sweep_figures(record: SweepRecord, trials: Sequence[TrialRecord]) -> SweepFigures:
    """Reckon all figures of a sweep; trials in order of number."""
    objectives = tuple(record.objectives)
    finished = [trial for trial in trials if trial.state == "finished"]
    judged = [trial for trial in finished if all(is_judged(trial, objective) for objective in objectives)]
    front = _front(judged, objectives)
    titles = short_titles([space.key for space in record.space])
    return SweepFigures(
        objectives=objectives,
        parameter_axes=tuple(_parameter_axis(space, titles[space.key], judged) for space in record.space),
        objective_axes=tuple(_objective_axis(objective, judged) for objective in objectives),
        judged=tuple(judged),
        unjudged=tuple(trial for trial in finished if trial not in judged),
        failed=tuple(trial for trial in trials if trial.state == "failed"),
        running=tuple(trial for trial in trials if trial.state == "running"),
        best={objective.name: _best(judged, objective) for objective in objectives},
        front=tuple(trial.number for trial in _ordered(front, objectives[0])),
        balanced=_balanced(front, objectives),
        pairs=tuple(_pair(x, y, judged) for x, y in combinations(objectives[:MOST_PAIRED_OBJECTIVES], 2)),
    )


def sign_of(objective: Objective) -> int:
    """1 for an objective that is wanted high, -1 for one wanted low."""
    return 1 if objective.direction == "maximize" else -1


def is_judged(trial: TrialRecord, objective: Objective) -> bool:
    """Whether a trial has a number for an objective."""
    return math.isfinite(trial.values.get(objective.name, math.nan))


def parameter_words(value: Parameter) -> str:
    """A parameter's value as it is written on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def short_titles(keys: Sequence[str]) -> dict[str, str]:
    """Each key's last words, as few as tell it from the others: ``trainer.learning_rate`` is ``learning_rate``."""

    def last(key: str, num: int) -> str:
        return ".".join(key.split(".")[-num:])

    return {
        key: next(
            last(key, num)
            for num in range(1, key.count(".") + 2)
            if sum(last(other, num) == last(key, num) for other in keys) == 1 or num > key.count(".")
        )
        for key in keys
    }


def _front(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    return [trial for trial in trials if not any(_beats(other, trial, objectives) for other in trials)]


def _ordered(trials: Iterable[TrialRecord], objective: Objective) -> list[TrialRecord]:
    sign = sign_of(objective)
    return sorted(trials, key=lambda trial: (-sign * trial.values[objective.name], trial.number))


def _beats(one: TrialRecord, other: TrialRecord, objectives: Iterable[Objective]) -> bool:
    gains = [sign_of(o) * (one.values[o.name] - other.values[o.name]) for o in objectives]
    return min(gains) >= 0 and max(gains) > 0


def _best(trials: Sequence[TrialRecord], objective: Objective) -> tuple[int, ...]:
    if not trials:
        return ()
    best = max(sign_of(objective) * trial.values[objective.name] for trial in trials)
    return tuple(trial.number for trial in trials if sign_of(objective) * trial.values[objective.name] == best)


def _balanced(front: Sequence[TrialRecord], objectives: Sequence[Objective]) -> int | None:
    """The trial of the front nearest to the best of everything, each objective's span on the front being 1."""
    if len(front) < 3:
        return None

    def distance(trial: TrialRecord) -> float:
        away = []
        for objective in objectives:
            held = [sign_of(objective) * other.values[objective.name] for other in front]
            span = max(held) - min(held)
            away.append((max(held) - sign_of(objective) * trial.values[objective.name]) / span if span else 0.0)
        return math.hypot(*away)

    return min(front, key=lambda trial: (distance(trial), trial.number)).number


def _pair(x: Objective, y: Objective, trials: Sequence[TrialRecord]) -> PairFront:
    return PairFront(x, y, tuple(trial.number for trial in _ordered(_front(trials, (x, y)), x)))


def _parameter_axis(space: ParameterSpace, title: str, trials: Sequence[TrialRecord]) -> Axis:
    values = [trial.parameters[space.key] for trial in trials if space.key in trial.parameters]
    numbers = [float(value) for value in values if is_number(value)]
    if space.low is None or space.high is None or len(numbers) < len(values):
        held = list({parameter_words(value): value for value in [*space.choices, *values]}.items())
        if all(is_number(value) for _, value in held):
            held.sort(key=lambda pair: float(pair[1] or 0))
        return Axis(space.key, title, "category", categories=tuple(words for words, _ in held))
    low, high = min([space.low, *numbers]), max([space.high, *numbers])
    return Axis(space.key, title, "log" if space.is_log and low > 0 else "linear", low, high)


def is_number(value: Parameter) -> TypeGuard[int | float]:
    """Whether a parameter's value is a number, which a switch is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _objective_axis(objective: Objective, trials: Sequence[TrialRecord]) -> Axis:
    values = [trial.values[objective.name] for trial in trials] or [0.0, 1.0]
    title = objective.title or objective.name
    return Axis(
        objective.name, title, "linear", min(values), max(values), unit=objective.unit, direction=objective.direction
    )
