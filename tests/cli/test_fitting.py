"""A mini-model that cannot supply what a task lacks is refused, with those that can."""

from __future__ import annotations

import pytest
import torch

from interpositive.cli.fitting import fitting, refuse_half_size, refuse_misfit
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.fitted_grade import FittedGrade
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


def test_what_does_not_learn_at_half_size_is_refused_before_it_learns() -> None:
    refuse_half_size(CandidateFusion(), 0.4)
    refuse_half_size(FittedGrade(), 0.0)
    with pytest.raises(ConfigError, match="does not learn at half size") as refused:
        refuse_half_size(FittedGrade(), 0.4)
    assert refused.value.found == "trainer.half_size_share=0.4 for FittedGrade"
    frames = torch.zeros(1, 3, 8, 8)
    with pytest.raises(ConfigError, match="does not learn at half size"):
        FittedGrade().half_size(Example(frames, frames[:, :1]))
