"""The plate inside a hole: masks are wider than what they hide, so that part of it is clean, or only shaded.

Trusted only where a hole is thin. What is thick enough to be a thing of its own, such as a person, is never looked at.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from interpositive.backbones.plate_judge import PlateJudge
from interpositive.functional.boxes import box_max, box_mean
from interpositive.functional.unmixing import level, unmix
from interpositive.mini_models.along_hole import NUM_ALONG, goes_on, measures_along
from interpositive.objectives.pixel import charbonnier, weighted_mean

_MARGIN_PX = 3
_DEPTH_PX = 6
_ACROSS_PX, _NEAR_PX, _BESIDE_PX, _TOUCHING_PX = 11, 13, 9, 5
NUM_MEASURES = 27 + NUM_ALONG
_NOWHERE_SEEN = 0.3
_MOST_UNCOVERED = 3.0
_MATTERS = 0.02
_SURER = 1.5
"""What is kept must be rather cleaner than not: a ghost is worse than a guess."""
_CHOICE_SHARE = 0.05
_CORE = 0.7
"""Masks are painted over what is to go: what lies nearly as deep in a hole as anything near it is never kept."""


class Kept(NamedTuple):
    """How much of the plate is kept (``b 1 h w`` in [0, 1]), and the plate with its light mended, ``b 3 h w``.

    ``logit`` is what the former follows from: none is kept where it is 1.5 or less, none of a hole's core, and none of
    a line that is not kept elsewhere along the hole.
    """

    share: Tensor
    mended: Tensor
    logit: Tensor


def thickest_px(widest_px_at_1080: float, height: int) -> int:
    """How many pixels a hole may be across, for things so wide at 1080 lines: with an artist's margin; odd."""
    return 2 * (round(0.5 * widest_px_at_1080 * height / 1080.0) + _MARGIN_PX) + 1


def thin_parts(hole: NDArray[np.bool_], most_px: int) -> NDArray[np.bool_]:
    """The pixels of a hole ``h w`` that no square of ``most_px`` that fits into it reaches.

    What touches the frame's edge goes on beyond it.
    """
    padded = np.pad(hole.astype(np.uint8), most_px, mode="edge")
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((most_px, most_px), np.uint8))
    inner = slice(most_px, -most_px)
    thin: NDArray[np.bool_] = hole & (opened[inner, inner] == 0)
    return thin


class Beside(NamedTuple):
    """What else is known of a hole: how it was bridged and filled (``b 3 h w``), and how surely (``b 1 h w``).

    ``shown`` ``b n 1 h w`` is where each of the ``candidates`` ``b n 3 h w`` is a real view of the set.
    """

    plate: Tensor
    prefill: Tensor
    filled: Tensor
    spread: Tensor
    certainty: Tensor
    candidates: Tensor
    shown: Tensor

    def unlike_views(self) -> tuple[Tensor, Tensor]:
        """How far the plate is from the view that is most like it, and whether there is any."""
        unlike = (self.plate[:, None] - self.candidates).abs().mean(2, keepdim=True)
        unlike = (unlike * self.shown + _NOWHERE_SEEN * (1.0 - self.shown)).amin(1)
        return unlike, 1.0 - (1.0 - self.shown).prod(1)


