"""A run that begins with something learned judges that first, learns by its adapter alone, and resumes exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import ARGUMENTS
from torch import Tensor

from interpositive.backbones.adapters import AdapterSettings, adapt_network
from interpositive.mini_models.archive import load_archive
from interpositive.mini_models.beginning import begin_with
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.rights import Beginning
from interpositive.records.run_record import RunRecord
from interpositive.training.fine_tuner import FineTuner

Train = Callable[..., RunRecord]
FIRST = Beginning(production="tiny", task="wire_removal", mini_model="m", footage="camera", archive_sha256="0" * 64)


class Cut(Exception):
    """Stands for what ends a process from outside."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a mini-model that does something: its last layers are random, not zero."""
    from interpositive.mini_models.archive import save_archive

    torch.manual_seed(1)
    model = CandidateFusion(**ARGUMENTS)
    with torch.no_grad():
        for layer in (model.scorer.last, model.residual.last):
            layer.weight.normal_(0.0, 0.05)
    folder = tmp_path_factory.mktemp("base") / "archive"
    save_archive(model, folder, arguments=ARGUMENTS, production="tiny", task="wire_removal")
    return folder


def started(base: Path, kind: Any, **arguments: Any) -> CandidateFusion:
    model = CandidateFusion(**arguments)
    begin_with(model, base)
    adapt_network(model, AdapterSettings(kind, rank=2), seed=0)
    return model


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "weights.safetensors")


@pytest.mark.parametrize("kind", ["full", "lora", "norms"])
def test_only_what_is_to_learn_changes_and_the_start_is_judged_first(
    kind: str, train: Train, base: Path, tmp_path: Path
) -> None:
    record = train(tmp_path / "run", make_mini_model=partial(started, base, kind), begun_with=[FIRST], adapter=kind)
    course = HeldOutCourse.read(tmp_path / "run")
    assert [point.step for point in course.points] == [0, 4, 8, 12]
    assert record.begun_with == [FIRST] and record.adapter == kind and record.notes[0] == FIRST.words()
    # Built anew from its own recipe, wherever it is.
    _, recipe = load_archive(tmp_path / "run" / "archive")
    assert recipe.begun_with == [FIRST]
    before, after = weights(base), weights(tmp_path / "run" / "archive")
    assert before.keys() == after.keys()
    if course.kept_step == 0:
        assert all(torch.equal(before[name], after[name]) for name in before)
        return
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    learnable = {
        "full": set(before),
        "lora": {name for name, value in before.items() if name.endswith("weight") and value.dim() > 1},
        "norms": {name for name in before if name.endswith("bias")},
    }[kind]
    assert changed and changed <= learnable


@pytest.mark.parametrize("step", [2, 10], ids=["before the first checkpoint", "later"])
def test_a_cut_run_that_began_with_something_ends_the_same(
    train: Train, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    begun = partial(train, make_mini_model=partial(started, base, "lora"), begun_with=[FIRST], checkpoint_every=4)
    begun(tmp_path / "whole")
    original = FineTuner.training_step

    def cutting(tuner: FineTuner, example: Any, batch_idx: int) -> Tensor:
        if tuner.global_step == step:
            raise Cut
        return original(tuner, example, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuner, "training_step", cutting)
        with pytest.raises(Cut):
            begun(tmp_path / "cut")
    begun(tmp_path / "cut")
    assert (tmp_path / "cut/archive/weights.safetensors").read_bytes() == (
        tmp_path / "whole/archive/weights.safetensors"
    ).read_bytes()
    kept = [HeldOutCourse.read(tmp_path / name).kept_step for name in ("cut", "whole")]
    assert kept[0] == kept[1]


def test_the_optimiser_holds_the_adapter_alone(base: Path) -> None:
    tuner = FineTuner(started(base, "lora", **ARGUMENTS), max_steps=4)
    (group,) = tuner.configure_optimizers()["optimizer"].param_groups
    learning = [value for value in tuner.mini_model.parameters() if value.requires_grad]
    assert [id(value) for value in group["params"]] == [id(value) for value in learning]
    assert sum(value.numel() for value in learning) == tuner.mini_model.num_parameters
