"""Lets the delivery tests import their stand-ins and footage by name; what the tests of evaluation share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from judged_footage import make_production


@pytest.fixture(autouse=True)
def few_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take most of the time, so they are drawn only where they are looked at."""
    if "plots" not in request.node.name:
        monkeypatch.setattr("interpositive.delivery.result_evaluation.write_plots", lambda *given: None)


@pytest.fixture
def shots(tmp_path: Path) -> dict[str, Path]:
    return make_production(tmp_path)
