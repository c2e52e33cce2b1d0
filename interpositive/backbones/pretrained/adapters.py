"""The small part of a pretrained network that learns: LoRA, biases and norms, or all of it.

Hu et al., 2021 (LoRA); Ben Zaken et al., 2021 (biases). What is learned is told by parameter name, so that it is saved
and loaded without the network that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from interpositive.backbones.adapters import AdapterSettings, norms_and_biases
from interpositive.backbones.pretrained.contract import VideoDiffusion
from interpositive.errors import ConfigError, IntegrityError
from interpositive.records.publishing import write_file_whole

LORA_NAME = "pytorch_lora_weights.safetensors"
_NAME = "default"
# Diffusers' words for a network within a pipeline, and for the header with the ranks.
_IN_PIPELINE = "transformer"
_HEADER = "lora_adapter_metadata"


def adapt(backbone: VideoDiffusion, settings: AdapterSettings) -> None:
    """Let only the adapter learn; untrained it changes nothing. LoRA's first weights are drawn from torch's generator.

    A backbone of several networks has an adapter in each. ``ConfigError`` if no layer of a network is called as a
    target is.
    """
    for network in backbone.networks.values():
        network.requires_grad_(settings.kind == "full")
        if settings.kind == "norms":
            for parameter in norms_and_biases(network):
                parameter.requires_grad_(True)
        if settings.kind == "lora":
            _add_lora(network, settings, list(settings.targets or backbone.adapter_targets))


@contextmanager
def without_lora(backbone: VideoDiffusion) -> Iterator[None]:
    """Inside, LoRA adds nothing."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [
        module
        for network in backbone.networks.values()
        for module in network.modules()
        if isinstance(module, BaseTunerLayer)
    ]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def adapter_state(backbone: VideoDiffusion) -> dict[str, Tensor]:
    """What learns, by parameter name, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in _learning(backbone).items()}


def load_adapter_state(backbone: VideoDiffusion, state: Mapping[str, Tensor]) -> None:
    """Into an adapted network; ``IntegrityError`` if the state is another adapter's."""
    own = _learning(backbone)
    wrong = sorted(own.keys() ^ state.keys()) or [name for name in own if own[name].shape != state[name].shape]
    if wrong:
        raise IntegrityError(
            "the adapter does not belong to this network",
            found=f"{len(wrong)} parameters that differ, such as {wrong[0]}",
            expected=f"{len(own)} parameters of their shapes",
        )
    for name, value in own.items():
        value.data.copy_(state[name])


def save_lora(backbone: VideoDiffusion, folder: Path) -> Path:
    """Write a LoRA as diffusers' ``load_lora_weights`` takes it; ``ConfigError`` if the network has none.

    That of a second expert is a file of its own beside it, ``transformer_2_`` and the name of the first, which
    diffusers takes with ``load_into_transformer_2=True``. Diffusers takes none for SVD: there peft does, with
    ``inject_adapter_in_model`` and ``set_peft_model_state_dict``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, network) in enumerate(backbone.networks.items()):
        paths.append(folder / (f"{name}_{LORA_NAME}" if number else LORA_NAME))
        _write_lora(network, _IN_PIPELINE if number else name, paths[-1])
    return paths[0]


def _add_lora(network: Any, settings: AdapterSettings, targets: list[str]) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    _refuse_unknown(network, targets)
    alpha = settings.rank if settings.alpha is None else settings.alpha
    config = LoraConfig(r=settings.rank, lora_alpha=alpha, target_modules=targets)
    # Not diffusers' add_adapter, which its U-Nets of video are without.
    inject_adapter_in_model(config, network, _NAME)
    network.peft_config = {_NAME: config}


def _write_lora(network: Any, prefix: str, path: Path) -> None:
    from peft.utils import get_peft_model_state_dict

    configs = getattr(network, "peft_config", None)
    if not configs:
        raise ConfigError("only LoRA travels to other programs", expected="an adapter of kind lora")
    state = get_peft_model_state_dict(network, adapter_name=_NAME)
    tensors = {f"{prefix}.{name}": value.detach().cpu().contiguous() for name, value in state.items()}
    ranks = {f"{prefix}.{key}": _plain(value) for key, value in configs[_NAME].to_dict().items()}
    # One entry, for safetensors writes several in another order each time.
    write_file_whole(path, save(tensors, {_HEADER: json.dumps(ranks, sort_keys=True)}))


def _learning(backbone: VideoDiffusion) -> dict[str, nn.Parameter]:
    return {name: value for name, value in backbone.named_parameters() if value.requires_grad}


def _refuse_unknown(network: nn.Module, targets: list[str]) -> None:
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    unknown = [target for target in targets if not any(name.endswith(f".{target}") for name in linear)]
    if unknown:
        ends = sorted({".".join(part for part in name.split(".")[-2:]) for name in linear})
        raise ConfigError("no layer of the network is called so", found=unknown, expected=f"ends of {ends[:12]}")


def _plain(value: Any) -> Any:
    """As JSON has it, and in the same order each time."""
    return sorted(value) if isinstance(value, set) else getattr(value, "value", value)
