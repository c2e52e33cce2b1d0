"""Shared by all tests: the torchvision guard, quiet threads, and the optional real footage."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")

import pytest

import interpositive._torchvision_guard  # noqa: F401


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real footage, or a skip that says where it was looked for."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "material"
    folder = Path(os.environ.get("INTERPOSITIVE_MATERIAL", beside))
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.skip(f"no real footage at {folder}; set INTERPOSITIVE_MATERIAL to a folder that has it")
    return folder
