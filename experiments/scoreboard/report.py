"""The tables of the scoreboard, a review page for each task, and one page that leads to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from asked import BARS
from bars import UNET, Costs, Measured, real, stage, value
from boards import TIMED_HEIGHTS, Board
from judging import CODE

from interpositive.delivery.evaluation import CHOSEN, MEASURES_NAME, measures_of
from interpositive.metrics.intervals import bootstrap_interval
from interpositive.records.digests import sha256_of_value
from interpositive.records.evaluation_record import EvaluationRecord, JudgedShotFiles, ShotReport
from interpositive.records.measures import ShotMeasures
from interpositive.records.publishing import write_file_whole
from interpositive.review.elements import Html, element, table, together
from interpositive.review.page import write_review
from interpositive.review.shell import render_shell
from interpositive.training.run_folder import machine_description, software_versions

COLUMNS = (
    ("ssim_hole", "SSIM", "{:.3f}"),
    ("lpips_alex_hole", "LPIPS", "{:.3f}"),
    ("e_warp_rel_dis_hole", "warp error, clean shot = 1", "{:.2f}"),
    ("local_flicker_dis_hole", "flicker", "{:.2f}"),
    ("cover_left", "left of what was to go, ‰", "{:.1f}"),
)
HEADLINES = {
    "psnr_hole": ("hole PSNR, dB", "{:.2f}"),
    "psnr_middle": ("middle of gap, dB", "{:.2f}"),
    "gain_left": ("flicker left, share", "{:.3f}"),
    "delta_e00": ("ΔE00", "{:.2f}"),
}


@dataclass(frozen=True)
class Judged:
    """What was found of a task: merged shots, the reports they come from, and costs by ``train``, and by ``apply`` or
    a method at a height.
    """

    board: Board
    shots: list[ShotMeasures]
    reports: list[ShotReport]
    costs: Costs


def merged(board: Board, reports: Mapping[str, Sequence[ShotReport]]) -> list[ShotMeasures]:
    """One record a shot with the delivered mini-model's methods, and what others learned under their own names."""
    shots = []
    beside = {name: {r.measures.name: r.measures for r in found} for name, found in reports.items()}
    for report in reports.get(board.delivered, ()):
        shot = report.measures
        values, curves, pictures = dict(shot.values), dict(shot.curves), dict(shot.pictures)
        for name in list(reports)[1:]:
            other = beside[name].get(shot.name)
            if other is not None:
                values[name], curves[name] = other.values["trained"], other.curves["trained"]
                shown = "result" if other.chosen_method == "trained" else "trained"
                pictures[name] = other.pictures[shown]
        shots.append(shot.model_copy(update={"values": values, "curves": curves, "pictures": pictures}))
    return shots


def write_task_page(judged: Judged, folder: Path) -> Path:
    """The review page of a task: every shot moves, by every method, beside its numbers and intervals."""
    first = judged.reports[0]
    methods = list(dict.fromkeys(method for shot in judged.shots for method in shot.values))
    pairs = [(CHOSEN, method) for method in methods if method != CHOSEN]
    notes = [note for report in judged.reports for note in report.notes]
    folder.mkdir(parents=True, exist_ok=True)
    measures_of(judged.shots, first.metrics, first.curve_metrics, pairs, notes).write(folder / MEASURES_NAME)
    settings = {file.role: file.sha256 for file in first.files}
    EvaluationRecord(
        title=f"Scoreboard — {judged.board.task}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config_sha256=sha256_of_value(settings),
        settings=settings,
        shots=[JudgedShotFiles(name=report.measures.name, files=report.files) for report in judged.reports],
        versions=software_versions(),
        machine=machine_description(),
    ).write(folder)
    return write_review(folder)


def bar_rows(judged: Judged) -> list[list[str]]:
    """Bar, measured, over what, verdict, reason."""
    rows = []
    for bar in (bar for bar in BARS if bar.task == judged.board.task):
        measured = bar.measure(judged.shots, judged.costs)
        verdict = bar.verdict(measured)
        rows.append([bar.asked, _number(measured), measured.over, verdict, bar.why if verdict != "held" else ""])
    return rows


