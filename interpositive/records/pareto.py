"""Which trials of a sweep are worth a choice: those that no other one beats in every objective."""

from __future__ import annotations

from collections.abc import Sequence

from interpositive.records.sweep_record import Objective, TrialRecord


def is_beaten(trial: TrialRecord, by: TrialRecord, objectives: Sequence[Objective]) -> bool:
    """Whether another finished trial is as good in every objective, and better in one."""
    gains = [_gain(by, objective) - _gain(trial, objective) for objective in objectives]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def pareto_front(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Finished trials that no finished one beats, best in the first objective first; equal ones are all kept.

    With one objective these are the best trials.
    """
    finished = [trial for trial in trials if trial.state == "finished"]
    front = [trial for trial in finished if not any(is_beaten(trial, other, objectives) for other in finished)]
    return in_order(front, objectives)


def in_order(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Finished trials from good to bad in the first objective, then in the next ones, then by number."""
    finished = [trial for trial in trials if trial.state == "finished"]
    return sorted(finished, key=lambda trial: (*(-_gain(trial, each) for each in objectives), trial.number))


def _gain(trial: TrialRecord, objective: Objective) -> float:
    value = trial.values[objective.name]
    return value if objective.direction == "maximize" else -value
