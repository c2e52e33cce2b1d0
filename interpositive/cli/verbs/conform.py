"""``interpositive conform``: several deliveries, one paperwork."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from interpositive.cli.assembling import read_config
from interpositive.dailies.cut_lists import read_cut_list
from interpositive.delivery.conform_paperwork import EDL_NAME, OTIO_NAME
from interpositive.delivery.joining import join_deliveries
from interpositive.records.identity import exact_rate


class ConformConfig(BaseModel):
    """The keys of ``conf/conform.yaml``."""

    model_config = ConfigDict(extra="forbid")

    deliveries: Annotated[list[Path], Field(min_length=1)] | Path
    cut_list: Path
    cut_list_rate: str | float | None
    output: Path


def run(config: DictConfig) -> None:
    """Write the OTIO and EDL of the whole cut, and print which shots are new."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(ConformConfig, plain, "conform")
    rate = settings.cut_list_rate
    cut = read_cut_list(settings.cut_list, None if rate is None else exact_rate(rate))
    deliveries = [settings.deliveries] if isinstance(settings.deliveries, Path) else settings.deliveries
    joined = join_deliveries(deliveries, cut, settings.output)
    print(f"replaced: {', '.join(joined.replaced)}")
    print(f"as they were: {', '.join(joined.stay) or 'none'}")
    for note in joined.notes:
        print(f"note: {note}")
    print(f"conform: {settings.output / OTIO_NAME}, {settings.output / EDL_NAME}")
