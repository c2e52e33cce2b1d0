"""A training run as it would be: data looked at, mini-model built, and measured in small; nothing is left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from interpositive.cli.training import AssembledTraining
from interpositive.records.training_estimate import DataCheck, TrainingEstimate
from interpositive.review.estimate_screen import estimate_line, estimate_screen, total_line
from interpositive.training.estimating import estimate_training
from interpositive.training.looking_over import look_over


def tell_dry_run(parts: AssembledTraining) -> None:
    """Print what the run would take."""
    checked = _look_over(parts)
    name = f"{parts.production.name}/{parts.task.name}"
    print(estimate_screen(name, checked, _estimate(parts), parts.begun_with).text())


def tell_dry_sweep(trials: Iterable[tuple[str, AssembledTraining]]) -> None:
    """Print a line for each trial, by its name, and what all take together; data are looked at for each."""
    estimates = []
    for name, parts in trials:
        _look_over(parts)
        estimates.append(_estimate(parts))
        print(estimate_line(name, estimates[-1]), flush=True)
    print(total_line(estimates))


def _look_over(parts: AssembledTraining) -> DataCheck:
    return look_over(parts.dailies, parts.production.catalogue_path, parts.production.name)


def _estimate(parts: AssembledTraining) -> TrainingEstimate:
    with tempfile.TemporaryDirectory(prefix="interpositive_") as scratch:
        parts.mini_model.settle_in(Path(scratch))
        return estimate_training(
            parts.mini_model, parts.dailies, parts.settings, parts.compute, parts.metrics, Path(scratch)
        )
