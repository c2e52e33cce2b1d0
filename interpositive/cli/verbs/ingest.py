"""``interpositive ingest``: dailies into the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from interpositive.cli.assembling import assemble, read_config
from interpositive.cli.productions import ProductionConfig
from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.conforming import CUT_LIST_NAME, conform, format_conform, read_conformed_cut
from interpositive.dailies.cut_lists import read_cut_list
from interpositive.dailies.engines import Engine
from interpositive.dailies.ingest import ingest
from interpositive.dailies.parquet import write_parquet
from interpositive.dailies.report import format_report
from interpositive.dailies.slate_rules import DEFAULT_PATTERNS, SlateRules
from interpositive.dailies.splitting import format_splits
from interpositive.errors import CatalogueError
from interpositive.media.probing import Check
from interpositive.records.identity import exact_rate


class IngestConfig(BaseModel):
    """The keys of ``conf/ingest.yaml``."""

    model_config = ConfigDict(extra="forbid")

    production: dict[str, Any]
    source: Path
    engine: dict[str, Any]
    cut_list: Path | None
    cut_list_rate: str | float | None
    handles: int = Field(ge=0)
    check: Check
    progress: bool


def run(config: DictConfig) -> None:
    """Ingest, print the report, export the catalogue to Parquet; find the shots of the cut list in the dailies.

    The cut of an earlier ingest is looked for anew: footage may have come, or its timecode been mended.
    """
    settings = read_config(IngestConfig, OmegaConf.to_container(config, resolve=True), "ingest")  # type: ignore[arg-type]
    production = read_config(ProductionConfig, settings.production, "production")
    # A cut list that cannot be read is known before the footage is.
    cut = None
    if settings.cut_list is not None:
        rate = settings.cut_list_rate
        cut = read_cut_list(settings.cut_list, None if rate is None else exact_rate(rate))
    with assemble(settings.engine, "engine", Engine) as engine:
        report = ingest(
            settings.source,
            production.catalogue_path,
            slate_rules=SlateRules([*production.slate_patterns, *DEFAULT_PATTERNS]),
            split_rule=production.split.rule(),
            footage_rules=production.footage_rules(),
            hash_lists=production.hash_lists,
            engine=engine,
            proxy_height=production.proxy_height,
            check=settings.check,
            progress=settings.progress,
        )
    print(format_report(report))
    with Catalogue(production.catalogue_path) as catalogue:
        takes = catalogue.takes()
        if not takes:
            raise CatalogueError(
                f"no take of {settings.source} could be used", remedy="see the reason beside each file above"
            )
        write_parquet(catalogue.takes(), production.workspace / "catalogue.parquet")
        print(format_splits(takes))
        handles = settings.handles
        if cut is None and (production.workspace / CUT_LIST_NAME).is_file():
            earlier = read_conformed_cut(production.workspace)
            cut, handles = earlier.cut_list, earlier.handles
        if cut is not None:
            conformed = conform(cut, catalogue, handles)
            conformed.write(production.workspace)
            print(f"\n{format_conform(conformed)}")
    print(f"\ncatalogue: {production.catalogue_path}")
