"""An adapter of one of our own networks learns alone, changes nothing at first, and folds away to the last bit."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from interpositive.backbones.adapters import AdapterSettings, LowRank, adapt_network, fold_adapter, norms_and_biases
from interpositive.backbones.fusion_network import ResidualUNet
from interpositive.errors import ConfigError

LORA = AdapterSettings("lora", rank=2, alpha=4.0)


class Everything(nn.Module):
    """A layer of every kind that there is to adapt."""

    def __init__(self) -> None:
        super().__init__()
        self.flat = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.GroupNorm(2, 6))
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.deep = nn.ModuleList([nn.Conv3d(4, 5, (3, 1, 1), padding=(1, 0, 0), bias=False)])
        self.words = nn.Linear(5, 3)
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        deep = self.deep[0](self.up(self.flat(x))[:, :, None])[:, :, 0]
        result: Tensor = self.gain * self.words(deep.movedim(1, -1))
        return result


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Everything()


def learn(adapted: nn.Module, steps: int = 3) -> set[str]:
    """A few steps; returns which parameters got gradients."""
    optimizer = torch.optim.AdamW([value for value in adapted.parameters() if value.requires_grad], 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        adapted(PICTURE).square().mean().backward()
        optimizer.step()
    return {name for name, value in adapted.named_parameters() if value.grad is not None}


PICTURE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))


def test_lora_learns_alone_and_folds_into_the_weights_to_the_last_bit() -> None:
    before, adapted = network().requires_grad_(False), network()
    adapt_network(adapted, LORA, seed=7)
    assert torch.equal(adapted(PICTURE), before(PICTURE)), "untrained it changes nothing"
    touched = learn(adapted)
    assert touched and {name.rpartition(".")[2] for name in touched} == {"up", "down"}
    assert sum(isinstance(module, LowRank) for module in adapted.modules()) == 4
    said, twin = adapted(PICTURE), pickle.loads(pickle.dumps(copy.deepcopy(adapted)))
    assert torch.equal(twin(PICTURE), said) and not torch.equal(said, before(PICTURE))
    fold_adapter(adapted)
    plain = network(5)
    plain.load_state_dict(adapted.state_dict())
    assert torch.equal(plain(PICTURE), said) and torch.equal(adapted(PICTURE), said)


def test_lora_adds_no_more_than_its_rank_and_is_drawn_from_the_seed() -> None:
    one, same, other = network(), network(), network()
    for adapted, seed in ((one, 7), (same, 7), (other, 8)):
        adapt_network(adapted, AdapterSettings("lora", rank=1), seed)
        learn(adapted)
    change = one.get_submodule("words").weight - network().get_submodule("words").weight
    assert torch.linalg.matrix_rank(change.detach()) == 1
    assert torch.equal(one(PICTURE), same(PICTURE)) and not torch.equal(one(PICTURE), other(PICTURE))


def test_norms_and_biases_learn_alone() -> None:
    adapted, before = network(), network().state_dict()
    adapt_network(adapted, AdapterSettings("norms"), seed=0)
    touched = learn(adapted)
    assert touched == {"flat.0.bias", "flat.1.weight", "flat.1.bias", "up.bias", "words.bias"}
    changed = {name for name, value in adapted.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == touched
    assert len(norms_and_biases(nn.BatchNorm2d(3))) == 2


def test_full_leaves_the_network_as_it_is() -> None:
    adapted = network()
    adapt_network(adapted, AdapterSettings("full"), seed=0)
    fold_adapter(adapted)
    assert adapted.state_dict().keys() == network().state_dict().keys()
    assert all(value.requires_grad for value in adapted.parameters())


def test_a_network_of_which_a_part_learns_already_is_refused() -> None:
    partly = network()
    partly.get_parameter("words.bias").requires_grad_(False)
    with pytest.raises(ConfigError, match="adapter of its own"):
        adapt_network(partly, LORA, seed=0)
    with pytest.raises(ConfigError, match="nothing that such an adapter could learn"):
        adapt_network(nn.Embedding(3, 2), LORA, seed=0)


def test_the_fusion_network_has_fewer_parameters_to_learn() -> None:
    unet = ResidualUNet(10, (24, 48, 64))
    whole = sum(value.numel() for value in unet.parameters())
    adapt_network(unet, AdapterSettings("lora", rank=4), seed=0)
    assert sum(value.numel() for value in unet.parameters() if value.requires_grad) < 0.2 * whole
