"""``interpositive review``: the page for the supervisor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict

from interpositive.cli.assembling import read_config
from interpositive.review.page import write_review


class ReviewConfig(BaseModel):
    """The keys of ``conf/review.yaml``."""

    model_config = ConfigDict(extra="forbid")

    path: Path
    output: Path | None


def run(config: DictConfig) -> None:
    """Write the page and print where it is."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    settings = read_config(ReviewConfig, plain, "review")
    print(f"review page: {write_review(settings.path, settings.output)}")
