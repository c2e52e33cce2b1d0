"""What a training begins with: an earlier run's archive, by what right, and what of it goes on learning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from interpositive.backbones.adapters import AdapterKind, AdapterSettings
from interpositive.cli.assembling import read_config
from interpositive.cli.productions import ProductionConfig
from interpositive.cli.runs import read_run
from interpositive.dailies.take import Take
from interpositive.errors import ConfigError, RunFolderError
from interpositive.mini_models.archive import RECIPE_NAME
from interpositive.mini_models.beginning import begin_with
from interpositive.mini_models.contract import MiniModel
from interpositive.records.rights import Beginning, Footage, entitled
from interpositive.records.run_record import refuse_tampered
from interpositive.soundstage.writing import is_of_the_stage
from interpositive.training.run_folder import ARCHIVE_NAME


class AdapterConfig(BaseModel):
    """The keys of ``conf/adapter/``: what learns of a mini-model; ``rank`` and ``alpha`` are LoRA's."""

    model_config = ConfigDict(extra="forbid")

    kind: AdapterKind = "full"
    rank: int = Field(default=8, ge=1, le=4096)
    alpha: float | None = Field(default=None, gt=0, le=1e6)


def find_archive(start_from: Path) -> Path:
    """The archive that a folder is, or that the finished run in it made; ``RunFolderError`` if there is none.

    A run's papers must be as it wrote them (``IntegrityError``).
    """
    if (start_from / RECIPE_NAME).is_file():
        return start_from
    if not start_from.is_dir():
        raise RunFolderError(
            "there is nothing to start from",
            found=f"no folder at {start_from}",
            expected="the folder of a finished run, or an archive",
            remedy="restore it from a copy, or name where it lies now with start_from=<folder>",
        )
    read_run(start_from)
    refuse_tampered(start_from)
    return start_from / ARCHIVE_NAME


def begin(mini_model: MiniModel, start_from: Path | None, production: ProductionConfig) -> list[Beginning]:
    """Give the mini-model what it is to start from; returns whose that is and by what right, nearest first.

    ``RightsError`` unless all of it may be used in this production.
    """
    if start_from is None:
        return []
    return entitled(production.name, begin_with(mini_model, find_archive(start_from)), production.grants)


def read_adapter(node: Mapping[str, Any], start_from: Path | None) -> AdapterSettings:
    """What learns; ``ConfigError`` for a part of it on weights that nobody learned."""
    settings = AdapterSettings(**read_config(AdapterConfig, node, "adapter").model_dump())
    if settings.kind != "full" and start_from is None:
        raise ConfigError(
            "an adapter learns beside what was learned before",
            found=f"adapter={settings.kind} and nothing to start from",
            expected="start_from=<the folder of a finished run>",
            remedy="name what to start from, or learn all: adapter=full",
        )
    return settings


def footage_of(takes: Iterable[Take]) -> Footage:
    """What is learned from: the virtual soundstage, if it vouches for every take that teaches or judges; else a camera.

    It vouches by the digests in its ``stage.json``.
    """
    learned = (take for take in takes if take.split in ("train", "val"))
    first = next(learned, None)
    vouched = first is not None and all(is_of_the_stage(Path(t.path), t.sha256) for t in chain([first], learned))
    return "soundstage" if vouched else "camera"
