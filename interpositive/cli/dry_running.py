"""A training run as it would be: data looked at, mini-model built, and measured in small; nothing is left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from interpositive.cli.training import AssembledTraining
from interpositive.functional.examples import Example
from interpositive.records.training_estimate import DataCheck, TrainingEstimate
from interpositive.review.estimate_screen import data_screen, estimate_line, estimate_screen, total_line
from interpositive.review.plan_table import plan_table
from interpositive.training.estimating import estimate_training
from interpositive.training.looking_over import look_over
from interpositive.training.planning import is_outline, plan_training, prepared_elsewhere, prepared_here


def tell_dry_run(parts: AssembledTraining) -> None:
    """Print what the run would take here, and on each kind of machine that the configuration names.

    A network whose weights are not here is only planned.
    """
    checked = _look_over(parts)
    name = f"{parts.production.name}/{parts.task.name}"
    with tempfile.TemporaryDirectory(prefix="interpositive_") as scratch:
        if is_outline(parts.mini_model):
            print(data_screen(name, checked).text())
            prepared, prepared_bytes = prepared_elsewhere(parts.mini_model, parts.dailies)
            _tell_plan(parts, prepared, prepared_bytes)
        else:
            estimate = _estimate(parts, Path(scratch))
            print(estimate_screen(name, checked, estimate, parts.begun_with).text(), flush=True)
            _tell_plan(parts, prepared_here(Path(scratch) / "train"), None)


def tell_dry_sweep(trials: Iterable[tuple[str, AssembledTraining]]) -> None:
    """Print a line for each trial, by its name, and what all take together; data are looked at for each."""
    estimates = []
    for name, parts in trials:
        _look_over(parts)
        with tempfile.TemporaryDirectory(prefix="interpositive_") as scratch:
            estimates.append(_estimate(parts, Path(scratch)))
        print(estimate_line(name, estimates[-1]), flush=True)
    print(total_line(estimates))


def _look_over(parts: AssembledTraining) -> DataCheck:
    return look_over(parts.dailies, parts.production.catalogue_path, parts.production.name)


def _estimate(parts: AssembledTraining, scratch: Path) -> TrainingEstimate:
    parts.mini_model.settle_in(scratch)
    return estimate_training(parts.mini_model, parts.dailies, parts.settings, parts.compute, parts.metrics, scratch)


def _tell_plan(parts: AssembledTraining, prepared: Example, prepared_bytes: int | None) -> None:
    if parts.device_kinds:
        batch_size, kinds = parts.dailies.batch_size, parts.device_kinds
        plan = plan_training(parts.mini_model, prepared, batch_size, parts.settings, kinds, prepared_bytes)
        print(f"\n{plan_table(plan)}")
