"""All shots together: means with their intervals, and what is settled between methods."""

from __future__ import annotations

from collections.abc import Sequence

from interpositive.records.measures import LEAST_SHOTS, MeanInterval, Measures, MetricInfo, PairedDifference
from interpositive.review.drawing import dot, drawing, line
from interpositive.review.elements import Html, element, folded, grouped_table, together
from interpositive.review.headlines import headline, measured
from interpositive.review.tables import metric_tables, value_cell
from interpositive.review.verdicts import AGAINST, CHOSEN, RESULT, Mean, alike, best_means, mean_values, method_label

_PLOT_WIDTH, _PLOT_HEIGHT, _PLOT_EDGE = 220, 22, 8


def means_section(measures: Measures) -> Html:
    """Means over shots and differences between methods, with intervals where they were given."""
    total = len(measures.shots)
    if total < 2:
        return Html("")
    parts: list[str] = [element("p", sentence, class_="standing") for sentence in _sentences(measures)]
    parts.append(_means_tables(measures, total))
    if measures.differences:
        parts += [element("h3", "Shot by shot, one method against another"), _how_to_read(measures)]
        parts.append(_difference_tables(measures))
    return element("section", element("h2", "All shots together"), *parts, class_="means")


def verdict_on(difference: PairedDifference, direction: str) -> tuple[str, str]:
    """What a difference settles, as a class (better, worse, apart, level, open) and in words."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        return "open", f"no interval from {_shots(difference.num_shots)}"
    if low == high == 0:
        return "level", "level in every shot"
    if low <= 0 <= high:
        return "open", "not settled: the interval holds 0"
    if not difference.is_settled:
        return "open", f"not settled: {difference.num_shots} shots, {LEAST_SHOTS} are needed"
    if direction not in ("higher", "lower"):
        return "apart", "settled: they differ"
    kind = "better" if (low > 0) == (direction == "higher") else "worse"
    return kind, f"settled: {kind}"


def single_shot_note(measures: Measures) -> Html:
    """Why one shot has no interval; nothing where there are more, or none was asked for."""
    if len(measures.shots) != 1 or not (measures.means or measures.differences):
        return Html("")
    return element(
        "p",
        "One shot was measured, and its numbers stand for that shot alone: no interval and no settled difference can "
        "be given from fewer than two shots, since nothing is known of how much shots differ.",
        class_="hint",
    )


def _means_tables(measures: Measures, total: int) -> Html:
    told = {(mean.metric, mean.method): mean for mean in measures.means}
    methods = list(mean_values(measures.shots, ""))
    same = _chosen_everywhere(measures)
    methods = [method for method in methods if method != same]

    def row(metric: MetricInfo) -> list[Html]:
        means = mean_values(measures.shots, metric.name)
        for method in methods:
            if interval := told.get((metric.name, method)):
                means[method] = Mean(interval.mean, interval.num_shots)
        best = best_means(means, metric.direction)
        return [_mean_cell(means[m], told.get((metric.name, m)), m in best, total) for m in methods]

    caption = f"Means over {total} shots"
    if confidence := _confidence(measures.means):
        caption += f", each with its {confidence} interval"
    hint = "A best mean is marked only where every method was measured on as many shots."
    if confidence:
        hint += " The interval says how far the mean would move if other shots like these were judged."
    few = len(measures.metrics) == len(headline(measures.metrics))
    at_first = measures.metrics if few else measured(measures, measures.shots)
    headings = [f"{CHOSEN} ({same})" if same and method == CHOSEN else method_label(method) for method in methods]
    tables = metric_tables(at_first, measures.metrics, headings, row, caption)
    warnings = [note[:1].upper() + note[1:] for note in measures.notes if "interval" in note.lower()]
    return together([*(element("p", told, class_="hint") for told in [hint, *warnings]), tables])


def _chosen_everywhere(measures: Measures) -> str:
    """The method that was chosen on every shot, so that it needs no column beside "chosen"; empty if there is none."""
    chosen = {shot.chosen_method if CHOSEN in shot.values else "" for shot in measures.shots}
    return chosen.pop() if len(chosen) == 1 else ""


def _mean_cell(mean: Mean, interval: MeanInterval | None, best: bool, total: int) -> Html:
    share = "" if mean.num_shots in (0, total) else f"{mean.num_shots} of {total} shots"
    if mean.value is None or interval is None or interval.low is None or interval.high is None:
        return value_cell(mean.value, best, element("span", share, class_="range") if share else "")
    middle, low, high = alike(mean.value, interval.low, interval.high)
    remark = ", ".join(part for part in (f"{low} to {high}", share) if part)
    return value_cell(mean.value, best, element("span", remark, class_="range"), middle)


def _sentences(measures: Measures) -> list[str]:
    """What is settled between each two methods in the numbers to look at first."""
    found = {(each.method, each.other, each.metric): each for each in measures.differences}
    shown = headline(measured(measures, measures.shots))
    sentences = []
    for method, other in dict.fromkeys((each.method, each.other) for each in measures.differences):
        kinds: dict[str, list[str]] = {}
        for metric in shown:
            if difference := found.get((method, other, metric.name)):
                kinds.setdefault(verdict_on(difference, metric.direction)[0], []).append(metric.name)
        words = {
            "better": "better in",
            "worse": "worse in",
            "apart": "different in",
            "level": "level in",
            "open": "not settled in",
        }
        parts = [f"{said} {', '.join(kinds[kind])}" for kind, said in words.items() if kind in kinds]
        if parts:
            sentences.append(f"Beside {_in_words(other)}, {_in_words(method)} is {'; '.join(parts)}.")
    return sentences


def _in_words(method: str) -> str:
    return {RESULT: "the result", AGAINST: "what it was judged against"}.get(method, method)


def _how_to_read(measures: Measures) -> Html:
    confidence = _confidence(measures.differences) or "its"
    return element(
        "p",
        f"Each line is the mean, over shots that both were measured on, of the first minus the second, with the "
        f"{confidence} interval of that difference. It is settled where the interval leaves out 0 and there "
        f"are {LEAST_SHOTS} shots or more. "
        "In the drawing the upright line is 0, and right of it is better.",
    )


def _difference_tables(measures: Measures) -> Html:
    by_metric: dict[str, list[PairedDifference]] = {}
    for difference in measures.differences:
        by_metric.setdefault(difference.metric, []).append(difference)
    metrics = [metric for metric in measures.metrics if metric.name in by_metric]
    first = headline(metrics)
    pairs = dict.fromkeys(f"{each.method} − {each.other}" for each in measures.differences)
    only = next(iter(pairs)) if len(pairs) == 1 else ""
    headings = [
        "Measure" if only else "First − second",
        "Mean difference",
        f"{_confidence(measures.differences)} interval".strip().capitalize(),
        element("span", element("span", "← worse"), element("span", "better →"), class_="ends"),
        "Shots",
        "Verdict",
    ]

    def made(shown: Sequence[MetricInfo], caption: str) -> Html:
        told = [(_told(metric), _rows(metric, by_metric[metric.name])) for metric in shown]
        if only:
            told = [(Html(""), [[name, *cells] for name, rows in told for _, *cells in rows])]
        return grouped_table(headings, told, f"{caption}: {only}" if only else caption, "forest")

    if len(first) == len(metrics):
        return made(first, "Differences")
    whole = folded(f"Differences in all {len(metrics)} measures", made(metrics, "Differences, all"))
    return together([made(first, f"Differences in the {len(first)} measures to look at first"), whole])


def _told(metric: MetricInfo) -> Html:
    better = {"higher": "higher is better", "lower": "lower is better"}.get(metric.direction, "")
    how = " · ".join(part for part in (metric.unit, better) if part)
    return together([element("b", metric.name), element("span", how)])


def _rows(metric: MetricInfo, differences: Sequence[PairedDifference]) -> list[list[Html | str]]:
    reach = max(abs(end) for each in differences for end in (each.mean, each.low or 0.0, each.high or 0.0)) or 1.0
    rows: list[list[Html | str]] = []
    for each in differences:
        kind, words = verdict_on(each, metric.direction)
        if each.low is None or each.high is None:
            (mean,), between = alike(each.mean, signed=True, figures=3), element("td", "none", class_="absent")
        else:
            mean, low, high = alike(each.mean, each.low, each.high, signed=True, figures=3)
            between = element("td", f"{low} to {high}")
        name = f"{each.method} − {each.other}"
        drawn = _interval_drawing(each, reach, kind, metric.direction, f"{name}: {mean}, {words}")
        rows.append(
            [name, mean, between, element("td", drawn, class_="plot"), str(each.num_shots), _verdict(kind, words)]
        )
    return rows


def _verdict(kind: str, words: str) -> Html:
    return element("td", words, class_=f"settles {kind}")


def _interval_drawing(each: PairedDifference, reach: float, kind: str, direction: str, what: str) -> Html:
    flip = -1.0 if direction == "lower" else 1.0

    def x(value: float) -> float:
        return round(_PLOT_WIDTH / 2 + flip * value / reach * (_PLOT_WIDTH / 2 - _PLOT_EDGE), 1)

    middle = _PLOT_HEIGHT / 2
    parts = [line(_PLOT_WIDTH / 2, 0, _PLOT_WIDTH / 2, _PLOT_HEIGHT, "zero")]
    if each.low is not None and each.high is not None:
        parts.append(line(x(each.low), middle, x(each.high), middle, f"span {kind}"))
        parts += [line(x(end), middle - 4, x(end), middle + 4, f"span {kind}") for end in (each.low, each.high)]
    parts.append(dot(x(each.mean), middle, 4, f"mean {kind}"))
    return drawing(_PLOT_WIDTH, _PLOT_HEIGHT, what, *parts)


def _confidence(told: Sequence[MeanInterval] | Sequence[PairedDifference]) -> str:
    return next((f"{100 * each.confidence:g} %" for each in told if each.low is not None), "")


def _shots(count: int) -> str:
    return f"{count} shot" if count == 1 else f"{count} shots"
