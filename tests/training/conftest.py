"""A run of a few steps on the tiny production, prepared once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from productions import TinyProduction
from tiny_training import train_tiny

from interpositive.records.run_record import RunRecord

Train = Callable[..., RunRecord]


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def train(tiny_production: TinyProduction, prepared_folder: Path) -> Train:
    """Start (or resume) a run in a folder; other keywords change the settings."""
    return partial(train_tiny, tiny_production, prepared_folder)