class KeptPlate(nn.Module):
    """Learns which pixels of the plate to keep, from :func:`measures`; untrained, none."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = PlateJudge(NUM_MEASURES)

    def forward(self, plate: Tensor, thin: Tensor, hole: Tensor, beside: Beside) -> Kept:
        """Judge the plate ``b 3 h w`` where its hole ``b 1 h w`` is thin (``b 1 h w``)."""
        if not (self.training or torch.jit.is_tracing() or thin.any()):  # type: ignore[attr-defined, no-untyped-call]
            return Kept(thin, plate, thin)
        depth = _depth(hole)
        found, cover, relative_depth = measures(plate, hole, depth, beside)
        logit, gain, uncovered = self.judge(torch.cat((*found, thin), 1))
        share = torch.tanh(0.5 * (logit - _SURER)).clamp(min=0.0) * thin * (relative_depth < _CORE)
        if not self.training:
            # A wire that is known elsewhere along its hole is not to come back as dashes; while it learns, the judge
            # answers for them itself.
            share = share * (1.0 - goes_on((share <= 0.0).to(share.dtype), plate, hole, depth))
        # Out of a mixture with what covers it, the picture is had by going on away from that.
        mended = plate * (1.0 + gain) + uncovered.clamp(0.0, _MOST_UNCOVERED) * (plate - cover)
        return Kept(share, mended, logit)


def measures(plate: Tensor, hole: Tensor, depth: Tensor, beside: Beside) -> tuple[list[Tensor], Tensor, Tensor]:
    """What tells a clean pixel of a hole from a covered one, ``b 1 h w`` each, and what covers it there, ``b 3 h w``.

    Last, how deep it lies, as a share of the deepest pixel's near it, ``b 1 h w``; 1 in the core.

    A hole's core shows what is to go. A pixel nearer its edge is a mixture of that and of the picture behind, which is
    known in part: the share is found by projection, as in matting, and what no mixture explains is another measure.
    A thing that is masked to its very edge breaks off there; a margin goes on as the picture around does. And what is
    so at a pixel is so along the hole (:mod:`~interpositive.mini_models.along_hole`), be the ground as dark as a wire.
    """
    filled, prefill = beside.filled, beside.prefill
    outside = 1.0 - hole
    rings = [hole * ((depth > at / _DEPTH_PX) & (depth <= (at + 1.5) / _DEPTH_PX)).to(hole.dtype) for at in (0.5, 1.5)]
    top = box_max(depth, _ACROSS_PX)
    relative = depth / (top + 1e-4)
    core = hole * relative**6
    cover = _mean_near(plate, core, _NEAR_PX)
    apart, bridged_apart = plate - filled, plate - prefill
    by_filling, by_bridge = (unmix(*pair, cover) for pair in ((apart, filled), (bridged_apart, prefill)))
    distance, bridged_distance = (level(each) for each in (apart * hole, bridged_apart * hole))
    known = (_mean_near(outside, torch.ones_like(hole), _TOUCHING_PX) > 1e-3).to(hole.dtype)
    break_off = level(plate - _mean_near(plate, outside, _TOUCHING_PX)) * known
    unlike, seen = beside.unlike_views()
    found = [
        8.0 * distance,
        8.0 * box_mean(distance, 3),
        8.0 * (apart * hole).mean(1, keepdim=True),
        8.0 * bridged_distance,
        by_filling.share,
        by_bridge.share,
        8.0 * by_filling.unexplained,
        8.0 * by_bridge.unexplained,
        4.0 * by_filling.contrast,
        4.0 * by_bridge.contrast,
        4.0 * unlike,
        seen,
        20.0 * beside.spread,
        beside.certainty,
        3.0 * depth,
        relative,
        3.0 * top,
        8.0 * break_off * hole,
        known,
        8.0 * _mean_near(level(plate - cover), core, _NEAR_PX),
        *(8.0 * _mean_near(break_off, ring, _BESIDE_PX) for ring in rings),
        8.0 * _mean_near(break_off, outside, _NEAR_PX),
        *(8.0 * _mean_near(distance, part, _BESIDE_PX) for part in (*rings, core)),
    ]
    lengthwise = measures_along(plate, hole, filled, prefill, depth)
    return [found[0], *(each * hole for each in found[1:]), *lengthwise], cover, relative


def _mean_near(planes: Tensor, weight: Tensor, size_px: int) -> Tensor:
    """The weighted mean of ``b c h w`` in a square around each pixel; near 0 where nothing has weight."""
    return box_mean(planes * weight, size_px) / (box_mean(weight, size_px) + 1e-4)


def keeping_loss(kept: Kept, filled: Tensor, final: Tensor, target: Tensor, judged: Tensor) -> Tensor:
    """What a wrong choice between the plate and the filling costs (``judged``: ``b 1 h w``), and what errors do.

    The choice is logistic. A pixel has the more weight the more the choice matters, up to a limit: else the pixels of
    wires outweigh all others, and nothing is ever kept. Mending is judged wherever it is looked at, by an error that
    has such a limit (Geman and McClure 1985), for what nothing can mend teaches nothing: by the result alone it would
    learn from the few pixels that are kept, first of all the wrong ones, and spoil the others until none is.
    """
    of_filling, of_mended = ((each - target).abs().mean(1, keepdim=True) for each in (filled, kept.mended))
    gained = (of_filling - of_mended).detach()
    matters = gained.abs() / (gained.abs() + _MATTERS)
    wrong = matters * F.softplus(-torch.sign(gained) * kept.logit)
    mending = of_mended / (of_mended + _MATTERS)
    return _CHOICE_SHARE * weighted_mean(wrong + mending, judged) + charbonnier(final, target, judged)


def _depth(hole: Tensor) -> Tensor:
    """How deep in its hole a pixel lies, ``b 1 h w`` in [0, 1], all the same from 6 pixels on."""
    inside = hole
    total = hole
    for _ in range(_DEPTH_PX - 1):
        inside = -F.max_pool2d(-inside, 3, stride=1, padding=1)
        total = total + inside
    return total / _DEPTH_PX
