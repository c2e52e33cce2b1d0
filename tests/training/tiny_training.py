"""A training of a few steps on the tiny production: for tests, and for scripts that repeat it many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from productions import TinyProduction

import interpositive.training  # noqa: F401  isort: skip
from pytorch_lightning.loggers import Logger

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.records.rights import Beginning
from interpositive.records.run_record import RunRecord
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.finder_training import FinderStage
from interpositive.training.rank_watch import RankWatch
from interpositive.training.run import ComputeSettings, TrainSettings, train_mini_model
from interpositive.training.stopping import StopRequests

ARGUMENTS: dict[str, Any] = {
    "flow_offsets": [1, 3],
    "camera_offsets": [2],
    "recursive": False,
    "scorer_width": 4,
    "residual_widths": [4, 4, 4],
    "crop_px": 32,
    "crops_per_frame": 2,
    "frames_per_window": 2,
    "candidates_per_step": 4,
}
SETTINGS = TrainSettings(
    max_steps=12,
    warmup_steps=2,
    ema_decay=0.9,
    validate_every=4,
    checkpoint_every=3,
    judge_every=4,
    held_out_windows=2,
    held_out_frames=2,
    progress=False,
)

COMPUTE = ComputeSettings(accelerator="cpu")


def train_tiny(
    production: TinyProduction,
    prepared_folder: Path,
    folder: Path,
    *,
    config_text: str = "a: 1\n",
    loggers: Sequence[Logger] = (),
    compute: ComputeSettings = COMPUTE,
    make_mini_model: Callable[..., MiniModel] = CandidateFusion,
    arguments: Mapping[str, Any] = ARGUMENTS,
    batch_size: int = 3,
    num_workers: int = 0,
    stop: StopRequests | None = None,
    watch: RankWatch | None = None,
    begun_with: Sequence[Beginning] = (),
    adapter: str = "full",
    finding: FinderStage | None = None,
    **changes: Any,
) -> RunRecord:
    """Start (or resume) a run in a folder, always from the same weights; other keywords change the settings."""
    settings = replace(SETTINGS, **changes)
    task = WireRemoval(width_px_at_1080=(30.0, 60.0))
    torch.manual_seed(99)
    mini_model = make_mini_model(**arguments)
    dailies = ProductionDataModule(
        production.takes,
        task.example,
        mini_model.prepare,
        folder=prepared_folder,
        recipe_digest=f"tests {mini_model.preparation}",
        height=64,
        window_frames=8,
        num_windows=3,
        num_val_windows=1,
        batch_size=batch_size,
        num_workers=num_workers,
        num_prepare_workers=0,
        progress=False,
    )
    return train_mini_model(
        mini_model,
        dailies,
        task.example,
        folder=folder,
        production="tiny",
        task=task.name,
        arguments=arguments,
        catalogue_path=production.catalogue_path,
        catalogue_sha256="0" * 64,
        config_text=config_text,
        settings=settings,
        compute=compute,
        loggers=loggers,
        stop=stop,
        watch=watch,
        begun_with=begun_with,
        adapter=adapter,
        finding=finding,
    )
