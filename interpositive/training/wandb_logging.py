"""Weights & Biases, kept on this machine unless asked otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import interpositive.training  # noqa: F401  isort: skip
from pydantic import BaseModel, ConfigDict
from pytorch_lightning.loggers import Logger, WandbLogger


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
