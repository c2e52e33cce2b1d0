"""``interpositive train``: a mini-model from a production's training takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from interpositive.cli.assembling import assemble, read_config, refuse_unknown_keys
from interpositive.cli.metrics import assemble_metrics
from interpositive.cli.productions import ProductionConfig
from interpositive.dailies.data_module import ProductionDataModule
from interpositive.errors import ConfigError
from interpositive.functional.seeds import seed_from
from interpositive.mini_models.contract import MiniModel
from interpositive.records.digests import sha256_of_value
from interpositive.tasks.contract import Task
from interpositive.training.run import TrainSettings, train_mini_model
from interpositive.training.wandb_logging import WandbSettings, make_wandb_logger


class DailiesConfig(BaseModel):
    """The keys of ``conf/dailies/``: windows and batches."""

    model_config = ConfigDict(extra="forbid")

    window_frames: int = Field(ge=2)
    num_windows: int = Field(ge=1)
    num_val_windows: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    num_workers: int = Field(ge=0)
    num_prepare_workers: int = Field(ge=0)


class TrainConfig(BaseModel):
    """The keys of ``conf/train.yaml``."""

    model_config = ConfigDict(extra="forbid")

    production: dict[str, Any]
    task: dict[str, Any]
    mini_model: dict[str, Any]
    dailies: DailiesConfig
    trainer: dict[str, Any]
    compute: dict[str, Any]
    wandb: dict[str, Any]
    metric: dict[str, dict[str, Any]]
    damage: dict[str, str]
    run_folder: Path | None
    seed: int
    progress: bool


def run(config: DictConfig) -> float | None:
    """Train; prints the run folder, and gives the kept checkpoint's score to a sweeper."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(TrainConfig, plain, "train")
    production = read_config(ProductionConfig, settings.production, "production")
    trainer = {**settings.trainer, **settings.compute, "seed": settings.seed, "progress": settings.progress}
    refuse_unknown_keys(trainer, list(TrainSettings.__dataclass_fields__), "trainer")
    train_settings = TrainSettings(**trainer)
    metrics = assemble_metrics(settings.metric)
    wandb = read_config(WandbSettings, settings.wandb, "wandb")
    task: Task = assemble(settings.task, "task", Task)
    # Before the mini-model is built, for its first weights are drawn then.
    torch.manual_seed(seed_from("weights", settings.seed))
    mini_model: MiniModel = assemble(settings.mini_model, "mini_model", MiniModel)
    with production.catalogue() as catalogue:
        takes, catalogue_sha256 = catalogue.takes(), catalogue.digest()
        unknown = sorted(name for name in settings.damage if name not in catalogue)
    if unknown:
        raise ConfigError(
            "damage names takes that the catalogue does not hold",
            found=unknown,
            expected=f"names of its {len(takes)} takes, such as {[take.name for take in takes[:8]]}",
        )
    folder = settings.run_folder or _new_run_folder(production.name, task.name)
    dailies = ProductionDataModule(
        takes,
        task.example,
        mini_model.prepare,
        folder=production.workspace / "prepared",
        recipe_digest=sha256_of_value([settings.task, settings.mini_model]),
        height=production.training_height,
        seed=settings.seed,
        damage_paths=settings.damage,
        encoding=production.training_encoding,
        progress=settings.progress,
        **settings.dailies.model_dump(),
    )
    record = train_mini_model(
        mini_model,
        dailies,
        task.example,
        folder=folder,
        production=production.name,
        task=task.name,
        arguments={key: value for key, value in settings.mini_model.items() if key != "_target_"},
        catalogue_path=production.catalogue_path.resolve(),
        catalogue_sha256=catalogue_sha256,
        config_text=f"# catalogue {catalogue_sha256}\n{OmegaConf.to_yaml(OmegaConf.create(plain))}",
        settings=train_settings,
        metrics=metrics,
        loggers=make_wandb_logger(wandb, folder, production.name, task.name),
    )
    print(f"\n{record.steps} steps in {record.seconds_training:.0f} s; held-out takes, at the kept checkpoint:")
    for score in dict.fromkeys((train_settings.score, "psnr_hole")):
        _print_score(score, record.scores)
    for note in record.notes:
        print(f"note: {note}")
    print(f"\nrun folder: {folder}")
    return record.scores.get(f"held_out/{train_settings.score}/{mini_model.trained_method}")


def _print_score(score: str, scores: Mapping[str, float | None]) -> None:
    for name, value in scores.items():
        if name.startswith(f"held_out/{score}/"):
            print(f"  {score} {name.rsplit('/', 1)[1]:<18} {'not measured' if value is None else f'{value:.4g}'}")


def _new_run_folder(production: str, task: str) -> Path:
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        stamp = f"{stamp}_{hydra.job.num:03d}"
    folder = Path("runs") / production / task / stamp
    # Two runs of one second are two runs: a folder that exists would be resumed.
    number = 2
    while folder.exists():
        folder = folder.with_name(f"{stamp}_{number}")
        number += 1
    return folder
