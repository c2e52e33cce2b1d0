"""A finished run as it could be trained anew here: its configuration with moved places, and all that is other."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from interpositive.cli.runs import read_run
from interpositive.cli.starting import find_archive
from interpositive.cli.training import assemble_training
from interpositive.errors import ConfigError, InterpositiveError
from interpositive.mini_models.archive import archive_digest
from interpositive.records.digests import sha256_of_file
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.provenance import ENVIRONMENT_NAME, installed_distributions, read_environment
from interpositive.records.reproduction import Finding, compare_configs, compare_provenance, first_of_weight
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord, refuse_tampered
from interpositive.training.comparing_runs import refuse_incomparable
from interpositive.training.ranks import rank_of
from interpositive.training.recorded_data import compare_data
from interpositive.training.run_folder import CONFIG_NAME
from interpositive.training.surroundings import measure_provenance

# Where things lie, how they are watched and how often they are saved: the same numbers come of any of them.
HARMLESS = (
    *("production.workspace", "start_from", "run_folder", "dry_run", "progress", "wandb.", "damage.", "device_kind."),
    *("trainer.judge_seconds", "trainer.held_out_windows"),
    *("dailies.num_workers", "dailies.num_prepare_workers", "dailies.prepared_folder", "compute.threads"),
)
_PREPARED = "prepared"
_SECTIONS = ("production", "dailies", "trainer", "compute", "wandb", "damage")
_GPUS = ("gpu", "cuda")


@dataclass(frozen=True)
class Moved:
    """Where things are now: the catalogue's folder, what the run began with, masks of known damage by take; and a
    device to use instead."""

    workspace: Path | None = None
    start_from: Path | None = None
    damage: Mapping[str, str] | None = None
    accelerator: str | None = None


@dataclass(frozen=True)
class Plan:
    """How a run would be trained anew: ``plain`` is its configuration here, ``findings`` what is other than then."""

    record: RunRecord
    record_sha256: str
    plain: dict[str, Any]
    prepared_folder: Path
    findings: list[Finding]


def plan_reproduction(run: Path, output: Path, moved: Moved, progress: bool) -> Plan:
    """Read a run and compare what it was made of with what is here: config, code, data, environment, machine.

    ``RunFolderError`` names what is missing of the run, or is of another version; ``IntegrityError`` a file of it that
    was changed after the run wrote it.
    """
    record, recorded = read_run(run)
    refuse_tampered(run)
    refuse_incomparable(run)
    _refuse_other_than_training(recorded, run)
    plain = _here(record, recorded, output, moved)
    plain["trainer"] |= _windows_judged(run, recorded)
    findings = compare_configs(recorded, plain, HARMLESS)
    packages_path = run / ENVIRONMENT_NAME
    packages = installed_distributions()
    # Without the list of then there is nothing to compare with, which the digest of it already tells.
    then = read_environment(packages_path.read_text(errors="replace")) if packages_path.is_file() else packages
    here = measure_provenance()
    threads = plain["compute"].get("threads") or here.machine.threads
    here = here.model_copy(update={"machine": here.machine.model_copy(update={"threads": threads})})
    findings += compare_provenance(record.starts, here, then, packages)
    findings += _devices(plain)
    workspace = Path(plain["production"]["workspace"])
    findings += _beginning(record, plain)
    findings += compare_data(record, workspace / "catalogue.sqlite", plain["damage"], progress)
    if not first_of_weight(findings, "no run"):
        findings += _assembly(plain)
    return Plan(record, sha256_of_file(run / RUN_RECORD_NAME), plain, output / _PREPARED, findings)


def _here(record: RunRecord, recorded: dict[str, Any], output: Path, moved: Moved) -> dict[str, Any]:
    """The recorded configuration with the places of here, quiet, and with the threads that the run had."""
    plain = copy.deepcopy(recorded)
    if unknown := sorted((moved.damage or {}).keys() - plain["damage"].keys()):
        raise ConfigError(
            "damage names takes for which the run knew of none",
            found=unknown,
            expected=f"of {sorted(plain['damage'])}, those whose mask lies elsewhere now",
        )
    if moved.start_from is not None:
        if not record.begun_with:
            raise ConfigError("the run began with nothing", found=f"start_from={moved.start_from}", expected="null")
        plain["start_from"] = str(moved.start_from)
    plain["production"]["workspace"] = str(moved.workspace or Path(record.catalogue).parent)
    plain["damage"] = {**plain["damage"], **(moved.damage or {})}
    # Prepared anew, for the windows are part of what is to be reproduced.
    plain["dailies"]["prepared_folder"] = str(output / _PREPARED)
    plain["run_folder"] = None
    plain["wandb"]["mode"] = "disabled"
    if record.starts and plain["compute"].get("threads") is None:
        plain["compute"]["threads"] = record.starts[0].machine.threads
    if moved.accelerator is not None:
        plain["compute"]["accelerator"] = moved.accelerator
    return plain


def _refuse_other_than_training(recorded: Mapping[str, Any], run: Path) -> None:
    """``ConfigError`` unless it has the sections that are looked into here; the rest is for the assembly to judge."""
    found = {name: recorded.get(name) for name in _SECTIONS}
    strange = [name for name, value in found.items() if not isinstance(value, dict)]
    if "damage" not in strange:
        strange += [f"damage.{take}" for take, path in recorded["damage"].items() if not isinstance(path, str)]
    if strange:
        raise ConfigError(
            f"{run / CONFIG_NAME} is no configuration of a training run",
            found=f"{strange[0]}: {str(recorded.get(strange[0]))[:80]}",
            expected=f"the sections {', '.join(_SECTIONS)}, and a path for each mask",
        )


def _windows_judged(run: Path, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The held-out windows that the run's time budget admitted, whatever a clock would admit here."""
    if recorded["trainer"].get("judge_seconds") is None:
        return {}
    return {"judge_seconds": None, "held_out_windows": len(HeldOutCourse.read(run).windows)}


