"""Weights & Biases, kept on this machine unless asked otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import interpositive.training  # noqa: F401  isort: skip
from pydantic import BaseModel, ConfigDict
from pytorch_lightning.loggers import Logger, WandbLogger

from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training.held_out import WindowCurves


class WandbSettings(BaseModel):
    """``mode``: ``offline`` (kept in the run folder), ``online`` (sent to ``entity``/``project``) or ``disabled``."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["offline", "online", "disabled"] = "offline"
    project: str = "interpositive"
    entity: str | None = None
    group: str | None = None


def make_wandb_logger(settings: WandbSettings, folder: Path, production: str, task: str) -> list[Logger]:
    """A logger for one run, or none. Code, git state, console and machine statistics stay out of the log."""
    if settings.mode == "disabled":
        return []
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        os.environ.setdefault(name, str((folder / "wandb").resolve()))
    return [
        WandbLogger(
            project=settings.project,
            entity=settings.entity,
            group=settings.group or f"{production}/{task}",
            name=folder.name,
            save_dir=str(folder),
            offline=settings.mode == "offline",
            settings=wandb.Settings(
                save_code=False,
                disable_git=True,
                disable_job_creation=True,
                console="off",
                x_disable_stats=True,
                x_disable_meta=True,
                silent=True,
            ),
        )
    ]


def log_evaluation(
    loggers: Sequence[Logger], course: HeldOutCourse, curves: Mapping[str, WindowCurves], movie_path: Path
) -> None:
    """Show the course's last point to W&B, where it listens: numbers, tables, a line plot of each curve, and a video.

    ``curves`` has the curves of each method by window and metric.
    """
    for logger in loggers:
        if not isinstance(logger, WandbLogger):
            continue
        import wandb

        step = course.points[-1].step
        shown: dict[str, Any] = _scalars(course)
        columns, rows = metric_rows(course)
        shown["held_out/metrics"] = wandb.Table([*columns], rows)
        columns, rows = curve_rows(curves)
        shown["held_out/curves"] = wandb.Table([*columns], rows)
        for name in columns[3:]:
            shown |= _line_plot(name, curves)
        shown["held_out/video"] = wandb.Video(str(movie_path), caption="damaged, restored, true", format="mp4")
        logger.log_metrics(shown, step=step)


def log_outcome(loggers: Sequence[Logger], record: RunRecord) -> None:
    """Give W&B's summary the numbers of the run record by their own names, which reports of sweeps look for.

    What was logged step by step ends with the last checkpoint; these are of the kept one.
    """
    costs = {"seconds_training": record.seconds_training, "num_parameters": record.num_parameters}
    scores = {name: value for name, value in record.scores.items() if value is not None}
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.summary.update(scores | costs)


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
