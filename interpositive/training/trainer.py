"""Lightning's trainer, set up for one process or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins import CheckpointIO
from pytorch_lightning.strategies import DDPStrategy, Strategy

from interpositive.training.ranks import on_gpu
from interpositive.training.settings import ComputeSettings, TrainSettings
from interpositive.training.sharding import ShardedStrategy


def make_trainer(
    settings: TrainSettings,
    compute: ComputeSettings,
    folder: Path,
    loggers: Sequence[Logger],
    callbacks: Sequence[lightning.Callback],
    checkpoint_io: CheckpointIO,
) -> lightning.Trainer:
    """The trainer of this process, which has joined the others; batches come to it already shared out."""
    several = compute.num_processes > 1
    return lightning.Trainer(
        default_root_dir=folder,
        max_steps=settings.max_steps,
        accelerator=compute.accelerator,
        devices=compute.devices,
        num_nodes=compute.num_nodes,
        strategy=_strategy(compute) if several else "auto",
        precision=compute.precision,  # type: ignore[arg-type]
        gradient_clip_val=settings.gradient_clip,
        max_epochs=1,
        # Validation is a callback's, in the step that it belongs to.
        limit_val_batches=0,
        log_every_n_steps=25,
        enable_progress_bar=settings.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
        # Named, for Lightning would else take a lone process in a cluster's job for one of many.
        plugins=[checkpoint_io, TorchElasticEnvironment() if several else LightningEnvironment()],
        logger=list(loggers),
        callbacks=list(callbacks),
    )


def _strategy(compute: ComputeSettings) -> Strategy:
    settings: dict[str, Any] = {"process_group_backend": "nccl" if on_gpu(compute) else "gloo"}
    if compute.strategy == "fsdp2":
        return ShardedStrategy(**settings)
    return DDPStrategy(**settings, gradient_as_bucket_view=True)
