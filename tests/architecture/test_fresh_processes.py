"""What an import loads, seen in a process that has loaded nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TORCH_FREE = [
    "interpositive",
    "interpositive.records.measures",
    "interpositive.media.opening",
    "interpositive.review.page",
]


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )


def loads(module: str, wanted: str) -> bool:
    done = run(f"import sys, {module}; print({wanted!r} in sys.modules)")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() == "True"


@pytest.mark.parametrize("module", TORCH_FREE)
def test_paperwork_files_and_pages_load_no_torch(module: str) -> None:
    assert not loads(module, "torch")


def test_records_load_no_numpy() -> None:
    assert not loads("interpositive.records.delivery_manifest", "numpy")


def test_the_command_line_answers_without_torch() -> None:
    if not (ROOT / "interpositive" / "cli" / "main.py").is_file():
        pytest.skip("interpositive.cli.main does not exist yet")
    assert not loads("interpositive.cli.main", "torch")


@pytest.mark.parametrize("room", ["metrics", "training", "mini_models", "motion"])
def test_a_room_that_meets_torchvision_guards_it(room: str) -> None:
    done = run(f"import interpositive.{room}, torchvision, lpips, pytorch_lightning, torchmetrics\nprint('met')")
    assert done.stdout.strip() == "met", done.stderr
