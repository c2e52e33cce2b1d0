"""A pretrained network as a mini-model: what is saved and shared, what windows depend on, and that it can learn."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_backbones import BACKBONES, FAMILY_OF

from interpositive.errors import ConfigError, IntegrityError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.pretrained_fill import PretrainedFill

EACH_FAMILY = pytest.mark.parametrize("family", BACKBONES)
SMALL: dict[str, Any] = {"precision": "float32", "num_steps": 2, "rank": 4, "gradient_checkpointing": False}
Make = Callable[..., PretrainedFill]


@pytest.fixture
def make(tiny_folders: dict[str, Path], tmp_path: Path) -> Make:
    def making(family: str, **given: Any) -> PretrainedFill:
        torch.manual_seed(0)
        model = PretrainedFill(**{"family": FAMILY_OF[family], "weights": str(tiny_folders[family]), **SMALL, **given})
        model.settle_in(tmp_path / "production")
        return model

    return making


def window(num_frames: int = 9, side: int = 32) -> Example:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, num_frames, 4, 4, generator=generator)
    size = (num_frames, side, side)
    clean = torch.nn.functional.interpolate(coarse, size=size, mode="trilinear")[0].transpose(0, 1).contiguous()
    mask = torch.zeros(num_frames, 1, side, side)
    mask[..., 8:16, 8:24] = 1
    return Example(torch.where(mask > 0, 0.1, clean), mask, clean, {"judged": mask.clone()})


def batch_of(prepared: Example) -> Example:
    told = {name: value[None] for name, value in prepared.condition.items()}
    return Example(prepared.input[None], prepared.mask[None], None, told, torch.tensor([0]))


@EACH_FAMILY
def test_one_window_can_be_learned_by_heart(family: str, make: Make) -> None:
    model = make(family, adapter="full")
    (prepared,) = model.prepare(window(5, 32 if family == "ltx_video" else 16), generator_from("prepare"))
    batch = batch_of(prepared)
    optimiser = torch.optim.AdamW((value for value in model.parameters() if value.requires_grad), lr=5e-3)
    totals: list[float] = []
    for _ in range(400):
        optimiser.zero_grad()
        # The same noise and level each time: there is one thing to know.
        total = torch.stack(list(model.losses(batch, generator_from("same")).values())).sum()
        total.backward()
        optimiser.step()
        totals.append(float(total.detach()))
        if totals[-1] < 0.2 * totals[0]:
            break
    assert min(totals) < 0.2 * totals[0]


@EACH_FAMILY
def test_what_is_saved_is_the_adapter_and_what_it_was_told(family: str, make: Make) -> None:
    model = make(family)
    state = model.state_dict()
    assert {name for name in state if name.startswith("backbone.")} == {
        name for name, value in model.named_parameters() if value.requires_grad
    }
    assert {name for name in state if not name.startswith("backbone.")} == {
        "word_embeddings",
        "word_mask",
        "has_heard",
        "weights_sha256",
    }
    assert "a_tuner.weights_sha256" in torch.nn.ModuleDict({"a_tuner": model}).state_dict()
    other = make(family)
    with torch.no_grad():
        for value in other.parameters():
            if value.requires_grad:
                value.add_(0.1)
    assert other.load_state_dict(state).missing_keys == []
    for name, value in other.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_it_says_whose_weights_it_begins_with(make: Make, tiny_folders: dict[str, Path]) -> None:
    (told,) = make("wan").origins
    assert str(tiny_folders["wan"]) in told and "apache-2.0" in told and "sha256" in told


def test_an_average_shares_what_does_not_learn(make: Make) -> None:
    model = make("wan_vace")
    twin = copy.deepcopy(model)
    own = dict(twin.named_parameters())
    for name, value in model.named_parameters():
        assert (own[name].data_ptr() == value.data_ptr()) != value.requires_grad, name


def test_an_adapter_of_other_weights_is_refused(make: Make, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(tiny_folders["wan"], folder)
    (folder / "vae" / "note.txt").write_text("another")
    state = make("wan").state_dict()
    with pytest.raises(IntegrityError, match="not those that this was trained with"):
        make("wan", weights=str(folder)).load_state_dict(state)


def test_prepared_windows_depend_on_the_autoencoder_and_not_on_the_adapter(
    make: Make, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    first = make("wan").preparation
    assert first == make("wan", rank=8, adapter="norms", num_steps=3, prompt="sky").preparation
    assert first != make("wan", window_frames=5).preparation
    folder = tmp_path / "other"
    shutil.copytree(tiny_folders["wan"], folder)
    weights = folder / "transformer" / "README.txt"
    weights.write_text("another transformer")
    assert first == make("wan", weights=str(folder)).preparation
    (folder / "vae" / "note.txt").write_text("another autoencoder")
    assert first != make("wan", weights=str(folder)).preparation


def test_weights_beside_real_damage_teach_nothing(make: Make) -> None:
    model, example = make("wan"), window()
    real = example.mask.clone()
    real[..., 24:, :] = 1
    (prepared,) = model.prepare(
        Example(example.input, torch.maximum(example.mask, real), example.target, {"judged": example.mask}),
        generator_from("prepare"),
    )
    weight = prepared.condition["weight"]
    assert (weight[:, :, 3] == 0).all() and (weight[:, :, 1, 1:3] == 1).all()
    assert torch.allclose(weight[:, :, 0], torch.tensor(model.keep_weight))


def test_the_prior_is_the_network_as_somebody_else_trained_it(make: Make) -> None:
    for adapter in ("lora", "norms"):
        model = make("wan", adapter=adapter).eval()
        before = model.restore(window(), range(2, 5), ["prior", "trained"])
        assert torch.equal(before["prior"].frames, before["trained"].frames)
        with torch.no_grad():
            for value in model.parameters():
                if value.requires_grad:
                    value.add_(0.2)
        after = model.restore(window(), range(2, 5), ["prior", "trained"])
        assert torch.equal(after["prior"].frames, before["prior"].frames)
        assert not torch.equal(after["trained"].frames, before["trained"].frames)


def test_windows_are_not_prepared_by_workers_and_words_are_heard_first(
    make: Make, tiny_folders: dict[str, Path]
) -> None:
    with pytest.raises(ConfigError, match="num_prepare_workers=0"):
        pickle.dumps(make("wan").prepare)
    deaf = PretrainedFill(family="wan", weights=str(tiny_folders["wan"]), **SMALL)
    (prepared,) = deaf.prepare(window(), generator_from("prepare"))
    with pytest.raises(ConfigError, match="heard no words"):
        deaf.losses(batch_of(prepared), generator_from("same"))
    with pytest.raises(ConfigError, match="too small"):
        make("wan").prepare(window(side=8), generator_from("prepare"))


def test_its_adapter_travels_and_nothing_else(make: Make, tmp_path: Path) -> None:
    model = make("ltx_video")
    folder = model.save_adapter(tmp_path).parent
    assert [path.name for path in folder.glob("*.safetensors")] == ["pytorch_lora_weights.safetensors"]
    with pytest.raises(ConfigError, match="does not travel") as refused:
        model.exportable(1080)
    assert "form=lora" in str(refused.value)


def test_without_its_packages_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "peft" else found(name))
    with pytest.raises(ConfigError, match=r"(?s)no peft.*interpositive\[generative\]"):
        PretrainedFill(**SMALL)
