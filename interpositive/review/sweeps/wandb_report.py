"""A finished sweep as a W&B Report: the sentences and numbers of its page, over the runs of its group.

Building one asks nothing of a network. What goes in is named here, field by field: no path, no override, no reason of
a failure, no name of a take, and no machine.
"""

from __future__ import annotations

import json
import re
from typing import Any

from interpositive.errors import ConfigError, RunFolderError
from interpositive.records.sweep_record import Objective, Parameter, ParameterSpace, SweepRecord, TrialRecord
from interpositive.review.sweeps import verdict as words
from interpositive.review.sweeps.figures import SweepFigures, parameter_words, sweep_figures
from interpositive.review.sweeps.influence import influences
from interpositive.review.sweeps.subject import SweepSubject

LEFT_OUT = "(left out: a path)"
_PATH = re.compile(r"[/\\]|^~|^\.{1,2}$")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!])")
_LONGEST_TITLE = 128
_HALF, _WHOLE, _ROW = 12, 24, 12


def build_report(subject: SweepSubject, project: str, entity: str = "", group: str = "") -> Any:
    """A ``wandb_workspaces.reports.v2.Report``, not saved anywhere.

    ``group`` is the W&B group of the sweep's runs, the sweep's name unless it was told another. ``RunFolderError`` for
    a sweep that has not ended or of which no trial finished, ``ConfigError`` without the package.
    """
    if subject.num_missing:
        raise RunFolderError(
            f"{subject.folder} has not ended",
            found=f"{subject.num_missing} of {subject.record.num_trials} trials still to come",
            remedy="run the sweep's command again, it goes on; interpositive review shows an unfinished sweep too",
        )
    if not subject.figures.judged:
        raise RunFolderError(
            f"no trial of {subject.folder} finished", remedy="interpositive review tells why they failed"
        )
    reports = _package()
    told = without_paths(subject)
    blocks = [
        reports.MarkdownBlock(text=_paragraphs(words.verdict(told))),
        reports.MarkdownBlock(text=_bullets(words.doubts(told))),
    ]
    if told.figures.pairs:
        blocks += [reports.H2(text="Pareto front"), reports.MarkdownBlock(text=_front_table(told.figures))]
    blocks += [
        reports.H2(text="Settings and what came of them"),
        reports.PanelGrid(runsets=[_runset(reports, told, group)], panels=_panels(reports, told.figures)),
        reports.H2(text="What mattered"),
        reports.MarkdownBlock(text=_influence_table(told.figures)),
        reports.H2(text="Every trial"),
        reports.MarkdownBlock(text=_trial_table(told)),
    ]
    return reports.Report(
        project=project,
        entity=entity,
        title=told.title[:_LONGEST_TITLE],
        description=words.counts(told),
        blocks=blocks,
        width="fluid",
    )


def report_json(report: Any) -> str:
    """What would be sent, as text to read; the same sweep gives the same text."""
    return json.dumps(_numbered(report._to_model().model_dump(mode="json", by_alias=True), {}), indent=1) + "\n"


def without_paths(subject: SweepSubject) -> SweepSubject:
    """The sweep with nothing but what may leave the machine; a parameter that looks like a path is not told."""
    record = subject.record
    told = SweepRecord(
        name=re.split(r"[/\\]", record.name.rstrip("/\\"))[-1],
        created=record.created,
        production=_shown(record.production),
        task=_shown(record.task),
        sampler=record.sampler,
        seed=record.seed,
        num_trials=record.num_trials,
        objectives=[Objective(**objective.model_dump()) for objective in record.objectives],
        space=[_space(space) for space in record.space],
        overrides=[],
    )
    trials = [
        TrialRecord(
            number=trial.number,
            parameters={key: _parameter(value) for key, value in trial.parameters.items()},
            state=trial.state,
            values=trial.values,
            exit_code=trial.exit_code,
            seconds=trial.seconds,
        )
        for trial in subject.trials
    ]
    return SweepSubject(subject.folder, told, trials, subject.courses, sweep_figures(told, trials))


def _space(space: ParameterSpace) -> ParameterSpace:
    choices = list(dict.fromkeys(_parameter(choice) for choice in space.choices))
    return space.model_copy(update={"choices": choices})


def _parameter(value: Parameter) -> Parameter:
    return _shown(value) if isinstance(value, str) else value


def _shown(text: str) -> str:
    return LEFT_OUT if _PATH.search(text) else text


