"""Shots taken together: means of every method, and differences between methods, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from interpositive.metrics.intervals import CONFIDENCE, FEW_SHOTS, bootstrap_interval, paired_interval
from interpositive.records.measures import MeanInterval, MetricInfo, PairedDifference, ShotMeasures


def mean_intervals(shots: Sequence[ShotMeasures], infos: Sequence[MetricInfo]) -> list[MeanInterval]:
    """The mean over shots of every number of every method; a number that no shot defines is left out."""
    means = []
    for info in infos:
        for method in _methods(shots):
            values = [value for shot in shots if (value := _value(shot, method, info.name)) is not None]
            if not values:
                continue
            low, high = bootstrap_interval(values) or (None, None)
            means.append(
                MeanInterval(
                    method=method,
                    metric=info.name,
                    mean=math.fsum(values) / len(values),
                    low=low,
                    high=high,
                    num_shots=len(values),
                    confidence=CONFIDENCE,
                )
            )
    return means


def paired_differences(
    shots: Sequence[ShotMeasures], infos: Sequence[MetricInfo], pairs: Sequence[tuple[str, str]]
) -> list[PairedDifference]:
    """For each pair of methods the mean of first minus second, over the shots in which both have the number."""
    differences = []
    for info in infos:
        for method, other in pairs:
            both = list(shot_pairs(shots, method, other, info.name))
            if not both:
                continue
            firsts, seconds = [first for _, first, _ in both], [second for _, _, second in both]
            low, high = paired_interval(firsts, seconds) or (None, None)
            differences.append(
                PairedDifference(
                    method=method,
                    other=other,
                    metric=info.name,
                    mean=math.fsum(a - b for a, b in zip(firsts, seconds, strict=True)) / len(both),
                    low=low,
                    high=high,
                    num_shots=len(both),
                    confidence=CONFIDENCE,
                )
            )
    return differences


def shot_pairs(
    shots: Sequence[ShotMeasures], method: str, other: str, metric: str
) -> Iterator[tuple[str, float, float]]:
    """Name, first and second method's number of each shot that has both."""
    for shot in shots:
        first, second = _value(shot, method, metric), _value(shot, other, metric)
        if first is not None and second is not None:
            yield shot.name, first, second


def interval_notes(num_shots: int) -> list[str]:
    """What must be said of intervals over so few shots; nothing where they can be trusted."""
    if num_shots == 1:
        return ["one shot: no intervals, since nothing is known of how much shots differ"]
    if num_shots < FEW_SHOTS:
        return [
            f"the intervals are rough: {num_shots} shots say little of how much shots differ "
            f"({FEW_SHOTS} or more are better)"
        ]
    return []


def _methods(shots: Sequence[ShotMeasures]) -> list[str]:
    return list(dict.fromkeys(method for shot in shots for method in shot.values))


def _value(shot: ShotMeasures, method: str, metric: str) -> float | None:
    value = shot.values.get(method, {}).get(metric)
    return value if value is not None and math.isfinite(value) else None
