"""Which of many numbers are looked at first, and among which others each stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interpositive.records.measures import Measures, MetricInfo, ShotMeasures

MOST_ROWS = 8
_OF_EACH_GROUP = 2


def grouped(metrics: Iterable[MetricInfo]) -> dict[str, list[MetricInfo]]:
    """Metrics by the group that they name, groups and metrics in the order of the metrics."""
    groups: dict[str, list[MetricInfo]] = {}
    for metric in metrics:
        groups.setdefault(metric.group, []).append(metric)
    return groups


def headline(metrics: Sequence[MetricInfo]) -> list[MetricInfo]:
    """The few to look at first, ``MOST_ROWS`` at most, group by group.

    Few enough are all shown. Of more, those that say so themselves; where none
    does (measures of an older version), the first of each group.
    """
    groups = grouped(metrics)
    if len(metrics) <= MOST_ROWS:
        chosen = [metric for group in groups.values() for metric in group]
    elif any(metric.headline for metric in metrics):
        chosen = [metric for group in groups.values() for metric in group if metric.headline]
    else:
        taken = _OF_EACH_GROUP if len(groups) > 1 else MOST_ROWS
        chosen = [metric for group in groups.values() for metric in group[:taken]]
    return chosen[:MOST_ROWS]


def measured(measures: Measures, shots: Iterable[ShotMeasures]) -> list[MetricInfo]:
    """Metrics that have a number for some method on one of the shots."""
    found = {
        name for shot in shots for values in shot.values.values() for name, value in values.items() if value is not None
    }
    return [metric for metric in measures.metrics if metric.name in found]
