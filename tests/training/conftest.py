"""A run of a few steps on the tiny production, prepared once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from productions import TinyProduction

from interpositive.records.run_record import RunRecord

# Scripts import it too.
sys.path.insert(0, str(Path(__file__).parent))

from tiny_training import train_tiny

Train = Callable[..., RunRecord]


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def train(tiny_production: TinyProduction, prepared_folder: Path) -> Train:
    """Start (or resume) a run in a folder; other keywords change the settings."""
    return partial(train_tiny, tiny_production, prepared_folder)