def _beginning(record: RunRecord, plain: Mapping[str, Any]) -> list[Finding]:
    """Whether what the run began with is here, as it was."""
    if not record.begun_with:
        return []
    recorded = record.begun_with[0].archive_sha256
    try:
        found = archive_digest(find_archive(Path(plain["start_from"])))
        here = f"archive sha256 {found[:12]}"
    except InterpositiveError as error:
        found, here = "", f"{error.what}: {error.found}" if error.found else error.what
    if found == recorded:
        return []
    remedy = "restore it from a copy, or name where it lies now: start_from=<folder>"
    pair = {"recorded": f"archive sha256 {recorded[:12]}", "here": here}
    return [Finding(part="data", what="what the run began with", **pair, weight="no run", remedy=remedy)]


def _devices(plain: Mapping[str, Any]) -> list[Finding]:
    """Which accelerators and machines the run had and this one has not."""
    compute, found = plain["compute"], []
    wanted, num, num_machines = (compute.get(name) for name in ("accelerator", "devices", "num_nodes"))
    here = torch.cuda.device_count()
    if wanted in _GPUS and (not here or (isinstance(num, int) and num > here)):
        remedy = "accelerator=cpu trains it on the processor, and compares within the tolerance"
        pair = {"recorded": wanted if num == 1 else f"{num} GPUs", "here": f"{here} GPUs" if here else "no GPU"}
        found.append(Finding(part="machine", what="accelerator", **pair, weight="no run", remedy=remedy))
    if isinstance(num_machines, int) and num_machines > 1 and rank_of(os.environ) is None:
        here_too = "one process that nothing started as a rank"
        remedy = "start this command on each machine as the run was, with srun or torchrun (docs/cluster.md)"
        pair = {"recorded": f"{num_machines} machines", "here": here_too}
        found.append(Finding(part="machine", what="processes", **pair, weight="no run", remedy=remedy))
    return found


def _assembly(plain: Mapping[str, Any]) -> list[Finding]:
    try:
        assemble_training(plain)
    except InterpositiveError as error:
        what = f"this code cannot use the configuration: {error.what}"
        here = str(error.found) if error.found is not None else ""
        return [Finding(part="config", what=what, here=here, weight="no run", remedy=error.remedy)]
    return []
