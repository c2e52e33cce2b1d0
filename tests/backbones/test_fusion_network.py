"""The two networks: nothing when untrained, any raster, and no candidate that looks at another."""

from __future__ import annotations

import pytest
import torch

from interpositive.backbones.fusion_network import CandidateScorer, ResidualUNet

SIZES = [(32, 32), (17, 23), (8, 40), (5, 7)]


def awake(network: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.last.parameters():  # type: ignore[union-attr]
            parameter.normal_(0, 0.3)
    return network


@pytest.mark.parametrize("size", SIZES)
def test_untrained_networks_change_nothing_on_any_raster(size: tuple[int, int]) -> None:
    scores = CandidateScorer(7, 5, 4)(torch.rand(2, 3, 7, *size), torch.rand(2, 3, 5))
    assert scores.shape == (2, 3, 1, *size) and not scores.any()
    residual = ResidualUNet(10, (4, 5, 6))(torch.rand(2, 10, *size))
    assert residual.shape == (2, 3, *size) and not residual.any()


def test_a_score_depends_on_its_own_candidate_alone() -> None:
    scorer = awake(CandidateScorer(7, 5, 4))
    features, words = torch.rand(2, 4, 7, 18, 20), torch.rand(2, 4, 5)
    scores = scorer(features, words)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(scorer(features[:, order], words[:, order]), scores[:, order])
    torch.testing.assert_close(scorer(features[:, :1], words[:, :1]), scores[:, :1])
    assert not torch.allclose(scorer(features, words.flip(1)), scores), "the words count"


def test_the_residual_reaches_as_far_as_its_bottleneck_and_starts_where_it_is() -> None:
    network = awake(ResidualUNet(2, (4, 4, 4)))
    one = torch.rand(1, 2, 96, 96)
    other = one.clone()
    other[..., 48, 48] += 1.0
    reached = (network(other) - network(one)).abs().amax((0, 1)) > 1e-7
    ys, xs = reached.nonzero().unbind(1)
    assert reached[48, 48]
    assert 24 < int(xs.max() - xs.min()) < 96 and 24 < int(ys.max() - ys.min()) < 96


@pytest.mark.parametrize("network", ["scorer", "residual"])
def test_every_weight_learns(network: str) -> None:
    if network == "scorer":
        model: torch.nn.Module = awake(CandidateScorer(7, 5, 4))
        result = model(torch.rand(1, 2, 7, 16, 16), torch.rand(1, 2, 5))
    else:
        model = awake(ResidualUNet(10, (4, 4, 4)))
        result = model(torch.rand(1, 10, 32, 32))
    result.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
