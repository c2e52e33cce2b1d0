"""Tables of measures: the few numbers to look at first, and all of them folded away."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from interpositive.records.measures import Measures, MetricInfo, ShotMeasures
from interpositive.review.elements import Html, element, folded, grouped_table, together
from interpositive.review.headlines import grouped, headline, measured
from interpositive.review.verdicts import (
    best_methods,
    chosen_of,
    method_label,
    methods_of,
    metric_values,
    reasons,
    short_number,
    was_a_choice,
)

_UNEXPLAINED = ("no reason was recorded", "the notes at the end of this page say why")
# What a note says of itself before it says why.
_AGAIN = re.compile(r"^[^:]*\bnot (?:measured|defined): ")
_ARROWS = {"higher": "↑ higher is better", "lower": "↓ lower is better", "neither": "neither is better"}

TableRow = Callable[[MetricInfo], Sequence[str]]


def metric_tables(
    metrics: Sequence[MetricInfo], all_metrics: Sequence[MetricInfo], headings: Sequence[str], row: TableRow, of: str
) -> Html:
    """One table of the few to look at first of ``metrics``; ``all_metrics`` in a second one, folded, if there are more.

    ``row`` gives a metric's cells beside its name.
    """

    def made(shown: Sequence[MetricInfo], caption: str) -> Html:
        groups = ((name, ([metric_heading(m), *row(m)] for m in held)) for name, held in grouped(shown).items())
        return grouped_table(["Metric", *headings], groups, caption, "measures")

    first = headline(metrics)
    if len(first) == len(all_metrics):
        return made(first, of)
    whole = folded(f"All {len(all_metrics)} measures", made(all_metrics, f"{of}, all"))
    return together([made(first, f"{of}, the {len(first)} to look at first"), whole]) if first else whole


def shot_measures(measures: Measures, shot: ShotMeasures) -> Html:
    """A shot's measures, every method beside the others, and why some are absent."""
    methods = methods_of(shot)

    def row(metric: MetricInfo) -> list[Html]:
        values = metric_values(shot, metric.name)
        best = best_methods(values, metric.direction)
        return [value_cell(values[method], method in best) for method in methods]

    chosen = chosen_of(shot) if was_a_choice(shot) else ""
    headings = [f"{method} (chosen)" if method == chosen else method_label(method) for method in methods]
    few = len(measures.metrics) == len(headline(measures.metrics))
    at_first = measures.metrics if few else measured(measures, [shot])
    tables = metric_tables(at_first, measures.metrics, headings, row, f"Measures of {shot.name}")
    return together([tables, _absences(measures, shot, methods)])


def metric_heading(metric: MetricInfo) -> Html:
    """A metric's name, how to read it, and what it means."""
    how = " · ".join(part for part in (metric.unit, _ARROWS.get(metric.direction, metric.direction)) if part)
    return together(
        [element("b", metric.name), element("span", how), element("span", metric.meaning, class_="meaning")]
    )


def value_cell(value: float | None, best: bool, remark: str = "", shown: str = "") -> Html:
    """A number, ``shown`` so if that is given, with a remark and the mark of the best."""
    if value is None:
        return element("td", "not measured", class_="absent")
    mark = element("span", "best", class_="best-mark") if best else ""
    return element("td", mark, shown or short_number(value), remark, class_="best" if best else False)


def _absences(measures: Measures, shot: ShotMeasures, methods: Sequence[str]) -> Html:
    """What was not measured; metrics that lack the same methods for the same reason are told of together."""
    told: dict[tuple[str, str], list[str]] = {}
    for metric in measures.metrics:
        values = metric_values(shot, metric.name)
        absent = [method_label(method) for method in methods if values[method] is None]
        if absent:
            notes = [_AGAIN.sub("", note) for note in reasons(measures, shot, metric.name)]
            why = "; ".join(dict.fromkeys(notes)) or _UNEXPLAINED[bool(measures.notes)]
            whom = f" for {', '.join(absent)}" if len(absent) < len(methods) else ""
            told.setdefault((whom, why), []).append(metric.name)
    lines = [
        element("li", f"{', '.join(names)} {'was' if len(names) == 1 else 'were'} not measured{whom}: {why}")
        for (whom, why), names in told.items()
    ]
    return element("ul", *lines, class_="missing") if lines else Html("")
