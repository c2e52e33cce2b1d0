"""The average of the weights: of what learns, and of nothing else."""

from __future__ import annotations

import torch
from torch import nn

from interpositive.training.callbacks import LearningAverage


class HalfFrozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.frozen = nn.Parameter(torch.randn(1000, generator=generator).bfloat16(), requires_grad=False)
        self.learns = nn.Parameter(torch.randn(4, generator=generator))
        self.register_buffer("seen", torch.randn(1000, generator=generator))
        self.register_buffer("digest", torch.arange(256, dtype=torch.uint8))
        self.seen: torch.Tensor


def test_what_learns_is_averaged_and_what_does_not_change_stays_to_the_last_bit() -> None:
    model = HalfFrozen()
    average = LearningAverage(model, 0.9, torch.device("cpu"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    expected = model.learns.detach().clone()
    for step in range(50):
        with torch.no_grad():
            model.learns.add_(1.0)
        average.update_parameters(model)
        expected = model.learns.detach().clone() if step == 0 else 0.9 * expected + 0.1 * model.learns.detach()
    torch.testing.assert_close(average.module.learns, expected)
    for name in ("frozen", "seen", "digest"):
        assert torch.equal(average.module.state_dict()[name], before[name]), name
    model.seen.add_(1.0)
    average.update_parameters(model)
    torch.testing.assert_close(average.module.seen, before["seen"] + 0.1)


def test_frozen_weights_are_not_even_looked_at() -> None:
    model = HalfFrozen()
    average = LearningAverage(model, 0.9, torch.device("cpu"))
    # A pass over them would bring these across.
    model.frozen.data.fill_(7.0)
    before = average.module.frozen.clone()
    average.update_parameters(model)
    average.update_parameters(model)
    assert torch.equal(average.module.frozen, before)