def method_rows(judged: Judged) -> tuple[list[str], list[list[str]]]:
    """A row a method: the headline on both kinds of footage with its interval, what else was measured, and costs."""
    headline = judged.board.headline
    title, form = HEADLINES[headline]
    heads = ["method", f"{title}: soundstage", "real", *(name for _, name, _ in COLUMNS)]
    heads += ["processor s to train", "processor s a 540p frame", "a 1080p frame", "peak MiB at 1080p"]
    rows = []
    for label in judged.board.judged:
        shots = under(judged.board, judged.shots, label)
        for method in dict.fromkeys(method for shot in shots for method in shot.values):
            name = f"{label}: {method}" if len(judged.board.judged) > 1 and label else method
            row = [name, *(_mean(of(shots), method, headline, form) for of in (stage, real))]
            for metric, _, one in COLUMNS:
                found = _mean(shots, method, metric, one, interval=False)
                row.append("no weights" if found == "–" and metric.startswith("lpips") else found)
            train = judged.costs.get(
                f"train {method}" if method == UNET else "train" if method == "trained" else "", {}
            )
            at = [judged.costs.get(f"{method} {height}", {}) for height in TIMED_HEIGHTS]
            row += [_cell(train.get("seconds"), "{:.0f}"), *(_cell(each.get("cpu_seconds"), "{:.2f}") for each in at)]
            rows.append([*row, _cell(at[-1].get("peak_mib"), "{:.0f}")])
    return heads, rows


def under(board: Board, shots: Sequence[ShotMeasures], label: str) -> list[ShotMeasures]:
    """Shots under one kind of damage; those of no label are all that have no other's."""
    others = [other for other in board.judged if other and other != label]
    if label:
        return [shot for shot in shots if shot.name.endswith(f"_{label}")]
    return [shot for shot in shots if not any(shot.name.endswith(f"_{other}") for other in others)]


def shot_rows(judged: Judged) -> tuple[list[str], list[list[str]]]:
    """A row a shot: the headline of every method, and what was chosen without knowing the truth."""
    methods = list(dict.fromkeys(method for shot in judged.shots for method in shot.values))
    form = HEADLINES[judged.board.headline][1]
    rows = [
        [shot.name, *(_cell(value(shot, m, judged.board.headline), form) for m in methods), shot.chosen_method]
        for shot in judged.shots
    ]
    return ["shot", *methods, "chosen is"], rows


def head(everything: Sequence[Judged]) -> str:
    """Machine, code and how many records are of it."""
    sources = [file.sha256[:12] for j in everything for r in j.reports for file in r.files if file.role == CODE]
    codes = ", ".join(f"{sources.count(code)} by sources {code}" for code in dict.fromkeys(sources))
    return f"{machine_description()}; records: {codes}. LPIPS needs weights that are looked for and never fetched."


def as_markdown(judged: Judged) -> str:
    """A task's tables as text, under its name."""
    heads = ["bar", "measured [95 %]", "over", "verdict", "why not"]
    tables = _markdown(heads, bar_rows(judged)), _markdown(*method_rows(judged)), _markdown(*shot_rows(judged))
    return "\n\n".join([f"## {judged.board.task}", head([judged]), *tables]) + "\n"


def write_index(everything: Sequence[Judged], pages: Mapping[str, Path], output: Path) -> Path:
    """One page: the bars, every task's tables, and the way to the task's moving pictures."""
    heads = ["bar", "measured, 95 % interval", "over", "verdict", "why not"]
    sections: list[Html] = []
    for judged in everything:
        task = judged.board.task
        link = element("a", "Every shot in motion, by every method", href=pages[task].relative_to(output).as_posix())
        sections.append(
            element(
                "section",
                element("h2", task),
                element("p", link),
                table(heads, bar_rows(judged), "What was asked, and what was measured"),
                table(*method_rows(judged), caption="Means over shots"),
                table(*shot_rows(judged), caption=f"Shot by shot: {HEADLINES[judged.board.headline][0]}"),
            )
        )
    header = element("header", element("h1", "Scoreboard"), element("p", head(everything)), class_="top")
    text = render_shell(
        "Scoreboard", header, [together(sections)], [], styles=("page",), scripts=(), absent="All tables are here."
    )
    path = output / "index.html"
    write_file_whole(path, text)
    return path


def _mean(shots: Sequence[ShotMeasures], method: str, metric: str, form: str, *, interval: bool = True) -> str:
    numbers = [value(shot, method, metric) for shot in shots]
    finite = [number for number in numbers if np.isfinite(number)]
    if not finite:
        return "–"
    found = bootstrap_interval(finite) if interval else None
    spread = f" [{form.format(found[0])}, {form.format(found[1])}]" if found else ""
    return form.format(float(np.mean(finite))) + spread


def _number(found: Measured) -> str:
    if found.value is None:
        return "–"
    spread = f" [{found.low:.2f}, {found.high:.2f}]" if found.low is not None and found.high is not None else ""
    return (f"{found.value:.0f}" if abs(found.value) >= 100 else f"{found.value:.3g}") + spread


def _cell(number: float | str | None, form: str) -> str:
    return form.format(number) if isinstance(number, int | float) and np.isfinite(number) else "–"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
