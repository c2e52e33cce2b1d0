"""A finished run, opened again: its record, its mini-model, and the task it learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from interpositive.cli.assembling import assemble, refuse_foreign_targets
from interpositive.cli.config_files import read_config_file, read_plain_yaml
from interpositive.errors import IntegrityError, RunFolderError
from interpositive.mini_models.archive import RECIPE_NAME, WEIGHTS_NAME, archive_digest, load_archive
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.finder_archive import FINDER_NAME, KeptFinder, load_finder
from interpositive.records.digests import sha256_of_value
from interpositive.records.run_record import RunRecord
from interpositive.tasks.contract import Task
from interpositive.training.run_folder import ARCHIVE_NAME, CONFIG_NAME, refuse_strange_folder


@dataclass(frozen=True)
class OpenedRun:
    """What apply and evaluate need of a run."""

    folder: Path
    record: RunRecord
    config: dict[str, Any]
    mini_model: MiniModel
    task: Task

    def finder(self, device: torch.device | str = "cpu") -> KeptFinder | None:
        """The finder that the run trained, read now; None if it trained none. Errors as :func:`load_finder`."""
        if not self.record.finder_sha256:
            return None
        kept = load_finder(self.folder / FINDER_NAME, self.record.finder_sha256)
        kept.finder.to(device)
        return kept


def open_run(folder: Path) -> OpenedRun:
    """Open a run folder; ``RunFolderError`` if it is missing or unfinished, ``IntegrityError`` if it was changed."""
    record, config = read_run(folder)
    mini_model, recipe = load_archive(folder / ARCHIVE_NAME)
    if recipe.production != record.production:
        raise IntegrityError(
            f"{folder / ARCHIVE_NAME} belongs to another production",
            found=recipe.production,
            expected=record.production,
        )
    return OpenedRun(folder, record, config, mini_model, assemble(config.get("task"), "task", Task))


def refuse_other_folder(folder: Path, key: str) -> None:
    """Raise an error unless a run can be trained into ``folder``, which ``key`` names: it is new, empty, or that of a
    run to go on with, whose configuration can be compared with the present one."""
    refuse_strange_folder(folder, key)
    path = folder / CONFIG_NAME
    if path.exists():
        read_plain_yaml(read_config_file(path), str(path))


def read_run(folder: Path) -> tuple[RunRecord, dict[str, Any]]:
    """A run's record and its plain configuration, which names nothing foreign; errors as :func:`open_run`."""
    record = RunRecord.read(folder)
    archive_path = folder / ARCHIVE_NAME
    for path in (archive_path / WEIGHTS_NAME, archive_path / RECIPE_NAME, folder / CONFIG_NAME):
        if not path.is_file():
            raise RunFolderError(
                f"{folder} is not whole", found=f"no {path.name}", remedy="restore the run folder from a copy"
            )
    config_text = (folder / CONFIG_NAME).read_text(errors="replace")
    # Digests before contents: nothing that was changed is parsed or built.
    for path, found, expected in (
        (folder / CONFIG_NAME, sha256_of_value(config_text), record.config_sha256),
        (archive_path, archive_digest(archive_path), record.archive_sha256),
    ):
        if found != expected:
            raise IntegrityError(
                f"{path} is not what this run wrote",
                found=f"sha256 {found}",
                expected=f"sha256 {expected}",
                remedy="restore the run folder from a copy, or train again",
            )
    config = read_plain_yaml(config_text, str(folder / CONFIG_NAME))
    refuse_foreign_targets(config)
    return record, config
