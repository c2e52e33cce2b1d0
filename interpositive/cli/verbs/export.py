"""``interpositive export``: a finished run's mini-model as other programs take it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from interpositive.cli.assembling import read_config
from interpositive.cli.runs import OpenedRun, open_run
from interpositive.mini_models.exporting import TOLERANCE, Form, export_mini_model
from interpositive.records.export_manifest import ExportManifest
from interpositive.records.publishing import refuse_existing
from interpositive.training.run import software_versions


class ExportConfig(BaseModel):
    """The keys of ``conf/export.yaml``."""

    model_config = ConfigDict(extra="forbid")

    run: Path
    form: Form
    to: Path
    plate_height: int = Field(ge=16, le=100_000)


def run(config: DictConfig) -> None:
    """Export, and print what lies where and how near it came."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(ExportConfig, plain, "export")
    refuse_existing(settings.to)
    opened = open_run(settings.run)
    manifest = export_mini_model(
        opened.mini_model, settings.form, settings.to, _about(opened), plate_height=settings.plate_height
    )
    for part in manifest.parts:
        worst = max(trial.largest_difference for trial in part.trials)
        print(f"{part.file}: {part.purpose}")
        print(f"  {len(part.trials)} trials, at most {worst:.1g} from the mini-model")
    others = sorted({file.path for file in manifest.files} - {part.file for part in manifest.parts})
    if others:
        print(f"beside: {', '.join(others)}")
    print(f"rights: {manifest.rights}")
    for origin in manifest.origins:
        print(f"origin: {origin}")
    print(f"\nexported to: {settings.to}")


def _about(opened: OpenedRun) -> ExportManifest:
    record = opened.record
    return ExportManifest(
        production=record.production,
        task=record.task,
        mini_model=record.mini_model,
        form="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        archive_sha256=record.archive_sha256,
        encoding=record.encoding,
        training_takes=[take.name for take in record.takes if take.split == "train"],
        origins=[*(beginning.words() for beginning in record.begun_with), *opened.mini_model.origins],
        rights=f"Learned from {record.production}'s own dailies, for {record.production} alone",
        versions=software_versions(),
        tolerance=TOLERANCE,
    )
