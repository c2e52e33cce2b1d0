"""The video U-Net: any length and size, silent before it learns, and each part within reach of a gradient."""

import pytest
import torch

from interpositive.backbones.video_unet import VideoUNet


@pytest.mark.parametrize("shape", [(2, 1, 16, 16), (1, 5, 30, 43)])
def test_any_length_and_size_and_silent_at_first(shape: tuple[int, int, int, int]) -> None:
    batch, num_frames, height, width = shape
    said = VideoUNet(4, (8, 8, 8))(torch.randn(batch, num_frames, 4, height, width), torch.rand(batch))
    assert said.shape == (batch, num_frames, 3, height, width) and not said.any()


def _woken() -> VideoUNet:
    torch.manual_seed(0)
    network = VideoUNet(4, (8, 8, 8))
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return network


def test_every_weight_learns_and_examples_do_not_mix() -> None:
    network, features, level = _woken(), torch.randn(2, 3, 4, 16, 24), torch.tensor([0.2, 0.8])
    said = network(features, level)
    said.square().mean().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in network.parameters())
    alone = network(features[1:], level[1:])
    torch.testing.assert_close(alone, said[1:], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(network(features[1:], level[:1]), alone, atol=1e-3), "the level is heard"


def test_a_frame_hears_of_its_neighbours_in_time() -> None:
    network, features = _woken(), torch.randn(1, 4, 4, 16, 16)
    other = features.clone()
    other[:, 0] += 1.0
    one, two = (network(f, torch.tensor([0.5])) for f in (features, other))
    assert not torch.allclose(one[:, 1], two[:, 1], atol=1e-4)
