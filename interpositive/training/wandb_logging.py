"""What W&B is shown of a run: a held-out frame, every evaluation on held-out windows, and what came of it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
from pytorch_lightning.loggers import Logger

from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training.held_out import WindowCurves, WindowPictures
from interpositive.training.run_folder import ARCHIVE_NAME
from interpositive.training.wandb_run import RunLogger


def log_evaluation(
    loggers: Sequence[Logger],
    course: HeldOutCourse,
    curves: Mapping[str, WindowCurves],
    pictures: WindowPictures,
    movie_path: Path,
) -> None:
    """Show the course's last point to W&B, where it listens: numbers, tables, a line plot of each curve, the middle
    frame of every window (the worst first), and a video.

    ``curves`` has the curves of each method by window and metric, ``pictures`` what is shown of each window.
    """
    for logger in _run_loggers(loggers):
        logger.apart(partial(_log_shown, logger, course, curves, pictures, movie_path))


def log_preview(loggers: Sequence[Logger], step: int, path: Path) -> None:
    """Show W&B, where it listens and pictures are wanted, the held-out frame that a validation wrote to ``path``."""
    for logger in _run_loggers(loggers):
        if logger.settings.log_media:
            logger.apart(partial(_log_picture, logger, step, path))


def _log_picture(logger: RunLogger, step: int, path: Path, run: Any) -> None:
    import wandb

    logger.log_new(run, {"preview": wandb.Image(str(path), caption="damaged, prior, trained, true")}, step)


def log_earlier(loggers: Sequence[Logger], course: HeldOutCourse, metrics_path: Path) -> None:
    """Tell W&B the numbers that a killed segment did not keep, as the run's own files have them, before it goes on."""
    by_step: dict[int, dict[str, Any]] = defaultdict(dict)
    if metrics_path.is_file():
        with metrics_path.open(newline="") as stream:
            for row in csv.DictReader(stream):
                by_step[int(row["step"])][row["name"]] = float(row["value"])
    for number, point in enumerate(course.points, 1):
        by_step[point.step] |= _scalars(course.model_copy(update={"points": course.points[:number]}))
    if by_step:
        for logger in _run_loggers(loggers):
            logger.apart(partial(logger.log_lost, by_step))


def _run_loggers(loggers: Sequence[Logger]) -> list[RunLogger]:
    return [logger for logger in loggers if isinstance(logger, RunLogger)]


def _log_shown(
    logger: RunLogger,
    course: HeldOutCourse,
    curves: Mapping[str, WindowCurves],
    pictures: WindowPictures,
    movie_path: Path,
    run: Any,
) -> None:
    import wandb

    shown: dict[str, Any] = _scalars(course)
    columns, rows = metric_rows(course)
    shown["held_out/metrics"] = wandb.Table([*columns], rows)
    columns, rows = curve_rows(curves)
    shown["held_out/curves"] = wandb.Table([*columns], rows)
    for name in columns[3:]:
        shown |= _line_plot(name, curves)
    if logger.settings.log_media:
        columns, rows = picture_rows(course, pictures)
        images = [[wandb.Image(cell) if index > 1 else cell for index, cell in enumerate(row)] for row in rows]
        shown["held_out/pictures"] = wandb.Table([*columns], images)
        shown["held_out/video"] = wandb.Video(str(movie_path), caption="damaged, restored, true", format="mp4")
    logger.log_new(run, shown, course.points[-1].step)


def picture_rows(course: HeldOutCourse, pictures: WindowPictures) -> tuple[list[str], list[list[Any]]]:
    """The last point's windows as a table of pictures ``h w 3``: the worst by the run's own score first.

    Windows without a score come last.
    """
    values = dict(zip(course.windows, course.points[-1].by_window[course.method][course.score], strict=False))
    sign = 1 if course.higher_is_better else -1
    order = sorted(
        (name for name in course.windows if name in pictures),
        key=lambda name: (values[name] is None, sign * (values[name] or 0.0)),
    )
    labels = list(dict.fromkeys(label for name in order for label in pictures[name]))
    # The truth beside what is judged by it.
    labels.sort(key=lambda label: label == "true")
    complete = [name for name in order if all(label in pictures[name] for label in labels)]
    rows = [[name, values[name], *(pictures[name][label] for label in labels)] for name in complete]
    return ["window", course.score, *labels], rows


