"""``interpositive train``: a mini-model from a production's training takes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from interpositive.backbones.pretrained.weights_folder import outlines_suffice
from interpositive.cli.dry_running import tell_dry_run
from interpositive.cli.launching import launch
from interpositive.cli.runs import refuse_other_folder
from interpositive.cli.training import assemble_training
from interpositive.errors import ConfigError
from interpositive.records.run_record import RunRecord
from interpositive.training.ranks import rank_of


def run(config: DictConfig) -> None:
    """Train, and print the run folder."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        raise ConfigError(
            "train is not swept by this sweeper",
            found=HydraConfig.get().sweeper.get("_target_"),
            expected="hydra/sweeper=grid or hydra/sweeper=optuna",
        )
    plain: Any = OmegaConf.to_container(config, resolve=True)
    if isinstance(plain["run_folder"], str):
        refuse_other_folder(Path(plain["run_folder"]), "run_folder")
    # Assembled here too, so that every mistake is told before a run folder is named.
    with outlines_suffice() if plain["dry_run"] is True else nullcontext():
        parts = assemble_training(plain)
    rank = rank_of(os.environ)
    # Of many that were started as ranks, one tells.
    tells = rank is None or rank.number == 0
    if parts.config.dry_run:
        if tells:
            tell_dry_run(parts)
        return
    if rank and rank.num > 1 and not parts.config.run_folder:
        raise ConfigError(
            "processes that were started as ranks need one run folder",
            found="run_folder=null, which each would name by its own clock",
            expected="run_folder=<a folder that all machines see>",
        )
    folder = parts.config.run_folder or _new_run_folder(parts.production.name, parts.task.name)
    score = parts.settings.score
    # A second mini-model beside the one that learns, for as long as that takes.
    del parts
    record = launch(plain, folder)
    if tells:
        _tell(record, score, folder)


def _tell(record: RunRecord, chosen_by: str, folder: Path) -> None:
    print(f"\n{record.steps} steps in {record.seconds_training:.0f} s; held-out takes, at the kept checkpoint:")
    for score in dict.fromkeys((chosen_by, "psnr_hole")):
        _print_score(score, record.scores)
    for note in record.notes:
        print(f"note: {note}")
    print(f"\nrun folder: {folder}")


def _print_score(score: str, scores: Mapping[str, float | None]) -> None:
    for name, value in scores.items():
        if name.startswith(f"held_out/{score}/"):
            print(f"  {score} {name.rsplit('/', 1)[1]:<18} {'not measured' if value is None else f'{value:.4g}'}")


def _new_run_folder(production: str, task: str) -> Path:
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    folder = Path("runs") / production / task / stamp
    # Two runs of one second are two runs: a folder that exists would be resumed.
    number = 2
    while folder.exists():
        folder = folder.with_name(f"{stamp}_{number}")
        number += 1
    return folder
