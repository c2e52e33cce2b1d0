"""An evaluation as tables: one to read on the terminal, two to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from interpositive.errors import TimecodeError
from interpositive.records.measures import (
    LEAST_SHOTS,
    MeanInterval,
    Measures,
    MetricInfo,
    PairedDifference,
    ShotMeasures,
)
from interpositive.records.publishing import write_file_whole
from interpositive.records.timecode import frame_to_timecode, frames_per_day, is_drop_frame, timecode_to_frame

FRAMES_NAME, SHOTS_NAME = "frames.csv", "shots.csv"
_NUM_WORST = 4
_NUM_COLUMNS = 6
_ARROWS = {"higher": "↑", "lower": "↓"}
_BETTER = {("higher", True): "better", ("higher", False): "worse", ("lower", True): "worse", ("lower", False): "better"}


def write_tables(folder: Path, measures: Measures) -> None:
    """Write ``frames.csv`` (a line for each frame and method of each shot) and ``shots.csv`` (one for each method).

    Numbers are written in full; what is not defined is an empty cell.
    """
    curves = [info.name for info in measures.curve_metrics]
    frames = [["shot", "frame", "timecode", "method", *curves]]
    shots = [["shot", "role", "num_frames", "rate", "method", *(info.name for info in measures.metrics)]]
    for shot in measures.shots:
        timecodes = [timecode_of(shot, shot.first_frame + place) for place in range(shot.num_frames)]
        for method, values in shot.values.items():
            found = shot.curves.get(method, {})
            columns = [found.get(name) or [None] * shot.num_frames for name in curves]
            frames += [
                [shot.name, str(shot.first_frame + place), timecode or "", method, *(_cell(c[place]) for c in columns)]
                for place, timecode in enumerate(timecodes)
            ]
            numbers = [_cell(values.get(info.name)) for info in measures.metrics]
            shots.append([shot.name, shot.role, str(shot.num_frames), shot.rate, method, *numbers])
    _write_csv(folder / FRAMES_NAME, frames)
    _write_csv(folder / SHOTS_NAME, shots)


def timecode_of(shot: ShotMeasures, frame: int) -> str | None:
    """The timecode of a frame, given its number; None where the shot has none or timecode cannot count at its rate."""
    if shot.start_timecode is None:
        return None
    rate, drop_frame = Fraction(shot.rate), is_drop_frame(shot.start_timecode)
    try:
        count = timecode_to_frame(shot.start_timecode, rate) + frame - shot.first_frame
        return frame_to_timecode(count % frames_per_day(rate, drop_frame), rate, drop_frame)
    except TimecodeError:
        return None


def format_table(measures: Measures, columns: Sequence[str] = ()) -> str:
    """For reading: a line for each shot and method with the numbers named by ``columns`` and the shot's worst frames.

    Below, the means over shots with their intervals, and the differences with
    whether they are settled. Columns that were not measured are left out; with
    none left, the first six that were are shown.
    """
    infos = _shown(measures, columns)
    rows = [["shot", "method", *(info.name for info in infos), "worst frames, worst first"]]
    rows.append(["", "", *(f"{info.unit} {_ARROWS.get(info.direction, '')}".strip() for info in infos), ""])
    for shot in measures.shots:
        for place, (method, values) in enumerate(shot.values.items()):
            told = f"{method}: {shot.chosen_method}" if method == "chosen" and shot.chosen_method else method
            numbers = [_short(values.get(info.name)) for info in infos]
            rows.append(["" if place else shot.name, told, *numbers, "" if place else _worst(shot)])
    parts = ["", *_aligned(rows, len(infos)), "  (↑ higher is better, ↓ lower is better)"]
    means = [_mean_row(mean, info) for info in infos for mean in measures.means if mean.metric == info.name]
    if len(measures.shots) > 1:
        parts += ["", f"means over {len(measures.shots)} shots, with 95 % intervals", *_aligned(means)]
    for method, other in dict.fromkeys((d.method, d.other) for d in measures.differences):
        found = [d for d in measures.differences if (d.method, d.other) == (method, other)]
        rows = [_difference_row(d, info) for info in infos for d in found if d.metric == info.name]
        if rows:
            parts += ["", f"{method} minus {other}, shot by shot, with 95 % intervals", *_aligned(rows)]
    num_more = sum(_is_defined(measures, info.name) for info in measures.metrics) - len(infos)
    if num_more > 0:
        parts += ["", f"{num_more} more numbers in {SHOTS_NAME}, frame by frame in {FRAMES_NAME}"]
    return "\n".join(parts)


def format_notes(measures: Measures) -> list[str]:
    """Every note and every shot's comment in lines; details that several notes share are told once."""
    notes = [*measures.notes, *(f"{shot.name}: {comment}" for shot in measures.shots for comment in shot.comments)]
    lines: list[str] = []
    told = set()
    for note in notes:
        first, *details = note.splitlines() or [""]
        lines.append(f"note: {first}")
        if tuple(details) not in told:
            lines += [f"    {line.strip()}" for line in details]
            told.add(tuple(details))
    return lines


def _shown(measures: Measures, columns: Sequence[str]) -> list[MetricInfo]:
    known = {info.name: info for info in measures.metrics if _is_defined(measures, info.name)}
    return [known[name] for name in columns if name in known] or list(known.values())[:_NUM_COLUMNS]


def _is_defined(measures: Measures, metric: str) -> bool:
    return any(values.get(metric) is not None for shot in measures.shots for values in shot.values.values())


def _worst(shot: ShotMeasures) -> str:
    told = []
    for frame in shot.worst_frames[:_NUM_WORST]:
        timecode = timecode_of(shot, frame)
        told.append(f"{frame} ({timecode})" if timecode else str(frame))
    return ", ".join(told) or "-"


def _mean_row(mean: MeanInterval, info: MetricInfo) -> list[str]:
    return ["", info.name, mean.method, _short(mean.mean), _interval(mean), info.unit, f"{mean.num_shots} shots"]


def _difference_row(difference: PairedDifference, info: MetricInfo) -> list[str]:
    verdict = "not settled"
    if difference.is_settled:
        word = _BETTER.get((info.direction, difference.mean > 0), "higher" if difference.mean > 0 else "lower")
        verdict = f"settled: {difference.method} is {word}"
    elif difference.low == difference.high == 0:
        verdict = "not settled: the same in every shot"
    elif difference.low is None:
        verdict = "not settled: one shot"
    elif difference.num_shots < LEAST_SHOTS:
        verdict = f"not settled: {difference.num_shots} shots, {LEAST_SHOTS} are needed"
    mean = _short(difference.mean, signed=True)
    return ["", info.name, mean, _interval(difference, signed=True), info.unit, verdict]


def _interval(of: MeanInterval | PairedDifference, signed: bool = False) -> str:
    if of.low is None or of.high is None:
        return "[no interval]"
    return f"[{_short(of.low, signed)} … {_short(of.high, signed)}]"


def _short(value: float | None, signed: bool = False) -> str:
    if value is None:
        return "-"
    size = abs(value)
    digits = ".0f" if size == 0 or size >= 1000 else ".2f" if size >= 1 else ".4f" if size >= 0.001 else ".2e"
    return format(value, ("+" if signed and value else "") + digits)


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def _aligned(rows: Sequence[Sequence[str]], num_numbers: int = 0) -> list[str]:
    """Columns of equal width; with ``num_numbers`` the columns after the first two are set to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= column < 2 + num_numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_file_whole(path, text.getvalue())
