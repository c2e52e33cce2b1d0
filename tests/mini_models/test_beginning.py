"""A mini-model begins with what one of its kind learned; another kind, or other sizes, are refused with both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from shots import SMALL, small_model, waken

from interpositive.errors import ConfigError, IntegrityError
from interpositive.mini_models.archive import RECIPE_NAME, WEIGHTS_NAME, archive_digest, save_archive
from interpositive.mini_models.beginning import begin_with
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.records.rights import Beginning

ARGUMENTS: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.items()}
BEFORE = Beginning(production="first", task="t", mini_model="m", footage="soundstage", archive_sha256="0" * 64)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    names = {"production": "tiny", "task": "wire_removal"}
    save_archive(waken(small_model()), tmp_path / "a", arguments=ARGUMENTS, begun_with=[BEFORE], **names)
    return tmp_path / "a"


def test_it_has_the_weights_and_says_what_they_come_of(archive: Path) -> None:
    model = small_model(9)
    nearest, before = begin_with(model, archive)
    assert (nearest.production, nearest.footage) == ("tiny", "camera") and before == BEFORE
    assert nearest.archive_sha256 == archive_digest(archive)
    for name, value in waken(small_model()).state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_other_sizes_are_refused_with_both(archive: Path) -> None:
    with pytest.raises(ConfigError, match="weights of other shapes") as refused:
        begin_with(small_model(scorer_width=8), archive)
    assert "scorer.first.weight 4x28x3x3" in str(refused.value.found)
    assert "scorer.first.weight 8x28x3x3" in str(refused.value.expected) and "more" in str(refused.value.expected)


class OtherFusion(CandidateFusion):
    """The same shapes under another name."""


def test_another_kind_is_refused_with_both(archive: Path) -> None:
    with pytest.raises(ConfigError, match="another kind of mini-model") as refused:
        begin_with(OtherFusion(**SMALL), archive)
    assert str(refused.value.found).endswith("CandidateFusion")
    assert str(refused.value.expected).endswith("OtherFusion")


def test_damaged_weights_are_refused_and_nothing_is_loaded(archive: Path) -> None:
    path = archive / WEIGHTS_NAME
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    model = small_model(9)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(IntegrityError, match="not what was saved"):
        begin_with(model, archive)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    (archive / RECIPE_NAME).write_text("{")
    with pytest.raises(IntegrityError, match="damaged"):
        begin_with(model, archive)