def _package() -> Any:
    try:
        import wandb_workspaces.reports.v2 as reports
    except ImportError:
        raise ConfigError(
            "a W&B Report needs the package wandb-workspaces",
            found="it is not installed",
            remedy="pip install 'interpositive[reports]'",
        ) from None
    return reports


def _runset(reports: Any, subject: SweepSubject, group: str) -> Any:
    """The runs of the sweep's group, of the report's own project."""
    name = group or subject.record.name
    # The filter language reads signs of its own inside quotes too: none is left as it is.
    quoted = "".join(f"\\U{ord(character):08x}" for character in name)
    filters = f"Metric('Group') == '{quoted}'"
    return reports.Runset(name="The sweep's trials", filters=filters, order=[reports.OrderBy("Name", ascending=True)])


def _panels(reports: Any, figures: SweepFigures) -> list[Any]:
    columns = [
        reports.ParallelCoordinatesPlotColumn(
            metric=reports.SummaryMetric(axis.name) if axis.direction else reports.Config(axis.name),
            display_name=axis.title,
            # Upwards is better, as on the page.
            inverted=axis.direction == "minimize",
            log=axis.kind == "log",
        )
        for axis in figures.axes
    ]
    panels = [
        reports.ParallelCoordinatesPlot(
            title="Parameters and objectives", columns=columns, layout=reports.Layout(x=0, y=0, w=_WHOLE, h=_ROW)
        )
    ]
    for at, pair in enumerate(figures.pairs):
        place = reports.Layout(x=at % 2 * _HALF, y=_ROW * (1 + at // 2), w=_HALF, h=_ROW)
        panels.append(
            reports.ScatterPlot(
                title=f"{pair.y.title} over {pair.x.title}",
                x=reports.SummaryMetric(pair.x.name),
                y=reports.SummaryMetric(pair.y.name),
                layout=place,
            )
        )
    below = _ROW * (1 + -(-len(figures.pairs) // 2))
    panels.append(
        reports.MediaBrowser(
            title="Held-out frames as each trial logged them",
            media_keys=["preview", "held_out/video"],
            layout=reports.Layout(x=0, y=below, w=_WHOLE, h=_ROW),
        )
    )
    return panels


def _front_table(figures: SweepFigures) -> str:
    rows = [
        [
            str(number),
            *(words.value_words(o, figures.trial(number).values[o.name]) for o in figures.objectives),
            words.setting(figures, figures.trial(number)),
        ]
        for number in figures.front
    ]
    return _table(["Trial", *(o.title for o in figures.objectives), "Setting"], rows)


def _influence_table(figures: SweepFigures) -> str:
    told = influences(figures)
    if not told:
        return f"{len(figures.judged)} finished trials cannot tell which parameter mattered."
    rows = [
        [
            one.objective.title,
            one.parameter.name,
            f"{one.strength:.2f}",
            f"{one.chance:.2f}",
            {1: "higher values", -1: "lower values", 0: one.best_value}[one.slope] if one.stands_out else "chance",
        ]
        for one in told
    ]
    return _table(["Objective", "Parameter", "Strength, 0 to 1", "By chance up to", "Went with better"], rows)


def _trial_table(subject: SweepSubject) -> str:
    figures = subject.figures
    rows = []
    for trial in subject.trials:
        state = trial.state if trial.exit_code is None else f"{trial.state}, exit code {trial.exit_code}"
        values = [
            words.value_words(o, trial.values[o.name]) if trial in figures.judged else "–" for o in figures.objectives
        ]
        held = [
            parameter_words(trial.parameters[axis.name]) if axis.name in trial.parameters else "–"
            for axis in figures.parameter_axes
        ]
        rows.append([str(trial.number), state, *values, *held])
    heads = ["Trial", "How it ended", *(axis.title for axis in (*figures.objective_axes, *figures.parameter_axes))]
    return _table(heads, rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_plain, cells))} |" for cells in lines)


def _paragraphs(sentences: list[str]) -> str:
    return "\n\n".join(map(_plain, sentences))


def _bullets(sentences: list[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _plain(text: str) -> str:
    """Text whose marks Markdown does not take for its own."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _numbered(value: Any, seen: dict[str, str], key: str = "") -> Any:
    """The same structure with identifiers that the package draws at random counted instead."""
    if isinstance(value, dict):
        return {name: _numbered(held, seen, name) for name, held in value.items() if held is not None}
    if isinstance(value, list):
        return [_numbered(held, seen, key) for held in value]
    if key in ("id", "__id__") and isinstance(value, str) and value:
        return seen.setdefault(value, f"part-{len(seen)}")
    return value
