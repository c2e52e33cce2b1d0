"""A production as its YAML describes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.footage_rules import FootageRules
from interpositive.dailies.splitting import SplitRule
from interpositive.dailies.vouching import HashListRule
from interpositive.errors import CatalogueError
from interpositive.media.plate_colour import NATIVE
from interpositive.records.rights import PRODUCTION_NAME, Grant


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None
    return pattern


class SplitConfig(BaseModel):
    """How takes are held out; see :class:`interpositive.dailies.splitting.SplitRule`."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["take", "scene"] = "take"
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    explicit: dict[str, Literal["train", "val", "test"]] = Field(default_factory=dict)

    def rule(self) -> SplitRule:
        """The rule that these settings describe."""
        settings: dict[str, Any] = self.model_dump()
        return SplitRule(**settings)


class ProductionConfig(BaseModel):
    """One title: its name, where its catalogue is kept, how its files are slated, what is held out."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, pattern=PRODUCTION_NAME)
    workspace: Path
    training_height: int = Field(default=216, ge=32, le=8640)
    proxy_height: int | None = Field(default=None, le=8640)
    slate_patterns: list[Annotated[str, AfterValidator(_regular)]] = Field(default_factory=list)
    hash_lists: HashListRule = "check"
    split: SplitConfig = Field(default_factory=SplitConfig)
    encodings: dict[str, str] = Field(default_factory=dict)
    layers: dict[str, str] = Field(default_factory=dict)
    rates: dict[str, str | int | float] = Field(default_factory=dict)
    training_encoding: str = NATIVE
    grants: list[Grant] = Field(default_factory=list)

    def footage_rules(self) -> FootageRules:
        """What the production names for its takes; ``ColourError`` or ``TimecodeError`` for what cannot be."""
        return FootageRules(self.encodings, self.layers, self.rates)

    @property
    def catalogue_path(self) -> Path:
        """The catalogue's SQLite file."""
        return self.workspace / "catalogue.sqlite"

    def catalogue(self) -> Catalogue:
        """The catalogue, for reading; ``CatalogueError`` says to ingest first if there is none."""
        if not self.catalogue_path.is_file():
            raise CatalogueError(
                f"production {self.name} has no catalogue yet",
                found=f"nothing at {self.catalogue_path}",
                remedy=f"run: interpositive ingest production={self.name} source=<folder of dailies>",
            )
        return Catalogue(self.catalogue_path)
