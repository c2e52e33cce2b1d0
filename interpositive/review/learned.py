"""While it learned: how a mini-model fared on held-out takes, which checkpoint was kept and which are in doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from interpositive.records.held_out_course import HeldOutCourse, HeldOutPoint
from interpositive.records.measures import MetricInfo
from interpositive.review.drawing import (
    CHOSEN_COLOUR,
    OTHER_LINES,
    Frame,
    axis_marks,
    dot,
    drawing,
    label,
    line,
    padded,
    polyline,
    stroke,
)
from interpositive.review.elements import Html, element, folded, table, together
from interpositive.review.headlines import headline
from interpositive.review.verdicts import alike, short_number

_LOSS = MetricInfo(
    name="loss", unit="", direction="lower", meaning="What training makes small, measured here on the held-out windows."
)
ValueOf = Callable[[HeldOutPoint], float | None]


def learned_section(course: HeldOutCourse | None) -> Html:
    """Curves over the steps of training, with the kept and the flagged checkpoints; nothing without a course."""
    if course is None:
        return Html("")
    parts: list[str] = [element("h2", "While it learned", element("small", _how_often(course)))]
    if not course.points:
        why = f" Training ended: {course.stopped_because}." if course.stopped_because else ""
        return element("section", *parts, element("p", "No checkpoint was judged." + why), class_="learned")
    parts += [element("p", sentence, class_="standing") for sentence in _story(course)]
    if flags := flagged(course):
        entries = (element("li", element("strong", f"Step {p.step:,}: "), p.flag or "") for p in flags)
        parts.append(element("ul", *entries, class_="flags"))
    others = [metric for metric in course.metrics if metric.name != course.score and _is_there(course, metric.name)]
    first = headline(others)
    plots = [_score_plot(course), _plot(course, _LOSS, {"loss": lambda point: point.loss})]
    plots += [_metric_plot(course, metric) for metric in first]
    parts.append(element("div", *plots, class_="curves"))
    if rest := [metric for metric in others if metric not in first]:
        drawn = element("div", *(_metric_plot(course, metric) for metric in rest), class_="curves")
        parts.append(folded(f"{len(rest)} other numbers", drawn))
    parts.append(folded(f"Every one of {len(course.points)} checkpoints judged", _listing(course)))
    return element("section", *parts, class_="learned")


def flagged(course: HeldOutCourse) -> list[HeldOutPoint]:
    """Checkpoints that something is wrong with, in the order of training."""
    return [point for point in course.points if point.flag is not None]


def course_verdict(course: HeldOutCourse) -> tuple[bool, str] | None:
    """Whether the kept checkpoint is in doubt, and a sentence for the head of the page; None without a flag."""
    flags = flagged(course)
    if not flags:
        return None
    for point in flags:
        if point.step == course.kept_step:
            return True, f"The checkpoint that was kept, step {point.step:,}, is flagged: {point.flag}"
    count = "1 checkpoint was flagged" if len(flags) == 1 else f"{len(flags)} checkpoints were flagged"
    return False, f"{count} while it learned; the one that was kept was not."


def _how_often(course: HeldOutCourse) -> str:
    points, windows = len(course.points), len(course.windows)
    return (
        f"judged {points} {'time' if points == 1 else 'times'} on {windows} held-out "
        f"{'window' if windows == 1 else 'windows'} that it never trains on"
    )


def _story(course: HeldOutCourse) -> list[str]:
    kept = next((point for point in course.points if point.step == course.kept_step), None)
    told = []
    if kept is None:
        told.append("No checkpoint was kept.")
    else:
        told.append(f"Kept: step {kept.step:,}, chosen by {course.score}: {_score_words(course, kept)}.")
    if course.stopped_because:
        told.append(f"Training ended: {course.stopped_because.rstrip('.')}.")
    return told


def _score_words(course: HeldOutCourse, point: HeldOutPoint) -> str:
    value = _value(point, course.method, course.score)
    unit = next((f" {metric.unit}" for metric in course.metrics if metric.name == course.score and metric.unit), "")
    if value is None:
        return "not defined"
    if point.score_low is None or point.score_high is None:
        return short_number(value) + unit
    middle, low, high = alike(value, point.score_low, point.score_high)
    return f"{middle}{unit} (95 %: {low} to {high})"


def _score_plot(course: HeldOutCourse) -> Html:
    direction = "higher" if course.higher_is_better else "lower"
    info = next((metric for metric in course.metrics if metric.name == course.score), None)
    told = info or MetricInfo(name=course.score, unit="", direction=direction, meaning="")
    meaning = f"{told.meaning} It chooses the checkpoint.".strip()
    return _plot(course, told.model_copy(update={"meaning": meaning}), _lines(course, course.score), interval=True)


def _metric_plot(course: HeldOutCourse, metric: MetricInfo) -> Html:
    return _plot(course, metric, _lines(course, metric.name))


def _lines(course: HeldOutCourse, metric: str) -> dict[str, ValueOf]:
    """The course's own method first, then the others that were measured."""
    methods = dict.fromkeys([course.method, *(method for point in course.points for method in point.values)])

    def value_of(method: str) -> ValueOf:
        return lambda point: _value(point, method, metric)

    return {m: value_of(m) for m in methods if any(_value(point, m, metric) is not None for point in course.points)}


