"""A mini-model that cannot supply what a task lacks is refused, with those that can."""

from __future__ import annotations

import pytest

from interpositive.cli.fitting import fitting, refuse_misfit
from interpositive.errors import ConfigError
from interpositive.mini_models.contract import MiniModel
from interpositive.tasks.wire_removal import WireRemoval

FUSION = {"_target_": "interpositive.mini_models.candidate_fusion.CandidateFusion"}


def test_what_fits_is_let_through() -> None:
    assert "candidate_fusion" in fitting(WireRemoval())
    refuse_misfit(WireRemoval(), FUSION)


def test_what_does_not_is_refused_with_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WireRemoval, "lacks", "light")
    monkeypatch.setattr(MiniModel, "supplies", frozenset({"pixels"}))
    with pytest.raises(ConfigError, match=r"cannot learn wire_removal.*lacks light") as refused:
        refuse_misfit(WireRemoval(), FUSION)
    assert refused.value.expected == "mini_model=" + " or mini_model=".join(fitting(WireRemoval()))
