"""Judges, pixel by pixel, whether the plate inside a hole is clean, from measures that somebody else has taken."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LOGIT_SCALE = 4.0
_FASTER = 2.0


class PlateJudge(nn.Module):
    """Three layers, one of which looks at the next pixels.

    ``b f h w`` in; ``b 1 h w`` each out: a logit (above 0: rather clean), a gain less one, and how far what covers the
    pixel must be taken back out of it. All are zero when untrained. Weights are kept at half of what they do, and so
    learn twice as fast as others under the same optimiser (equalised learning rate, Karras et al., ICLR 2018).
    """

    def __init__(self, num_features: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_features, width, 1)
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.third = nn.Conv2d(width, width, 1)
        self.last = nn.Conv2d(width, 3, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.div_(_FASTER)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge the holes of a batch."""
        x = features
        for layer in (self.first, self.around, self.third):
            x = F.leaky_relu(_FASTER * layer(x), 0.1)
        logit, gain, uncovered = (_FASTER * self.last(x)).split(1, 1)
        return _LOGIT_SCALE * logit, gain, uncovered

    def at_pixels(self, features: Tensor, around: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, ``1 1 m`` each, for ``m`` pixels alone: ``features`` ``1 f n`` of these and of those next to them.

        ``around`` (``m 9``) says which of the ``n`` are around each, by rows; ``n`` itself where there is none.
        """
        x = _layer(self.first, features[0].T)
        beside = F.pad(x, (0, 0, 0, 1)).index_select(0, around.flatten()).reshape(len(around), -1)
        weight = self.around.weight.permute(0, 2, 3, 1).flatten(1)
        x = F.leaky_relu(_FASTER * F.linear(beside, weight, self.around.bias), 0.1)
        x = _layer(self.third, x)
        last = _FASTER * F.linear(x, self.last.weight.flatten(1), self.last.bias)
        logit, gain, uncovered = last.T[None].chunk(3, 1)
        return _LOGIT_SCALE * logit, gain, uncovered


def _layer(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A layer that looks at no other pixel, of pixels ``n f``."""
    return F.leaky_relu(_FASTER * F.linear(x, layer.weight.flatten(1), layer.bias), 0.1)
