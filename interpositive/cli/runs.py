"""A finished run, opened again: its record, its mini-model, and the task it learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from interpositive.cli.assembling import assemble, refuse_foreign_targets
from interpositive.errors import IntegrityError, RunFolderError
from interpositive.mini_models.archive import archive_digest, load_archive
from interpositive.mini_models.contract import MiniModel
from interpositive.records.run_record import RunRecord
from interpositive.tasks.contract import Task
from interpositive.training.run import ARCHIVE_NAME, CONFIG_NAME


@dataclass(frozen=True)
class OpenedRun:
    """What apply and evaluate need of a run."""

    folder: Path
    record: RunRecord
    config: dict[str, Any]
    mini_model: MiniModel
    task: Task


def open_run(folder: Path) -> OpenedRun:
    """Open a run folder; ``RunFolderError`` if it is missing or unfinished, ``IntegrityError`` if it was changed."""
    record = RunRecord.read(folder)
    mini_model, recipe = load_archive(folder / ARCHIVE_NAME)
    found = archive_digest(folder / ARCHIVE_NAME)
    if found != record.archive_sha256 or recipe.production != record.production:
        raise IntegrityError(
            f"{folder / ARCHIVE_NAME} is not the archive this run made",
            found=found,
            expected=record.archive_sha256,
        )
    config_path = folder / CONFIG_NAME
    if not config_path.is_file():
        raise RunFolderError(f"{folder} has no {CONFIG_NAME}", remedy="restore the run folder from a copy")
    config: Any = OmegaConf.to_container(OmegaConf.load(config_path), resolve=True)
    refuse_foreign_targets(config)
    return OpenedRun(folder, record, config, mini_model, assemble(config["task"], "task"))
