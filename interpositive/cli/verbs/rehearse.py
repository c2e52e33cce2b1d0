"""``interpositive rehearse``: a clean take, damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict

from interpositive.cli.assembling import assemble, read_config
from interpositive.cli.verbs.apply import encoding_name, named_rate
from interpositive.delivery.rehearsal import rehearse
from interpositive.tasks.contract import Task


class RehearseConfig(BaseModel):
    """The keys of ``conf/rehearse.yaml``."""

    model_config = ConfigDict(extra="forbid")

    task: dict[str, Any]
    take: Path
    layer: str | None
    rate: str | int | float | None
    output: Path
    start: int
    num_frames: int | None
    height: int | None
    encoding: str | None
    seed: int


def run(config: DictConfig) -> None:
    """Damage the take and print where shot, mask and truth are."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(RehearseConfig, plain, "rehearse")
    task: Task = assemble(settings.task, "task", Task)
    folder = rehearse(
        settings.take,
        task.example,
        settings.output,
        start=settings.start,
        num_frames=settings.num_frames,
        height=settings.height,
        encoding=encoding_name(settings.encoding),
        layer=settings.layer,
        rate=named_rate(settings.rate),
        seed=settings.seed,
    )
    for name in ("shot", "mask", "truth"):
        movie = folder / f"{name}.mkv"
        print(f"{name}: {movie if movie.exists() else folder / name}")
