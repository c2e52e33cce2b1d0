"""The two small networks of candidate fusion: a scorer shared by all candidates, and a residual U-Net."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


class CandidateScorer(nn.Module):
    """One logit a pixel for each candidate, from that candidate's own evidence.

    Takes ``b n f h w`` features and ``b n w`` words about each candidate as a
    whole (its kind, its distance in time), and gives ``b n 1 h w``. The last
    layer starts at zero, so that an untrained scorer changes nothing.
    """

    def __init__(self, num_features: int, num_words: int, width: int = 16) -> None:
        super().__init__()
        self.first = _conv(num_features * 4, width)
        self.words = nn.Linear(num_words, width)
        self.layers = nn.Sequential(
            nn.LeakyReLU(0.1),
            _conv(width, width, 2),
            nn.LeakyReLU(0.1),
            _conv(width, width, 4),
            nn.LeakyReLU(0.1),
        )
        self.last = _conv(width, 4)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor, words: Tensor) -> Tensor:
        """Score the candidates of a batch."""
        flat, height, width = _pad_to_multiple(features.flatten(0, 1), 2)
        flat = F.pixel_unshuffle(flat, 2).contiguous(memory_format=torch.channels_last)
        first = self.first(flat) + self.words(words).flatten(0, 1)[..., None, None]
        score = F.pixel_shuffle(self.last(self.layers(first)), 2)[..., :height, :width]
        return score.reshape(*words.shape[:2], 1, height, width)


class ResidualUNet(nn.Module):
    """What must be added to the fused estimate; ``b f h w`` in, ``b 3 h w`` out, zero when untrained.

    Three levels below a pixel-unshuffled stem; the bottleneck is dilated 1, 2, 4.
    """

    def __init__(self, num_features: int, widths: tuple[int, int, int] = (24, 48, 64)) -> None:
        super().__init__()
        first, second, third = widths
        self.stem = nn.Sequential(_conv(num_features * 4, first), nn.LeakyReLU(0.1), _conv(first, first))
        self.down_1 = nn.Sequential(nn.AvgPool2d(2), _conv(first, second))
        self.down_2 = nn.Sequential(nn.AvgPool2d(2), _conv(second, third))
        self.bottleneck = nn.ModuleList(_conv(third, third, dilation) for dilation in (1, 2, 4))
        self.up_1 = _conv(third + second, second)
        self.up_2 = _conv(second + first, first)
        self.last = _conv(first, 12)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """The correction for a batch."""
        padded, height, width = _pad_to_multiple(features, 8)
        x = F.pixel_unshuffle(padded, 2).contiguous(memory_format=torch.channels_last)
        full = F.leaky_relu(self.stem(x), 0.1)
        half = F.leaky_relu(self.down_1(full), 0.1)
        quarter = F.leaky_relu(self.down_2(half), 0.1)
        for layer in self.bottleneck:
            quarter = quarter + F.leaky_relu(layer(quarter), 0.1)
        half = F.leaky_relu(self.up_1(torch.cat((_double(quarter), half), 1)), 0.1)
        full = F.leaky_relu(self.up_2(torch.cat((_double(half), full), 1)), 0.1)
        return F.pixel_shuffle(self.last(full), 2)[..., :height, :width]


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _pad_to_multiple(x: Tensor, multiple: int) -> tuple[Tensor, int, int]:
    height, width = x.shape[-2:]
    down, right = -height % multiple, -width % multiple
    # Traced for an export, a branch would be frozen as it is for one size.
    if down or right or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        x = F.pad(x, (0, right, 0, down), mode="replicate")
    return x, height, width
