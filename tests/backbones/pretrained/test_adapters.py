"""Adapters alone learn, change nothing at first, come back the same, and travel to diffusers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_backbones import BACKBONES, load, words
from torch import Tensor

from interpositive.backbones.adapters import AdapterSettings
from interpositive.backbones.pretrained.adapters import LORA_NAME, adapt, adapter_state, load_adapter_state, save_lora
from interpositive.backbones.pretrained.contract import VideoDiffusion
from interpositive.errors import ConfigError, IntegrityError

EACH_FAMILY = pytest.mark.parametrize("family", BACKBONES)
KINDS = [
    AdapterSettings("lora", rank=4, alpha=10.0),
    AdapterSettings("norms"),
    AdapterSettings("full"),
]
EACH_KIND = pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
PIPELINES = {
    "wan": "WanPipeline",
    "wan_vace": "WanVACEPipeline",
    "ltx_video": "LTXPipeline",
    "cogvideox": "CogVideoXPipeline",
    "wan_2_2": "WanPipeline",
    "wan_i2v": "WanImageToVideoPipeline",
}


def asking(backbone: VideoDiffusion) -> Callable[[VideoDiffusion], Tensor]:
    """A question whose answer tells networks apart, to each expert where there are two."""
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(1, *backbone.layout.shape(9, 32, 32), generator=generator)
    told = backbone.condition(torch.rand(1, 9, 3, 32, 32, generator=generator), torch.ones(1, 9, 1, 32, 32))
    said = words(1, backbone)
    levels = [torch.tensor(level) for level in ((0.7, 0.95) if len(backbone.networks) == 2 else (0.7,))]
    return lambda asked: torch.cat([asked.velocity(noisy, level, said, told) for level in levels])


def train(backbone: VideoDiffusion, ask: Callable[[VideoDiffusion], Tensor], num_steps: int = 3) -> None:
    learning = [value for value in backbone.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=0.02)
    for _ in range(num_steps):
        optimiser.zero_grad()
        ask(backbone).square().mean().backward()
        optimiser.step()


@EACH_FAMILY
@EACH_KIND
def test_only_the_adapter_learns_and_it_begins_with_no_change(
    family: str, settings: AdapterSettings, tiny_folders: dict[str, Path]
) -> None:
    plain, adapted = load(family, tiny_folders[family]), load(family, tiny_folders[family])
    ask = asking(plain)
    adapt(adapted, settings)
    # Kernels may differ where weights want no gradient.
    torch.testing.assert_close(ask(adapted), ask(plain), rtol=1e-5, atol=1e-6)
    before = {name: value.detach().clone() for name, value in adapted.named_parameters()}
    train(adapted, ask)
    learning = {name for name, value in adapted.named_parameters() if value.requires_grad}
    moved = {name for name, value in adapted.named_parameters() if not torch.equal(value, before[name])}
    # An expert that was not asked would not have moved.
    assert {name.split(".")[0] for name in moved} == {name.split(".")[0] for name in learning} and moved <= learning
    assert all(value.grad is None for name, value in adapted.named_parameters() if name not in learning)
    if settings.kind == "lora":
        assert all("lora_" in name for name in learning)
    elif settings.kind == "norms":
        assert len(learning) < len([*adapted.network.parameters()]) * len(adapted.networks)
    assert (ask(adapted) - ask(plain)).abs().max() > 1e-4


@EACH_FAMILY
@EACH_KIND
def test_what_was_learned_comes_back_the_same(
    family: str, settings: AdapterSettings, tiny_folders: dict[str, Path]
) -> None:
    taught, other = load(family, tiny_folders[family]), load(family, tiny_folders[family])
    ask = asking(taught)
    adapt(taught, settings)
    train(taught, ask)
    adapt(other, settings)
    load_adapter_state(other, adapter_state(taught))
    assert torch.equal(ask(other), ask(taught))
    strange = adapter_state(taught)
    strange.pop(sorted(strange)[0])
    with pytest.raises(IntegrityError, match="does not belong"):
        load_adapter_state(other, strange)


@EACH_FAMILY
def test_a_lora_is_taken_by_the_pipeline_of_diffusers(
    family: str, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    import diffusers

    taught, other = load(family, tiny_folders[family]), load(family, tiny_folders[family])
    ask = asking(taught)
    adapt(taught, KINDS[0])
    train(taught, ask)
    path = save_lora(taught, tmp_path / "lora")
    assert path.read_bytes() == save_lora(taught, tmp_path / "again").read_bytes()
    with safe_open(path, "pt") as stored:
        names = [*stored.keys()]
    begin = "unet." if family == "svd" else "transformer."
    assert all(name.startswith(begin) and ".lora_" in name for name in names)
    if family == "svd":
        return taken_by_peft(other, path, ask, ask(taught))
    parts = {"vae": other.autoencoder} | other.networks
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    if family == "cogvideox":
        scheduler = diffusers.CogVideoXDDIMScheduler()
    pipeline = getattr(diffusers, PIPELINES[family])(tokenizer=None, text_encoder=None, scheduler=scheduler, **parts)
    pipeline.load_lora_weights(path.parent, weight_name=LORA_NAME, local_files_only=True)
    if "transformer_2" in other.networks:
        assert (ask(other) - ask(taught)).abs().max() > 1e-4
        second = f"transformer_2_{LORA_NAME}"
        into = {"load_into_transformer_2": True, "adapter_name": "second"}
        pipeline.load_lora_weights(path.parent, weight_name=second, local_files_only=True, **into)
    torch.testing.assert_close(ask(other), ask(taught), rtol=1e-5, atol=1e-6)


def taken_by_peft(other: VideoDiffusion, path: Path, ask: Callable[[VideoDiffusion], Tensor], expected: Tensor) -> None:
    """The pipeline of SVD takes no LoRA; peft does, from the same file."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

    with safe_open(path, "pt") as stored:
        told = json.loads(stored.metadata()["lora_adapter_metadata"])
        state = {name.removeprefix("unet."): stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    ranks = {name: told[f"unet.{name}"] for name in ("r", "lora_alpha", "target_modules")}
    inject_adapter_in_model(LoraConfig(**ranks), other.network)
    other.network.peft_config = {"default": LoraConfig(**ranks)}
    set_peft_model_state_dict(other.network, state)
    torch.testing.assert_close(ask(other), expected, rtol=1e-5, atol=1e-6)


def test_a_target_that_no_layer_is_called_and_a_lora_that_is_none_are_refused(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    backbone = load("wan", tiny_folders["wan"])
    with pytest.raises(ConfigError, match=r"(?s)to_z.*attn1.to_q"):
        adapt(backbone, AdapterSettings(targets=("to_q", "to_z")))
    with pytest.raises(ConfigError, match="only LoRA travels"):
        save_lora(backbone, tmp_path)
    for wrong in ({"rank": 0}, {"kind": "prefix"}):
        with pytest.raises(ConfigError, match="adapter"):
            AdapterSettings(**wrong)  # type: ignore[arg-type]
