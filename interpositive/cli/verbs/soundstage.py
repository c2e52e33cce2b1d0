"""``interpositive soundstage``: dailies with exact truth, shot on a stage that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict

from interpositive.cli.assembling import assemble, read_config
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production


class SoundstageConfig(BaseModel):
    """The keys of ``conf/soundstage.yaml``."""

    model_config = ConfigDict(extra="forbid")

    stage: dict[str, Any]
    output: Path
    with_truth: bool
    num_workers: int
    progress: bool


def run(config: DictConfig) -> None:
    """Render, and print the folder of dailies."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(SoundstageConfig, plain, "soundstage")
    movies = render_production(
        assemble(settings.stage, "stage", StageSpec),
        settings.output,
        with_truth=settings.with_truth,
        num_workers=settings.num_workers,
        progress=settings.progress,
    )
    print(f"{len(movies)} takes in {movies[0].parent}")
