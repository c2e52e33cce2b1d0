"""Shared by all tests: the torchvision guard, quiet threads, and the optional real footage."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import pytest

import interpositive._torchvision_guard  # noqa: F401

# The makers of footage are imported by name, in worker processes too.
sys.path.insert(0, str(Path(__file__).parent))

from productions import TinyProduction, make_production
from tiny_backbones import make_all


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: last, it would keep one worker busy and let the others wait."""
    items.sort(key=lambda item: item.get_closest_marker("walk") is None)


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real footage, or a skip that says where it was looked for."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "material"
    folder = Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside))
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip(f"no real footage at {folder}; set INTERPOSITIVE_MATERIAL to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def tiny_production(tmp_path_factory: pytest.TempPathFactory) -> TinyProduction:
    """Four ingested takes of 96x64 pixels and 24 frames; read it, never write into it."""
    return make_production(tmp_path_factory.mktemp("tiny_production"))


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of tiny random networks, by family; read them, never write there."""
    return make_all(tmp_path_factory.mktemp("tiny_backbones"))
