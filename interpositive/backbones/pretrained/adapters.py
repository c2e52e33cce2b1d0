"""The small part of a pretrained network that learns: LoRA, biases and norms, or all of it.

Hu et al., 2021 (LoRA); Ben Zaken et al., 2021 (biases). What is learned is told by parameter name, so that it is saved
and loaded without the network that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import save
from torch import Tensor, nn

from interpositive.backbones.pretrained.contract import VideoDiffusion
from interpositive.errors import ConfigError, IntegrityError
from interpositive.records.publishing import write_file_whole

AdapterKind = Literal["lora", "norms", "full"]
LORA_NAME = "pytorch_lora_weights.safetensors"
_NAME = "default"
# Diffusers' words for a network within a pipeline, and for the header with the ranks.
_IN_PIPELINE = "transformer"
_HEADER = "lora_adapter_metadata"


@dataclass(frozen=True)
class AdapterSettings:
    """``kind`` of what learns; of LoRA ``rank``, ``alpha`` (rank, if None) and ``targets`` (the family's own, if None).

    A target is the end of a linear layer's name. What LoRA adds is scaled by ``alpha / rank``.
    """

    kind: AdapterKind = "lora"
    rank: int = 16
    alpha: float | None = None
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("lora", "norms", "full"):
            raise ConfigError("unknown adapter", found=self.kind, expected="lora, norms or full")
        if self.rank < 1:
            raise ConfigError("an adapter needs a rank", found=self.rank, expected="1 or more")


def adapt(backbone: VideoDiffusion, settings: AdapterSettings) -> None:
    """Let only the adapter learn; untrained it changes nothing. LoRA's first weights are drawn from torch's generator.

    ``ConfigError`` if no layer of the network is called as a target is.
    """
    network = backbone.network
    network.requires_grad_(settings.kind == "full")
    if settings.kind == "norms":
        for parameter in _norms_and_biases(network):
            parameter.requires_grad_(True)
    if settings.kind == "lora":
        from peft import LoraConfig

        targets = list(settings.targets or backbone.adapter_targets)
        alpha = settings.rank if settings.alpha is None else settings.alpha
        _refuse_unknown(network, targets)
        network.add_adapter(LoraConfig(r=settings.rank, lora_alpha=alpha, target_modules=targets), adapter_name=_NAME)


def adapter_state(backbone: VideoDiffusion) -> dict[str, Tensor]:
    """What learns, by parameter name, on the CPU."""
    learning = ((name, value) for name, value in backbone.network.named_parameters() if value.requires_grad)
    return {name: value.detach().cpu().clone() for name, value in learning}


def load_adapter_state(backbone: VideoDiffusion, state: Mapping[str, Tensor]) -> None:
    """Into an adapted network; ``IntegrityError`` if the state is another adapter's."""
    own = {name: value for name, value in backbone.network.named_parameters() if value.requires_grad}
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
    """Write a LoRA as diffusers' ``load_lora_weights`` takes it; ``ConfigError`` if the network has none."""
    from peft.utils import get_peft_model_state_dict

    configs = getattr(backbone.network, "peft_config", None)
    if not configs:
        raise ConfigError("only LoRA travels to other programs", expected="an adapter of kind lora")
    state = get_peft_model_state_dict(backbone.network, adapter_name=_NAME)
    tensors = {f"{_IN_PIPELINE}.{name}": value.detach().cpu().contiguous() for name, value in state.items()}
    ranks = {f"{_IN_PIPELINE}.{key}": _plain(value) for key, value in configs[_NAME].to_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    # One entry, for safetensors writes several in another order each time.
    write_file_whole(folder / LORA_NAME, save(tensors, {_HEADER: json.dumps(ranks, sort_keys=True)}))
    return folder / LORA_NAME


def _norms_and_biases(network: nn.Module) -> list[nn.Parameter]:
    found = []
    for module in network.modules():
        is_norm = type(module).__name__.endswith("Norm")
        found += [value for name, value in module.named_parameters(recurse=False) if is_norm or name == "bias"]
    return found


def _refuse_unknown(network: nn.Module, targets: list[str]) -> None:
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    unknown = [target for target in targets if not any(name.endswith(f".{target}") for name in linear)]
    if unknown:
        ends = sorted({".".join(part for part in name.split(".")[-2:]) for name in linear})
        raise ConfigError("no layer of the network is called so", found=unknown, expected=f"ends of {ends[:12]}")


def _plain(value: Any) -> Any:
    """As JSON has it, and in the same order each time."""
    return sorted(value) if isinstance(value, set) else getattr(value, "value", value)