def log_outcome(loggers: Sequence[Logger], record: RunRecord) -> None:
    """Give W&B's summary the numbers of the run record by their own names, which reports of sweeps look for.

    What was logged step by step ends with the last checkpoint; these are of the kept one. The archive goes along as an
    artifact where that is wanted, with its digest.
    """
    costs = {"seconds_training": record.seconds_training, "num_parameters": record.num_parameters}
    scores = {name: value for name, value in record.scores.items() if value is not None}
    for logger in _run_loggers(loggers):
        logger.apart(lambda run: run.summary.update(scores | costs))
        if logger.settings.log_archive:
            logger.apart(partial(_log_archive, logger.folder / ARCHIVE_NAME, record))


def _log_archive(archive_path: Path, record: RunRecord, run: Any) -> None:
    import wandb

    artifact = wandb.Artifact(
        f"{record.production}-{record.task}-{run.id}",
        type="mini_model",
        metadata={
            "archive_sha256": record.archive_sha256,
            "mini_model": record.mini_model,
            "production": record.production,
            "task": record.task,
            "kept_step": record.scores.get("held_out/kept_step"),
        },
    )
    # The files themselves, not copies: an archive never changes.
    artifact.add_dir(str(archive_path), policy="immutable")
    run.log_artifact(artifact, aliases=["kept"])


def _scalars(course: HeldOutCourse) -> dict[str, Any]:
    point = course.points[-1]
    scalars: dict[str, Any] = {
        f"held_out/{method}/{name}": value
        for method, found in point.values.items()
        for name, value in found.items()
        if value is not None
    }
    scalars["held_out/loss"] = point.loss
    scalars["held_out/kept_step"] = course.kept_step
    scalars["held_out/flagged"] = int(point.flag is not None)
    return scalars


def metric_rows(course: HeldOutCourse) -> tuple[list[str], list[list[Any]]]:
    """The last point as a table: a row for each method and number, with a column for each window."""
    point = course.points[-1]
    measured = {**course.points[0].by_window, **point.by_window}
    columns = ["method", "metric", "unit", "better", "mean", *course.windows]
    rows = [
        [method, info.name, info.unit, info.direction, found[info.name], *measured[method][info.name]]
        for method, found in point.values.items()
        for info in course.metrics
    ]
    return columns, rows


def curve_rows(curves: Mapping[str, WindowCurves]) -> tuple[list[str], list[list[Any]]]:
    """Curves as a table: a row for each method, window and frame, with a column for each metric."""
    names = list(dict.fromkeys(name for windows in curves.values() for found in windows.values() for name in found))
    rows = [
        [method, window, frame, *values]
        for method, windows in curves.items()
        for window, found in windows.items()
        for frame, values in enumerate(zip(*(found[name] for name in names), strict=True))
    ]
    return ["method", "window", "frame", *names], rows


def _line_plot(name: str, curves: Mapping[str, WindowCurves]) -> dict[str, Any]:
    """A plot under its name, or none where nothing is defined: a line a method, over all windows' frames in turn."""
    import wandb

    lines = {
        method: [value for found in windows.values() for value in found[name]] for method, windows in curves.items()
    }
    points = {method: [(x, y) for x, y in enumerate(line) if y is not None] for method, line in lines.items()}
    points = {method: line for method, line in points.items() if line}
    if not points:
        return {}
    plot = wandb.plot.line_series(
        xs=[[x for x, _ in line] for line in points.values()],
        ys=[[y for _, y in line] for line in points.values()],
        keys=list(points),
        title=name,
        xname="frame",
    )
    return {f"held_out/curve/{name}": plot}
