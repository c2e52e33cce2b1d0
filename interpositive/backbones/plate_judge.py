"""Judges, pixel by pixel, whether the plate inside a hole is clean, from measures that somebody else has taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpositive.functional.boxes import box_max
from interpositive.functional.pixel_list import PixelList

_LOGIT_SCALE = 4.0
_FASTER = 2.0
NUM_ANSWERS = 5
_STEPS_PX = (1, 2, 4, 1)
SEEN_PX = sum(_STEPS_PX)
"""How far around a pixel a judge looks."""


def pixels_seen(area: Tensor) -> list[PixelList]:
    """What a judge looks at to answer for an ``area`` ``b 1 h w``, and what each of its layers has to, fewer by each.

    The last are those of the area itself.
    """
    reach_px = [sum(_STEPS_PX[number:]) for number in range(len(_STEPS_PX) + 1)]
    return [PixelList.where(box_max(area, 2 * px + 1)) for px in reach_px]


class PlateJudge(nn.Module):
    """Four layers look at pixels ever further away, but for the last; before and after them one looks at its own.

    ``b f h w`` in; :data:`NUM_ANSWERS` of ``b 1 h w`` out: a logit (above 0: rather clean), and how much to mend the
    plate by in each way that there is. All are zero when untrained. Weights are kept at half of what they do, and so
    learn twice as fast as others under the same optimiser (equalised learning rate, Karras et al., ICLR 2018).
    """

    def __init__(self, num_features: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(num_features, width, 1)
        self.around = nn.ModuleList(nn.Conv2d(width, width, 3, padding=px, dilation=px) for px in _STEPS_PX)
        self.third = nn.Conv2d(width, width, 1)
        self.last = nn.Conv2d(width, NUM_ANSWERS, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.div_(_FASTER)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Judge the holes of a batch."""
        x = F.leaky_relu(_FASTER * self.first(features), 0.1)
        for number, layer in enumerate(self.around):
            beside = F.leaky_relu(_FASTER * layer(x), 0.1)
            x = x + beside if number else beside
        x = F.leaky_relu(_FASTER * self.third(x), 0.1)
        logit, *mended_by = (_FASTER * self.last(x)).chunk(NUM_ANSWERS, 1)
        return _LOGIT_SCALE * logit, *mended_by

    def at_pixels(self, features: Tensor, pixels: Sequence[PixelList]) -> tuple[Tensor, ...]:
        """The same, ``1 1 m`` each, for the last of the ``pixels``; the first have ``features`` ``1 f n``.

        They are those that :func:`pixels_seen` gives.
        """
        x = _layer(self.first, features[0].T)
        # Or what stands in for such a layer and has its weights, as an adapter does.
        layers = cast(Iterable[nn.Conv2d], self.around)
        for number, (layer, px, (seen, asked)) in enumerate(zip(layers, _STEPS_PX, pairwise(pixels), strict=True)):
            which = seen.around(asked, px).flatten()
            near = F.pad(x, (0, 0, 0, 1)).index_select(0, which).reshape(len(asked.places), -1)
            weight = layer.weight.permute(0, 2, 3, 1).flatten(1)
            beside = F.leaky_relu(_FASTER * F.linear(near, weight, layer.bias), 0.1)
            x = x.index_select(0, seen.of(asked)) + beside if number else beside
        x = _layer(self.third, x)
        last = _FASTER * F.linear(x, self.last.weight.flatten(1), self.last.bias)
        logit, *mended_by = last.T[None].chunk(NUM_ANSWERS, 1)
        return _LOGIT_SCALE * logit, *mended_by


def _layer(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A layer that looks at no other pixel, of pixels ``n f``."""
    return F.leaky_relu(_FASTER * F.linear(x, layer.weight.flatten(1), layer.bias), 0.1)
