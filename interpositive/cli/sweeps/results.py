"""What came of a sweep: a line for each trial as it ends, and a table of all, printed and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from interpositive.records.publishing import write_file_whole
from interpositive.records.sweep_record import Objective, Parameter, SweepRecord, TrialRecord
from interpositive.review.sweeps.figures import parameter_words, sweep_figures

TABLE_NAME = "sweep.csv"
_SHOWN = 20


def told(trial: TrialRecord, objectives: Sequence[Objective]) -> str:
    """A trial's line: how it ended, or that it waits to be gone on with."""
    took = f" after {trial.seconds:.0f} s" if trial.seconds is not None else ""
    if trial.state == "finished":
        values = [f"{_title(each)} {_number(trial.values[each.name])} {each.unit}".strip() for each in objectives]
        return f"trial {trial.number:04d} finished{took}: {', '.join(values)}"
    if trial.state == "failed":
        return f"trial {trial.number:04d} failed{took}{_code(trial)}: {(trial.reason or '?').splitlines()[0]}"
    return f"trial {trial.number:04d} was told to stop; it goes on from its checkpoint"


def write_table(folder: Path, sweep: SweepRecord, trials: Sequence[TrialRecord]) -> None:
    """Write ``sweep.csv``: a row for each trial, ``on_front`` for those that none beats in all objectives."""
    front = sweep_figures(sweep, trials).front
    keys = [space.key for space in sweep.space]
    names = [objective.name for objective in sweep.objectives]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["number", "state", *keys, *names, "on_front", "seconds", "exit_code", "reason"])
    for trial in trials:
        writer.writerow(
            [
                trial.number,
                trial.state,
                *(_exact(trial.parameters.get(key)) for key in keys),
                *(trial.values.get(name, "") for name in names),
                int(trial.number in front),
                "" if trial.seconds is None else trial.seconds,
                "" if trial.exit_code is None else trial.exit_code,
                " ".join(trial.reason.split()),
            ]
        )
    write_file_whole(folder / TABLE_NAME, table.getvalue())


def summary(sweep: SweepRecord, trials: Sequence[TrialRecord]) -> str:
    """The best trials, the front first where there are several objectives, and the reason of each that failed."""
    figures = sweep_figures(sweep, trials)
    ranked = figures.ranked(sweep.objectives[0])
    front = [trial for trial in ranked if trial.number in figures.front]
    others = [trial for trial in ranked if trial.number not in figures.front]
    several = len(sweep.objectives) > 1
    heads = ["", "trial", *(space.key for space in sweep.space), *(_head(each) for each in sweep.objectives)]
    rows = [
        [
            "*" if trial.number in figures.front else "",
            f"{trial.number:04d}",
            *(parameter_words(trial.parameters.get(space.key)) for space in sweep.space),
            *(_number(trial.values[each.name]) for each in sweep.objectives),
        ]
        for trial in [*front, *others]
    ]
    lines = _aligned([heads, *rows[:_SHOWN]]) if rows else []
    if len(rows) > _SHOWN:
        lines.append(f"and {len(rows) - _SHOWN} more in {TABLE_NAME}")
    if rows:
        lines.append(
            "* Pareto front: no other trial is as good in everything and better in something" if several else "* best"
        )
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed:
        lines.append(f"\n{len(failed)} of {len(trials)} trials failed:")
        lines += [f"  {trial.number:04d}{_code(trial)} {_indented(trial.reason)}" for trial in failed]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.5g}"


def _code(trial: TrialRecord) -> str:
    return "" if trial.exit_code is None else f" ({trial.exit_code})"


def _indented(reason: str) -> str:
    return "\n       ".join(line for line in reason.splitlines()[:4])


def _title(objective: Objective) -> str:
    return objective.title or objective.name


def _head(objective: Objective) -> str:
    arrow = "↑" if objective.direction == "maximize" else "↓"
    return f"{_title(objective)} {arrow}"


def _exact(value: Parameter) -> str:
    return repr(value) if isinstance(value, float) else parameter_words(value)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
