"""The small part of a network that learns: LoRA on its layers, or its biases and norms; for our own networks.

Hu et al., 2021 (LoRA, here on convolutions as well); Ben Zaken et al., 2021 (biases). What was learned is folded into
the network's own weights afterwards, and is then no part of it any more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.conv import _ConvNd

from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from

AdapterKind = Literal["lora", "norms", "full"]
_LAYERS = (nn.Linear, _ConvNd)


@dataclass(frozen=True)
class AdapterSettings:
    """``kind`` of what learns; of LoRA ``rank``, ``alpha`` (rank, if None) and, of pretrained networks, ``targets``.

    A target is the end of a linear layer's name; None are the family's own. What LoRA adds is scaled by
    ``alpha / rank``.
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

    @property
    def words(self) -> str:
        """The adapter as a record says it."""
        if self.kind != "lora":
            return self.kind
        return f"lora of rank {self.rank}" + ("" if self.alpha is None else f", alpha {self.alpha:g}")


class LowRank(nn.Module):
    """A layer that keeps its weights, and learns what is added to them: ``scale * up @ down``.

    The weight is taken as a matrix, its first dimension by all others. ``up`` starts at zero: nothing changes
    untrained. ``weight`` and ``bias`` are those that the layer computes with.
    """

    def __init__(self, layer: nn.Module, rank: int, alpha: float | None, generator: torch.Generator) -> None:
        super().__init__()
        assert isinstance(layer, _LAYERS)
        self.layer = layer.requires_grad_(False)
        rows, columns = layer.weight.flatten(1).shape
        self.scale = 1.0 if alpha is None else alpha / rank
        rank = min(rank, rows, columns)
        bound = 1.0 / math.sqrt(columns)
        first = torch.empty(rank, columns).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(first.to(layer.weight))
        self.up = nn.Parameter(layer.weight.new_zeros(rows, rank))

    @property
    def weight(self) -> Tensor:
        """The layer's own and what was learned."""
        own: Tensor = self.layer.weight
        return own + (self.scale * (self.up @ self.down)).view_as(own)

    @property
    def bias(self) -> Tensor | None:
        """The layer's own."""
        own: Tensor | None = self.layer.bias
        return own

    def forward(self, x: Tensor) -> Tensor:
        """As the layer would with the weights that are meant."""
        result: Tensor = functional_call(self.layer, {"weight": self.weight}, (x,))
        return result


def adapt_network(network: nn.Module, settings: AdapterSettings, seed: int) -> None:
    """Let only the adapter learn; untrained it changes nothing. LoRA's first weights come of seed and layer's name.

    ``ConfigError`` for a network of which only a part learns already, and for one without such parts.
    """
    if settings.kind == "full":
        return
    if not all(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError(
            "this mini-model has an adapter of its own",
            found=f"adapter={settings.kind}",
            expected="adapter=full, and mini_model.adapter for what learns",
        )
    network.requires_grad_(False)
    if settings.kind == "norms":
        for parameter in norms_and_biases(network):
            parameter.requires_grad_(True)
    else:
        layers = [(name, module) for name, module in network.named_modules() if isinstance(module, _LAYERS)]
        for name, layer in layers:
            generator = generator_from("adapter", seed, name)
            _replace(network, name, LowRank(layer, settings.rank, settings.alpha, generator))
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ConfigError(
            "this mini-model has nothing that such an adapter could learn",
            found=f"adapter={settings.kind}",
            expected="layers for lora, biases or norms for norms; full always learns",
        )


@torch.no_grad()
def fold_adapter(network: nn.Module) -> None:
    """Put what LoRA learned into the layers' own weights, which compute to the last bit as before."""
    for name, module in list(network.named_modules()):
        if isinstance(module, LowRank):
            assert isinstance(module.layer, _LAYERS)
            module.layer.weight.copy_(module.weight)
            _replace(network, name, module.layer)


def norms_and_biases(network: nn.Module) -> list[nn.Parameter]:
    """Every bias, and all of the normalisations."""
    found = []
    for module in network.modules():
        is_norm = "Norm" in type(module).__name__
        found += [value for name, value in module.named_parameters(recurse=False) if is_norm or name == "bias"]
    return found


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
