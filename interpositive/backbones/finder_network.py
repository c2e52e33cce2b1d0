"""A small U-Net that says how likely each pixel is something fine, or something broad, to be repaired."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUPS = 4
_KINDS = 2
_RARE_LOGIT = -2.0


def _block(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation),
        nn.GroupNorm(_GROUPS, outputs),
        nn.LeakyReLU(0.1),
    )


class FinderNetwork(nn.Module):
    """A logit a kind (fine, broad): ``b f h w`` evidence in, ``b 2 h w`` out; untrained, it calls everything unlikely.

    As many levels as ``widths`` below a stem that halves the raster; the bottleneck is dilated 1, 2, 4. On the way up a
    level's own features are added to those from below, mixed there, where pixels are few. Widths are multiples of 4.
    """

    def __init__(self, num_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.multiple = 2 ** len(widths)
        # Most of the work would lie in seeing neighbours in every channel of the evidence.
        mixed = nn.Conv2d(num_channels, widths[0], 2, stride=2)
        self.stem = nn.Sequential(mixed, _block(widths[0], widths[0]), _block(widths[0], widths[0]))
        self.down = nn.ModuleList(nn.Sequential(nn.AvgPool2d(2), _block(a, b)) for a, b in pairwise(widths))
        self.bottleneck = nn.ModuleList(_block(widths[-1], widths[-1], dilation) for dilation in (1, 2, 4))
        self.below = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_block(a, a) for a in widths[:-1])
        self.last = nn.Conv2d(widths[0], 4 * _KINDS, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, _RARE_LOGIT)

    def forward(self, evidence: Tensor) -> Tensor:
        """The logits of a batch."""
        height, width = evidence.shape[-2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        x = F.pad(evidence, padding, mode="replicate") if any(padding) else evidence
        levels = [self.stem(x.contiguous(memory_format=torch.channels_last))]
        for down in self.down:
            levels.append(down(levels[-1]))
        deepest = levels.pop()
        for block in self.bottleneck:
            deepest = deepest + block(deepest)
        for below, up in zip(reversed(self.below), reversed(self.up), strict=True):
            deepest = up(levels.pop() + F.interpolate(below(deepest), scale_factor=2.0, mode="nearest"))
        logits: Tensor = F.pixel_shuffle(self.last(deepest), 2)[..., :height, :width]
        return logits
