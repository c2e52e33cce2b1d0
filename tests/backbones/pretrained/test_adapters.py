"""Adapters alone learn, change nothing at first, come back the same, and travel to diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tiny_backbones import FAMILIES, load, words
from torch import Tensor

from interpositive.backbones.pretrained.adapters import (
    LORA_NAME,
    AdapterSettings,
    adapt,
    adapter_state,
    load_adapter_state,
    save_lora,
)
from interpositive.backbones.pretrained.contract import VideoDiffusion
from interpositive.errors import ConfigError, IntegrityError

EACH_FAMILY = pytest.mark.parametrize("family", FAMILIES)
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
}


def asking(backbone: VideoDiffusion) -> Callable[[VideoDiffusion], Tensor]:
    """A question whose answer tells networks apart."""
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(1, *backbone.layout.shape(9, 32, 32), generator=generator)
    told = backbone.condition(torch.rand(1, 9, 3, 32, 32, generator=generator), torch.ones(1, 9, 1, 32, 32))
    said = words(1, backbone)
    return lambda asked: asked.velocity(noisy, torch.tensor(0.7), said, told)


def train(backbone: VideoDiffusion, ask: Callable[[VideoDiffusion], Tensor], num_steps: int = 3) -> None:
    learning = [value for value in backbone.network.parameters() if value.requires_grad]
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
    assert torch.equal(ask(adapted), ask(plain))
    before = {name: value.detach().clone() for name, value in adapted.named_parameters()}
    train(adapted, ask)
    learning = {name for name, value in adapted.named_parameters() if value.requires_grad}
    moved = {name for name, value in adapted.named_parameters() if not torch.equal(value, before[name])}
    assert moved and moved <= learning
    assert all(value.grad is None for name, value in adapted.named_parameters() if name not in learning)
    if settings.kind == "lora":
        assert all("lora_" in name for name in learning)
    elif settings.kind == "norms":
        assert len(learning) < len(list(adapted.network.parameters()))
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
        assert all(name.startswith("transformer.") and ".lora_" in name for name in stored.keys())  # noqa: SIM118
    parts = {"vae": other.autoencoder, "transformer": other.network}
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    if family == "cogvideox":
        scheduler = diffusers.CogVideoXDDIMScheduler()
    pipeline = getattr(diffusers, PIPELINES[family])(tokenizer=None, text_encoder=None, scheduler=scheduler, **parts)
    pipeline.load_lora_weights(path.parent, weight_name=LORA_NAME, local_files_only=True)
    torch.testing.assert_close(ask(other), ask(taught), rtol=1e-5, atol=1e-6)


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