def _plot(course: HeldOutCourse, metric: MetricInfo, lines: dict[str, ValueOf], *, interval: bool = False) -> Html:
    """One number over the steps, a line for each method, checkpoints marked."""
    points = course.points
    values = [value for value_of in lines.values() for point in points if (value := value_of(point)) is not None]
    better = {"higher": "higher is better", "lower": "lower is better"}.get(metric.direction, "")
    how = " · ".join(part for part in (metric.unit, better) if part)
    heading = element("h4", metric.name, element("span", how))
    if not values:
        return element("div", heading, element("p", "Not defined at any checkpoint."), class_="curve")
    if interval:
        values += [end for point in points for end in (point.score_low, point.score_high) if end is not None]
    steps = [float(point.step) for point in points]
    span = (steps[0], steps[-1]) if len(steps) > 1 else (steps[0] - 1, steps[0] + 1)
    frame = Frame(span, padded(values))
    parts = _axes(frame, points)
    if interval:
        parts += _whiskers(frame, points)
    legend: list[Html] = []
    for rank, (method, value_of) in reversed(list(enumerate(lines.items()))):
        colour, dash = OTHER_LINES[(rank - 1) % len(OTHER_LINES)] if rank else (CHOSEN_COLOUR, "")
        route = polyline(frame, [(point.step, value_of(point)) for point in points])
        parts.append(stroke(route, colour, dash, 1.4 if rank else 2.2))
        sample = element("svg", stroke("M0 4H24", colour, dash, 2), viewBox="0 0 24 8", aria_hidden="true")
        legend.insert(0, element("span", sample, method))
    parts += _checkpoints(course, frame, metric, next(iter(lines.values())))
    legend += _legend_of_marks(course)
    what = f"{metric.name} over the steps of training: {', '.join(lines)}"
    return element(
        "div",
        heading,
        element("p", metric.meaning),
        drawing(frame.width, frame.height, what, *parts),
        element("div", *legend, class_="legend"),
        class_="curve",
    )


def _axes(frame: Frame, points: Sequence[HeldOutPoint]) -> list[Html]:
    parts = []
    for mark in axis_marks(*frame.y_range):
        y = frame.y(mark)
        parts.append(line(frame.left, y, frame.width - frame.right, y, "rule"))
        parts.append(label(frame.left - 8, y + 4, _axis_number(mark), "end"))
    at = frame.height - 6
    parts.append(label(frame.left, at, f"step {points[0].step:,}"))
    if len(points) > 1:
        parts.append(label(frame.width - frame.right, at, f"{points[-1].step:,}", "end"))
    return parts


def _whiskers(frame: Frame, points: Sequence[HeldOutPoint]) -> list[Html]:
    parts = []
    for point in points:
        if point.score_low is None or point.score_high is None:
            continue
        x, low, high = frame.x(point.step), frame.y(point.score_low), frame.y(point.score_high)
        parts.append(line(x, low, x, high, "whisker"))
        parts += [line(x - 3, end, x + 3, end, "whisker") for end in (low, high)]
    return parts


def _checkpoints(course: HeldOutCourse, frame: Frame, metric: MetricInfo, value_of: ValueOf) -> list[Html]:
    """A dot for every checkpoint; upright lines through the kept one and those in doubt."""
    parts = []
    bottom = frame.height - frame.bottom
    for point in course.points:
        value, x = value_of(point), frame.x(point.step)
        kept = point.step == course.kept_step
        if kept:
            parts.append(line(x, frame.top, x, bottom, "kept"))
        if point.flag is not None:
            parts.append(line(x, frame.top, x, bottom, "doubt"))
            flag = f"M{x:g} {frame.top:g}l-5 -9h10z"
            parts.append(element("path", element("title", point.flag), d=flag, class_="doubt"))
        if value is None:
            continue
        words = f"step {point.step:,}: {metric.name} {short_number(value)}"
        words += (", kept" if kept else "") + (f". {point.flag}" if point.flag else "")
        parts.append(dot(x, frame.y(value), 4.5 if kept else 3, "checkpoint kept" if kept else "checkpoint", words))
    return parts


def _legend_of_marks(course: HeldOutCourse) -> list[Html]:
    marks = []
    if course.kept_step is not None:
        drawn = (line(12, 0, 12, 8, "kept"), dot(12, 4, 3.5, "checkpoint kept"))
        sample = element("svg", *drawn, viewBox="0 0 24 8", aria_hidden="true")
        marks.append(element("span", sample, f"kept: step {course.kept_step:,}"))
    if flagged(course):
        sample = element(
            "svg", element("path", d="M12 8l-5 -8h10z", class_="doubt"), viewBox="0 0 24 8", aria_hidden="true"
        )
        marks.append(element("span", sample, "flagged"))
    return marks


def _listing(course: HeldOutCourse) -> Html:
    rows: list[list[str]] = []
    for point in course.points:
        kept = element("b", " kept") if point.step == course.kept_step else ""
        gain = "–" if point.gain_low is None else alike(point.gain_low, signed=True, figures=3)[0]
        cells = [short_number(point.loss), _score_words(course, point), gain, f"{point.seconds:,.0f}", point.flag or ""]
        rows.append([together([f"{point.step:,}", kept]), *cells])
    headings = ["Step", "Loss", course.score, "Gain over the best before, at least", "Seconds", "Flag"]
    return element("div", table(headings, rows, "Checkpoints", "checkpoints"), class_="long")


def _axis_number(value: float) -> str:
    return f"{value:.4g}" if value else "0"


def _is_there(course: HeldOutCourse, metric: str) -> bool:
    return bool(_lines(course, metric))


def _value(point: HeldOutPoint, method: str, metric: str) -> float | None:
    return point.values.get(method, {}).get(metric)
