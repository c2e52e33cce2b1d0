"""``interpositive reproduce``: a finished run trained anew, or asked whether it can be, and what is other."""

from __future__ import annotations

import math
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from interpositive.cli.assembling import read_config
from interpositive.cli.launching import launch
from interpositive.cli.reproducing import Moved, Plan, plan_reproduction
from interpositive.cli.runs import refuse_other_folder
from interpositive.errors import CannotReproduceError, ConfigError, NotReproducedError
from interpositive.records.reproduction import (
    REPRODUCTION_NAME,
    ReproductionRecord,
    Verdict,
    first_of_weight,
    verdict_before_training,
)
from interpositive.records.run_record import RUN_RECORD_NAME
from interpositive.review.reproduction_screen import reproduction_screen
from interpositive.training.comparing_runs import Comparison, compare_runs
from interpositive.training.ranks import rank_of


class ReproduceConfig(BaseModel):
    """The keys of ``conf/reproduce.yaml``."""

    model_config = ConfigDict(extra="forbid")

    run: Path
    output: Path | None
    check_only: bool
    tolerance: float = Field(ge=0)
    workspace: Path | None
    start_from: Path | None
    damage: dict[str, str]
    accelerator: str | None
    progress: bool


def run(config: DictConfig) -> None:
    """Check, train unless it is only asked, compare, and print one screen.

    ``CannotReproduceError`` if the run cannot be trained here, ``NotReproducedError`` if it ended (or, when only
    asked, is bound to end) as another one.
    """
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(ReproduceConfig, plain, "reproduce")
    output = settings.output or _new_folder(settings.run)
    _refuse_inside(output, settings.run)
    moved = Moved(settings.workspace, settings.start_from, settings.damage, settings.accelerator)
    rank = rank_of(os.environ)
    # Of many that were started as ranks, one tells.
    tells = rank is None or rank.number == 0
    plan = plan_reproduction(settings.run, output, moved, settings.progress and tells)
    verdict = verdict_before_training(plan.findings)
    if settings.check_only or verdict == "cannot":
        _tell(_account(settings, plan, verdict), tells)
        return
    record = launch({**plan.plain, "progress": settings.progress}, output)
    if not tells:
        return
    compared = compare_runs(settings.run, output)
    account = _account(settings, plan, _verdict(compared, settings.tolerance), compared, record.seconds_training)
    account.write(output)
    # Made anew to be compared, and of no use to another run.
    shutil.rmtree(plan.prepared_folder, ignore_errors=True)
    print(f"trained anew in {record.seconds_training:.0f} s: {output}, account in {REPRODUCTION_NAME}\n")
    _tell(account, tells)


def _account(
    settings: ReproduceConfig,
    plan: Plan,
    verdict: Verdict,
    compared: Comparison | None = None,
    seconds: float = 0.0,
) -> ReproductionRecord:
    findings = [*plan.findings, *(compared.findings if compared else [])]
    if verdict in ("equal", "can be reproduced"):
        first = None
    else:
        first = first_of_weight(findings, "no run") or first_of_weight(findings, "other result", "unknown")
    account = ReproductionRecord(
        run=settings.run.resolve().name,
        run_record_sha256=plan.record_sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        first_difference=f"{first.part}: {first.line()}" if first else "",
        findings=findings,
        tolerance=settings.tolerance,
        seconds_training=seconds,
    )
    if compared is None:
        return account
    return account.model_copy(
        update={
            "tensors": compared.tensors,
            "num_tensors": compared.num_tensors,
            "distance": compared.distance if math.isfinite(compared.distance) else None,
            "scores": compared.scores,
            "first_step": compared.first_step,
            "weights_sha256": compared.weights_sha256,
        }
    )


def _verdict(compared: Comparison, tolerance: float) -> Verdict:
    if compared.is_equal:
        return "equal"
    return "within tolerance" if compared.is_within(tolerance) else "different"


def _tell(account: ReproductionRecord, tells: bool) -> None:
    if tells:
        print(reproduction_screen(account).text())
    if account.verdict == "cannot":
        raise CannotReproduceError("the run cannot be trained anew here", found=account.first_difference)
    if account.verdict in ("different", "can be trained, as another run"):
        raise NotReproducedError(
            "the run trained anew is another one"
            if account.verdict == "different"
            else "what would be trained here is another run",
            found=f"first difference: {account.first_difference}",
        )


def _new_folder(run: Path) -> Path:
    """``<run>.reproduced``, or with a number behind where that is finished: one that is not goes on."""
    run, number = run.resolve(), 2
    folder = run.with_name(f"{run.name}.reproduced")
    while (folder / RUN_RECORD_NAME).exists():
        folder = run.with_name(f"{run.name}.reproduced_{number}")
        number += 1
    return folder


def _refuse_inside(output: Path, run: Path) -> None:
    if output.resolve().is_relative_to(run.resolve()):
        raise ConfigError(
            "output lies in the run that is to be left as it is", found=output, expected="a folder beside"
        )
    refuse_other_folder(output, "output")
