"""The page of a sweep: what was asked, what was found, how sure that is, and the best trials side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interpositive.records.sweep_record import Objective, ParameterSpace
from interpositive.review.elements import Html, definitions, element, folded, json_block, table, together
from interpositive.review.shell import render_shell
from interpositive.review.sweeps import verdict as words
from interpositive.review.sweeps.drawing import (
    heights_of,
    history_plot,
    influence_bar,
    parallel_coordinates,
    pareto_plot,
)
from interpositive.review.sweeps.figures import SweepFigures, parameter_words
from interpositive.review.sweeps.influence import FEWEST_TRIALS, Influence, influences
from interpositive.review.sweeps.sheet_part import sheet_section
from interpositive.review.sweeps.subject import SweepSubject
from interpositive.review.sweeps.trial_table import failures, shade_legend, trial_table

_BETTER = {"maximize": "higher is better", "minimize": "lower is better"}
_CHOOSERS = {
    "grid": "trying every combination",
    "random": "chance",
    "tpe": "Optuna, from what earlier trials found (tpe)",
    "gp": "Optuna, from what earlier trials found (gp)",
}
_EVEN_SAMPLERS = ("grid", "random")
_LONGEST_LEAD = 40


def render_sweep(subject: SweepSubject, beside: Path) -> str:
    """The whole page as HTML text, to be written into the folder ``beside``; the same sweep gives the same text."""
    figures, sections = subject.figures, list[Html]()
    if figures.judged:
        sections += [sheet_section(subject), *([_front_section(figures)] if figures.pairs else [])]
        sections += [_parallel_section(subject), _influence_section(subject), _history_section(figures)]
    sections.append(element("section", element("h2", "Every trial"), trial_table(subject, beside)))
    if figures.failed:
        heading = element(
            "h2", "What failed", element("small", f"{len(figures.failed)} of {subject.record.num_trials}")
        )
        sections.append(element("section", heading, failures(figures.failed), class_="failed-trials"))
    sections.append(_paperwork(subject))
    return render_shell(
        subject.title,
        _header(subject),
        sections,
        [json_block("sweep-data", _payload(figures))],
        styles=("page", "sweep"),
        scripts=("sweep_links", "sweep_axes", "sweep_sheet", "sweep"),
        absent="Putting trials in order, narrowing them down and the magnifier need scripts; the rest does not.",
    )


def _header(subject: SweepSubject) -> Html:
    record = subject.record
    facts = [
        ("Production", record.production),
        ("Task", record.task),
        ("Trials", words.counts(subject)),
        ("Settings chosen by", _CHOOSERS.get(record.sampler, record.sampler)),
        *([("Seed of that choice", str(record.seed))] if record.sampler != "grid" else []),
        ("Begun", record.created),
    ]
    rows = [element("p", words.state_sentence(subject), class_="doubt")] if subject.num_missing else []
    rows += [element("p", *_with_lead(sentence)) for sentence in words.verdict(subject)]
    if told := words.doubts(subject):
        rows.append(element("ul", *(element("li", sentence) for sentence in told), class_="doubts"))
    return element(
        "header",
        element("p", "Interpositive review · Sweep", class_="eyebrow"),
        element("h1", subject.title),
        element("p", question(subject), class_="question"),
        element("dl", *(element("div", element("dt", a), element("dd", b)) for a, b in facts), class_="facts"),
        element("ul", *(_objective(subject, objective) for objective in record.objectives), class_="objectives"),
        element("div", *rows, class_="verdict", role="status"),
        class_="top",
    )


def _with_lead(sentence: str) -> list[str]:
    """A sentence whose first words, up to a colon near its start, stand out."""
    lead, colon, rest = sentence.partition(":")
    return [element("strong", lead + colon), rest] if colon and len(lead) < _LONGEST_LEAD else [sentence]


def question(subject: SweepSubject) -> str:
    """What the sweep asks, in a sentence."""
    titles = [axis.title for axis in subject.figures.parameter_axes]
    aims = [
        f"{'highest' if objective.direction == 'maximize' else 'lowest'} {objective.title}"
        for objective in subject.record.objectives
    ]
    return f"Which {_listed(titles) or 'setting'} gives the {_listed(aims)}?"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _objective(subject: SweepSubject, objective: Objective) -> Html:
    how = " · ".join(part for part in (objective.unit, _BETTER[objective.direction]) if part)
    parts: list[str] = [element("b", objective.title), element("span", how)]
    if meaning := subject.meaning(objective):
        parts.append(element("em", meaning))
    return element("li", *parts)


def _front_section(figures: SweepFigures) -> Html:
    several = len(figures.objectives) > 2
    hint = (
        "A trial is on the front, filled and numbered, if no other is at least as good in everything and better in "
        "something. The steps run through the trials that nothing beats in the two objectives of a plot"
        + (", whatever the others are." if several else ".")
    )
    readout = element("p", "", class_="readout", aria_live="polite")
    plots = [element("div", pareto_plot(figures, pair), readout, class_="curve") for pair in figures.pairs]
    headings = ["Trial", *(o.title for o in figures.objectives), "Setting"]
    rows = [
        [
            str(number),
            *(words.value_words(o, figures.trial(number).values[o.name]) for o in figures.objectives),
            words.setting(figures, figures.trial(number)),
        ]
        for number in figures.front
    ]
    heading = element("h2", "Pareto front", element("small", f"{len(figures.front)} of {len(figures.judged)} trials"))
    return element(
        "section",
        heading,
        element("p", hint, class_="hint"),
        element("div", *plots, table(headings, rows, "Trials on the front", "front-table"), class_=f"of-{len(plots)}"),
        class_="pareto",
    )


def _parallel_section(subject: SweepSubject) -> Html:
    figures = subject.figures
    hint = (
        "Each line is a trial, from its parameters on the left to what came of it on the right, where up is always "
        "better. Draw along an axis to keep only the trials that pass there; with keys: Tab to an axis, Enter for its "
        "upper half, arrows move and Shift with arrows stretches, Escape lets go. "
    )
    hint += "Thick lines are on the Pareto front." if figures.pairs else "The thick line is the best."
    bar = element(
        "div",
        shade_legend(subject),
        element("span", class_="gap"),
        element("span", f"All {len(figures.judged)} trials", data_part="count", role="status"),
        element("button", "Let go of all", type="button", data_part="clear", hidden=True),
        class_="bar",
    )
    wide = element("div", parallel_coordinates(figures), class_="wide scroll")
    narrow = element("div", parallel_coordinates(figures, narrow=True), class_="narrow scroll")
    readout = element("p", "", class_="readout", aria_live="polite")
    unjudged = [
        element("li", f"Trial {trial.number} finished without a number for every objective and is not drawn.")
        for trial in figures.unjudged
    ]
    if figures.failed:
        unjudged.append(element("li", f"{len(figures.failed)} failed, listed below and not drawn."))
    return element(
        "section",
        element("h2", "Settings and what came of them"),
        element("p", hint, class_="hint"),
        element("div", bar, wide, narrow, readout, class_="curve parallel-part"),
        *([element("ul", *unjudged, class_="missing")] if unjudged else []),
    )


def _influence_section(subject: SweepSubject) -> Html:
    figures = subject.figures
    heading, told = element("h2", "What mattered"), influences(figures)
    if not told:
        num = len(figures.judged)
        why = (
            f"{num} finished {'trial' if num == 1 else 'trials'} cannot tell which parameter mattered; "
            f"from {FEWEST_TRIALS} on it is drawn here."
            if num < FEWEST_TRIALS
            else "No parameter, or no objective, changed between trials."
        )
        return element("section", heading, element("p", why, class_="absent"))
    hint = (
        "How closely an objective's ranks follow a parameter's: rank correlation, and for parameters without an order "
        "the correlation ratio of the ranks, both from 0 (not at all) to 1 (entirely). The upright mark is what chance "
        f"alone reaches in 95 of 100 shuffles of the same trials; of {len(told)} rows one in twenty passes it by luck. "
        "What several parameters do together is not seen here"
    )
    told_evenly = any(word in subject.record.sampler.lower() for word in _EVEN_SAMPLERS)
    uneven = "" if told_evenly else ", and a sampler that seeks good settings tries them unevenly"
    rows = [_influence_row(one) for one in told]
    headings = ["Parameter", "Strength, and chance", "", "Went with better"]
    tables = []
    for objective in figures.objectives:
        held = [row for one, row in zip(told, rows, strict=True) if one.objective == objective]
        caption = f"Parameters and {objective.title}, over {len(figures.judged)} trials"
        tables += [table(headings, held, caption, "influence")] if held else []
    return element(
        "section", heading, element("p", f"{hint}{uneven}.", class_="hint"), element("div", *tables, class_="beside")
    )


def _influence_row(told: Influence) -> list[str]:
    what = {1: "higher values", -1: "lower values", 0: told.best_value}[told.slope]
    if not told.stands_out:
        what = "no more than chance"
    return [
        together([told.parameter.title, element("small", told.parameter.name)]),
        element("td", influence_bar(told), class_="plot"),
        f"{told.strength:.2f}",
        what,
    ]


def _history_section(figures: SweepFigures) -> Html:
    plots = []
    for objective in figures.objectives:
        how = " · ".join(part for part in (objective.unit, _BETTER[objective.direction]) if part)
        heading = element("h4", objective.title, element("span", how))
        readout = element("p", "", class_="readout", aria_live="polite")
        plots.append(element("div", heading, history_plot(figures, objective), readout, class_="curve"))
    hint = "Trials in the order they were tried; the steps are the best so far."
    hint += " Crosses at the bottom failed." if figures.failed else ""
    return element(
        "section",
        element("h2", "How the search went"),
        element("p", hint, class_="hint"),
        element("div", *plots, class_="curves"),
    )


def _paperwork(subject: SweepSubject) -> Html:
    record = subject.record
    spaces = table(
        ["Key", "What it may be"], [[space.key, _space_words(space)] for space in record.space], "What was varied"
    )
    told = ", ".join(record.overrides) or "nothing"
    rest = definitions([("Told to every trial", told), ("Sweep", record.name), ("Begun", record.created)])
    return element("section", element("h2", "Paperwork"), folded("What was asked", spaces, rest), class_="paperwork")


def _space_words(space: ParameterSpace) -> str:
    if space.choices:
        return "one of " + ", ".join(parameter_words(choice) for choice in space.choices)
    if space.low is None or space.high is None:
        return "not recorded"
    kind = " ".join(["whole" if space.is_integer else "", "on a log scale" if space.is_log else ""]).strip()
    step = f", in steps of {parameter_words(space.step)}" if space.step else ""
    return f"from {parameter_words(space.low)} to {parameter_words(space.high)}{step}{f', {kind}' if kind else ''}"


def _payload(figures: SweepFigures) -> dict[str, object]:
    """What the page's script needs: each trial in words and its height on each axis, and what heights stand for."""
    return {
        "axes": [
            {
                "title": axis.title,
                "kind": axis.kind,
                "low": axis.low,
                "high": axis.high,
                "categories": axis.categories,
                "isFlipped": axis.direction == "minimize",
            }
            for axis in figures.axes
        ],
        "trials": {
            str(trial.number): {"words": words.trial_words(figures, trial), "heights": heights_of(figures, trial)}
            for trial in figures.judged
        },
    }
