"""All trials of a sweep in one table that can be put in another order, and those that failed with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interpositive.records.run_record import RUN_RECORD_NAME
from interpositive.records.sweep_record import TrialRecord, trial_folder
from interpositive.review.elements import Html, element, table, together
from interpositive.review.sweeps.drawing import NUM_SHADES, shade_of, told_apart
from interpositive.review.sweeps.figures import Axis, is_judged, is_number, parameter_words
from interpositive.review.sweeps.subject import SweepSubject
from interpositive.review.verdicts import short_number

_STATES = {"finished": "finished", "failed": "✗ failed", "running": "… to come"}
_PAGE_NAME = "review.html"


def trial_table(subject: SweepSubject, beside: Path) -> Html:
    """A row for each trial; ``beside`` is the folder that the page lies in, for its links."""
    figures = subject.figures
    headings = [_heading("Trial"), _heading("How it ended")]
    axes = (*figures.objective_axes, *figures.parameter_axes)
    headings += [_heading(axis.title, axis.name, _better(axis)) for axis in axes]
    headings += [_heading("Seconds"), element("th", "Where it is", scope="col")]
    rows = [_row(subject, trial, beside) for trial in subject.trials]
    caption = f"All {len(subject.trials)} trials; a heading puts them in its order"
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *headings)),
        element("tbody", *rows),
        class_="trials",
    )
    return element("div", whole, class_="scroll long", tabindex="0", role="region", aria_label=caption)


def failures(trials: Sequence[TrialRecord]) -> Html:
    """Failed trials with what they tried, how they ended and why."""
    rows = [
        [
            str(trial.number),
            ", ".join(f"{key}={parameter_words(value)}" for key, value in trial.parameters.items()),
            "–" if trial.exit_code is None else str(trial.exit_code),
            element("td", trial.reason or "no reason was recorded", class_="reason"),
        ]
        for trial in trials
    ]
    return table(["Trial", "Setting", "Exit code", "Reason"], rows, "Failed trials", "failures")


def place_of(subject: SweepSubject, trial: TrialRecord, beside: Path) -> Html:
    """Where a trial's run folder is, as links if the page lies in the sweep's folder; its own page if there is one."""
    folder = trial_folder(subject.folder, trial.number)
    relative = folder.relative_to(subject.folder).as_posix()
    if beside.resolve() != subject.folder.resolve():
        return element("code", relative)
    parts: list[str] = [element("a", relative, href=f"{relative}/")]
    if (folder / _PAGE_NAME).is_file():
        parts += [" · ", element("a", "its page", href=f"{relative}/{_PAGE_NAME}")]
    elif not (folder / RUN_RECORD_NAME).is_file() and trial.state == "finished":
        parts.append(" · no run record")
    return together(parts)


def _heading(title: str, key: str = "", note: str = "") -> Html:
    arrow = element("span", "", class_="order", aria_hidden="true")
    parts = [element("button", title, arrow, type="button", title=f"{key or title}: put in order")]
    parts += [element("small", note)] if note else []
    return element("th", *parts, scope="col", aria_sort="none")


def _better(axis: Axis) -> str:
    arrow = {"maximize": "↑ higher is better", "minimize": "↓ lower is better", "": ""}[axis.direction]
    return " · ".join(part for part in (axis.unit, arrow) if part)


def _row(subject: SweepSubject, trial: TrialRecord, beside: Path) -> Html:
    figures = subject.figures
    judged = trial in figures.judged
    cells = [element("td", *_state(subject, trial), data_value=trial.state)]
    for objective in figures.objectives:
        there = is_judged(trial, objective)
        number = trial.values[objective.name] if there else 0.0
        best = trial.number in figures.best[objective.name] and len(figures.judged) > 1
        mark = element("span", "best", class_="best-mark") if best else ""
        words = short_number(number) if there else "–"
        cells.append(
            element("td", mark, words, class_="best" if best else False, data_value=repr(number) if there else "")
        )
    for axis in figures.parameter_axes:
        value = trial.parameters.get(axis.name)
        words = parameter_words(value) if axis.name in trial.parameters else "–"
        key = f"{float(value):g}" if isinstance(value, int | float) and is_number(value) else words
        cells.append(element("td", words, data_value=key if words != "–" else ""))
    seconds = "–" if trial.seconds is None else f"{trial.seconds:,.0f}"
    cells.append(element("td", seconds, data_value="" if trial.seconds is None else f"{trial.seconds:g}"))
    cells.append(element("td", place_of(subject, trial, beside), class_="place"))
    shade = f"shade-{shade_of(figures, trial)}" if judged else "shade-none"
    swatch = element("i", class_=f"swatch {shade}", aria_hidden="true")
    heading = element("th", swatch, str(trial.number), scope="row", data_value=str(trial.number))
    return element("tr", heading, *cells, data_trial=str(trial.number) if judged else False, class_=trial.state)


def _state(subject: SweepSubject, trial: TrialRecord) -> list[str]:
    figures = subject.figures
    if trial.state != "finished":
        return [_STATES[trial.state]]
    if trial not in figures.judged:
        absent = [objective.title for objective in figures.objectives if not is_judged(trial, objective)]
        return [f"finished, without {', '.join(absent)}"]
    if len(figures.objectives) > 1 and trial.number in figures.front:
        return [_STATES["finished"], element("span", "◆ on the front", class_="on-front")]
    return [_STATES["finished"]]


def shade_legend(subject: SweepSubject) -> Html:
    """The shades from the worst to the best of the first objective, with what its ends are."""
    axis = subject.figures.objective_axes[0]
    ends = [axis.low, axis.high] if axis.direction == "maximize" else [axis.high, axis.low]
    steps = [element("i", class_=f"swatch shade-{shade}") for shade in range(NUM_SHADES)]
    words = [f"{end} {axis.unit}".strip() for end in told_apart(ends)]
    return element(
        "p", f"{axis.title}: {words[0]} ", element("span", *steps, class_="shades", aria_hidden="true"), f" {words[1]}",
        class_="key",
    )  # fmt: skip
