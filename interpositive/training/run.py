"""One training run, from prepared windows to an archive and the record of how it came about."""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import MakeExample
from interpositive.errors import ConfigError, StorageError
from interpositive.mini_models.archive import archive_digest, save_archive
from interpositive.mini_models.contract import MiniModel
from interpositive.records.digests import sha256_of_value
from interpositive.records.publishing import write_file_whole
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord, RunTake
from interpositive.training.callbacks import Previews, WaitMeter
from interpositive.training.checkpoint_format import SafeCheckpointIO, newest_valid_checkpoint
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import held_out_psnr, held_out_windows

CONFIG_NAME = "config.yaml"
ARCHIVE_NAME = "archive"
_PACKAGES = ("torch", "torchvision", "pytorch-lightning", "numpy", "opencv-python-headless", "av", "decord")


@dataclass(frozen=True)
class TrainSettings:
    """How long and how a mini-model learns; steps are optimiser steps."""

    max_steps: int = 1000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_steps: int = 30
    gradient_clip: float = 1.0
    ema_decay: float = 0.99
    validate_every: int = 250
    checkpoint_every: int = 250
    held_out_windows: int = 4
    held_out_frames: int = 6
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    seed: int = 0
    progress: bool = True


def software_versions() -> dict[str, str]:
    """Versions of this package and of what shapes its results."""
    return {"interpositive": version("interpositive"), "python": platform.python_version()} | {
        name: version(name) for name in _PACKAGES if _installed(name)
    }


def machine_description() -> str:
    """Processor, cores in use and accelerator, for the record."""
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no accelerator"
    return f"{platform.machine()} {platform.system()}, {torch.get_num_threads()} threads, {device}"


def train_mini_model(
    mini_model: MiniModel,
    dailies: ProductionDataModule,
    make_example: MakeExample,
    *,
    folder: Path,
    production: str,
    task: str,
    arguments: Mapping[str, Any],
    catalogue_path: Path,
    catalogue_sha256: str,
    config_text: str,
    settings: TrainSettings,
    loggers: Sequence[Logger] = (),
) -> RunRecord:
    """Train, resuming what a killed run left in ``folder``, then archive, score and record.

    ``StorageError`` if the folder already holds a finished run; its config must
    be the one the run was started with.
    """
    if (folder / RUN_RECORD_NAME).exists():
        raise StorageError(
            f"{folder} already holds a finished run", remedy="give another run folder, or move this one away"
        )
    if settings.devices != 1:
        raise ConfigError(
            "training runs on one device", found=f"devices={settings.devices}", expected="compute.devices=1"
        )
    _same_config(folder, config_text)
    lightning.seed_everything(settings.seed, verbose=False)
    notes: list[str] = []
    newest, damaged = newest_valid_checkpoint(folder / "checkpoints")
    notes += [f"a checkpoint was damaged and left out: {line.splitlines()[0]}" for line in damaged]
    dailies.num_batches = settings.max_steps
    dailies.start_batch = int(newest.stem.split("=")[1]) if newest else 0
    if not any(take.split == "val" for take in dailies.takes):
        notes.append("no take is held out: scores are measured on training takes under other damage")

    tuner = FineTuner(
        mini_model,
        max_steps=settings.max_steps,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup_steps,
        seed=settings.seed,
    )
    held_out = list(
        held_out_windows(
            dailies.window_groups("val"),
            make_example,
            settings.held_out_windows,
            settings.held_out_frames,
            settings.seed,
            dailies.damage_paths,
        )
    )
    wait_meter = WaitMeter()
    local_log = CSVLogger(folder, name="", version="")
    trainer = lightning.Trainer(
        default_root_dir=folder,
        max_steps=settings.max_steps,
        accelerator=settings.accelerator,
        devices=settings.devices,
        precision=settings.precision,  # type: ignore[arg-type]
        gradient_clip_val=settings.gradient_clip,
        max_epochs=1,
        val_check_interval=min(settings.validate_every, settings.max_steps),
        num_sanity_val_steps=0,
        log_every_n_steps=25,
        enable_progress_bar=settings.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
        plugins=[SafeCheckpointIO()],
        logger=[local_log, *loggers],
        callbacks=[
            # Before the averaging, which takes the averaged weights away again when validation ends.
            Previews(held_out[0], folder / "previews"),
            EMAWeightAveraging(
                decay=settings.ema_decay,
                update_starting_at_step=min(settings.warmup_steps, settings.max_steps - 1),
            ),
            ModelCheckpoint(
                folder / "checkpoints",
                filename="{step}",
                monitor="step",
                mode="max",
                save_top_k=2,
                every_n_train_steps=settings.checkpoint_every,
                # A step made again replaces its damaged checkpoint, and names stay "step=<n>".
                enable_version_counter=False,
                # Else the last step's checkpoint waits for a validation that may not come.
                save_on_train_epoch_end=True,
            ),
            wait_meter,
        ],
    )
    started = time.monotonic()
    if newest is None or dailies.start_batch < settings.max_steps:
        _carry_over_log(local_log, folder, dailies.start_batch)
        trainer.fit(tuner, datamodule=dailies, ckpt_path=newest)
    else:
        # Killed between the last step and the archive; a checkpoint's own weights are the averaged ones.
        tuner.load_state_dict(SafeCheckpointIO().load_checkpoint(newest)["state_dict"])
    seconds = time.monotonic() - started
    mini_model.eval()
    if not (folder / ARCHIVE_NAME).exists():
        save_archive(mini_model, folder / ARCHIVE_NAME, arguments=dict(arguments), production=production, task=task)
    scores = held_out_psnr(mini_model.to("cpu"), held_out)
    record = RunRecord(
        production=production,
        task=task,
        mini_model=type(mini_model).__name__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        finished=True,
        seed=settings.seed,
        steps=max(trainer.global_step, dailies.start_batch),
        seconds_training=round(seconds, 1),
        num_parameters=mini_model.num_parameters,
        takes=[
            RunTake(name=t.name, split=t.split, path=t.path, sha256=t.sha256, num_frames=t.num_frames)
            for t in dailies.takes
        ],
        catalogue=str(catalogue_path),
        catalogue_sha256=catalogue_sha256,
        config_sha256=sha256_of_value(config_text),
        archive_sha256=archive_digest(folder / ARCHIVE_NAME),
        versions=software_versions(),
        machine=machine_description(),
        scores={f"held_out/psnr_hole/{method}": value for method, value in scores.items()}
        | {"train/wait_share": wait_meter.share},
        notes=notes,
    )
    record.write(folder)
    return record


def _same_config(folder: Path, config_text: str) -> None:
    path = folder / CONFIG_NAME
    if path.exists() and path.read_text() != config_text:
        raise StorageError(
            f"{folder} holds an unfinished run of another configuration",
            found=f"{path} differs from the present settings",
            remedy="resume with the same settings, or give another run folder",
        )
    write_file_whole(path, config_text)


def _carry_over_log(log: CSVLogger, folder: Path, start_step: int) -> None:
    """Write again what was logged before ``start_step``: Lightning's logger begins by removing its file."""
    path = folder / "metrics.csv"
    if not path.is_file():
        return
    with path.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if int(row["step"]) < start_step]
    for row in rows:
        values: dict[str, torch.Tensor | float] = {
            name: float(value) for name, value in row.items() if name != "step" and value
        }
        log.log_metrics(values, step=int(row["step"]))
    if rows:
        log.save()


def _installed(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True
