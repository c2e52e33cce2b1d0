"""The page's header, its section for each shot, and the table of means."""

from __future__ import annotations

from interpositive.records.measures import Measures, MetricInfo, ShotMeasures
from interpositive.review.elements import Html, element, table, together
from interpositive.review.paperwork import page_title, untouched_statement
from interpositive.review.pictures import ShotPictures, frame_timecode
from interpositive.review.player_part import player_part
from interpositive.review.subjects import Subject
from interpositive.review.verdicts import (
    best_means,
    best_methods,
    mean_values,
    methods_of,
    metric_values,
    reasons,
    short_number,
    standing,
)

_UNEXPLAINED = ("no reason was recorded", "the notes at the end of this page say why")
_ARROWS = {"higher": "↑ higher is better", "lower": "↓ lower is better"}


def header_section(subject: Subject) -> Html:
    """Production, task, shots and date, then the verdict with the frames to look at first."""
    kind = "Delivery, every digest verified" if subject.delivery else "Evaluation of a run on held-out takes"
    facts = [("Production", subject.production), ("Task", subject.task)]
    facts.append(("Shot" if len(subject.measures.shots) == 1 else "Shots", _shot_names(subject)))
    facts.append(("Date", subject.created))
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in facts)
    rows = [_verdict_row(shot, at) for at, shot in enumerate(subject.measures.shots)]
    if subject.delivery is not None:
        good, sentence = untouched_statement(subject.delivery)
        rows.append(element("p", sentence, class_="seal" if good else "seal broken"))
    return element(
        "header",
        element("p", f"Interpositive review · {kind}", class_="eyebrow"),
        element("h1", page_title(subject)),
        element("dl", *pairs, class_="facts"),
        element("div", *rows, class_="verdict", role="status"),
        class_="top",
    )


def shot_section(subject: Subject, shot: ShotMeasures, pictures: ShotPictures, at: int) -> Html:
    """A shot's player, worst frames, curves and table."""
    size = f"{pictures.source_width} × {pictures.source_height}"
    about = f"{shot.role} · {shot.num_frames} frames · {shot.rate} frames a second · {size}"
    comments = [element("li", comment) for comment in shot.comments]
    return element(
        "section",
        element("h2", shot.name, element("small", about)),
        element("p", standing(shot, subject.measures.metrics), class_="standing"),
        player_part(shot, pictures, at),
        element("h3", "Worst frames first"),
        element("p", "Plate, result and amplified difference around the mask. Choose one to see it in the player."),
        element("div", class_="strip", data_part="strip"),
        element("h3", "Frame by frame"),
        element("div", class_="curves", data_part="curves"),
        element("h3", "Measures"),
        _measures_table(subject.measures, shot),
        *([element("ul", *comments, class_="comments")] if comments else []),
        class_="shot",
        id=f"shot-{at}",
        data_shot=str(at),
        aria_label=f"Shot {shot.name}",
    )


def means_section(measures: Measures) -> Html:
    """Means over shots, for a set of more than one."""
    if len(measures.shots) < 2:
        return Html("")
    total = len(measures.shots)
    methods = list(mean_values(measures.shots, ""))
    rows = []
    for metric in measures.metrics:
        means = mean_values(measures.shots, metric.name)
        best = best_means(means, metric.direction)
        cells = []
        for method in methods:
            mean = means[method]
            share = "" if mean.num_shots in (0, total) else f" ({mean.num_shots} of {total} shots)"
            cells.append(_value_cell(mean.value, method in best, share))
        rows.append([_metric_heading(metric), *cells])
    caption = f"Means over {total} shots"
    return element(
        "section",
        element("h2", "All shots together"),
        element("p", "A best mean is marked only where every method was measured on as many shots."),
        table(["Metric", *methods], rows, caption, "measures"),
        class_="means",
    )


def _shot_names(subject: Subject) -> str:
    return ", ".join(shot.name for shot in subject.measures.shots)


def _verdict_row(shot: ShotMeasures, at: int) -> Html:
    parts = [
        element("strong", shot.name),
        " — method chosen: ",
        element("strong", shot.chosen_method or "none"),
    ]
    if shot.worst_frames:
        parts.append(". Look first at ")
        for frame in shot.worst_frames[:5]:
            timecode = frame_timecode(shot, frame)
            label = f"frame {frame}" + (f" · {timecode}" if timecode else "")
            parts.append(element("button", label, type="button", class_="jump", data_goto=str(frame), data_of=str(at)))
    else:
        parts.append(". No worst frames were named.")
    return element("p", *parts)


def _measures_table(measures: Measures, shot: ShotMeasures) -> Html:
    methods = methods_of(shot)
    rows, missing = [], []
    for metric in measures.metrics:
        values = metric_values(shot, metric.name)
        best = best_methods(values, metric.direction)
        rows.append([_metric_heading(metric), *(_value_cell(values[method], method in best) for method in methods)])
        absent = [method for method in methods if values[method] is None]
        if absent:
            why = " ".join(reasons(measures, shot, metric.name)) or _UNEXPLAINED[bool(measures.notes)]
            missing.append(element("li", f"{metric.name} was not measured for {', '.join(absent)}: {why}"))
    headings = [
        "Metric",
        *(f"{method} (chosen)" if method == shot.chosen_method else method for method in methods),
    ]
    whole = table(headings, rows, f"Measures of {shot.name}", "measures")
    return together([whole, element("ul", *missing, class_="missing")]) if missing else whole


def _metric_heading(metric: MetricInfo) -> Html:
    how = " · ".join(part for part in (metric.unit, _ARROWS.get(metric.direction, metric.direction)) if part)
    return together(
        [element("b", metric.name), element("span", how), element("span", metric.meaning, class_="meaning")]
    )


def _value_cell(value: float | None, best: bool, remark: str = "") -> Html:
    if value is None:
        return element("td", "not measured", class_="absent")
    mark = element("span", "best", class_="best-mark") if best else ""
    return element("td", short_number(value), remark, mark, class_="best" if best else False)
