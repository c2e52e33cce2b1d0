"""Whether a repair is made of patches like those of the true picture, wherever exactly they lie.

The sliced Wasserstein distance (Rabin, Peyré, Delon and Bernot, 2011) between small patches, at several scales, as
Karras et al. (ICLR 2018) compare generated pictures; here between the hole's patches in a frame and in its reference,
each without its own mean, for level is another matter.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from
from interpositive.metrics.contract import PERCEPTION, ShotMetric
from interpositive.metrics.differing import box_around
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo

PATCH_PX = 7
NUM_DIRECTIONS = 96
MOST_PATCHES = 4096


@cache
def directions(num_channels: int) -> Tensor:
    """Unit directions ``(NUM_DIRECTIONS, c * 49)``, each of zero mean in every channel; always the same."""
    draw = generator_from("patch distance", num_channels)
    drawn = torch.randn(NUM_DIRECTIONS, num_channels, PATCH_PX**2, generator=draw, dtype=torch.float64)
    flat = (drawn - drawn.mean(-1, keepdim=True)).flatten(1)
    unit: Tensor = flat / flat.norm(dim=1, keepdim=True)
    return unit.float()


def patch_distance(result: Tensor, reference: Tensor, hole: Tensor, num_scales: int = 2) -> float:
    """The distance in % of code values, of frames ``c h w`` in a hole ``h w``; NaN where no patch fits into it.

    At each scale, each half the one before, patches are compared whose middle lies in the hole (evenly picked, if
    there are more than ``MOST_PATCHES``). The mean over scales and directions of the distance of what is projected.
    """
    box = box_around(hole, PATCH_PX * 2**num_scales)
    if box is None:
        return math.nan
    pictures = torch.stack((result[:, *box], reference[:, *box])).float()
    inside = hole[box].float()[None, None]
    found = MeanOfValues()
    for scale in range(num_scales):
        if scale:
            pictures, inside = F.avg_pool2d(pictures, 2), F.avg_pool2d(inside, 2)
        if min(pictures.shape[-2:]) < PATCH_PX:
            break
        reach = PATCH_PX // 2
        middles = torch.nonzero(inside[0, 0, reach:-reach, reach:-reach].flatten() >= 0.5)[:, 0]
        if not len(middles):
            break
        middles = middles[:: math.ceil(len(middles) / MOST_PATCHES)]
        patches = F.unfold(pictures, PATCH_PX)[:, :, middles]
        said = torch.einsum("df,nfp->ndp", directions(result.shape[0]).to(patches), patches).sort(-1).values
        found.add(float((said[0] - said[1]).abs().mean(dtype=torch.float64)))
    return 100.0 * found.mean


class PatchDistance(ShotMetric):
    """``patch_distance_hole``: the mean over frames; every ``every``-th is measured, from the first on."""

    group = PERCEPTION
    higher_is_better = False
    needs = frozenset({"reference", "mask"})

    def __init__(self, num_scales: int = 2, every: int = 1, **kwargs: Any) -> None:
        """``num_scales`` and ``every`` are 1 or more; ``ConfigError`` for others."""
        if num_scales < 1 or every < 1:
            raise ConfigError("no such patch distance", found=f"{num_scales=}, {every=}", expected="1 or more")
        self.num_scales, self.every = num_scales, every
        info = MetricInfo(
            name="patch_distance_hole",
            unit="%",
            direction="lower",
            meaning="How unlike the small patches of the repair are, as a set, to those of the clean reference; "
            f"{num_scales} scales" + (f", every {every} frames." if every > 1 else "."),
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._mean = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        found = math.nan
        if self.num_frames % self.every == 0:
            beside = frame.beside
            assert beside.reference is not None and beside.hole is not None
            found = patch_distance(frame.result, beside.reference, beside.hole[0], self.num_scales)
            self._mean.add(found)
        self.curves["patch_distance_hole"].append(found)

    def shot_values(self) -> dict[str, float]:
        """Of the open shot so far."""
        return {"patch_distance_hole": self._mean.mean}

    def reasons(self, absent: Any) -> list[str]:
        """No hole that a patch fits into."""
        return [f"{', '.join(absent)} not defined: no patch lies in the hole"] if absent else []
