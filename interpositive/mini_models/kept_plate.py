"""The plate inside a hole: masks are wider than what they hide, so that part of it is clean, or only shaded.

Trusted only where a hole is no thicker than a blurred wire. What is thick enough to be a thing of its own, such as a
person, is never looked at, and a hole's core never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from interpositive.backbones.plate_judge import SEEN_PX, PlateJudge, pixels_seen
from interpositive.functional.boxes import box_max, box_mean
from interpositive.functional.pixel_list import Pick, everything
from interpositive.functional.unmixing import level, unmix
from interpositive.mini_models.along_hole import NUM_ALONG, Along, goes_on, measures_along
from interpositive.objectives.pixel import charbonnier, weighted_mean

LEARNED_ROWS = 200
"""Of the proxies that networks learn on; what is as thick there in pixels is judged by the same measures."""
_MARGIN_PX = 3
_NEAR_PX, _BESIDE_PX, _TOUCHING_PX = 2, 9, 5
"""Squares that measures are means over: the first is that much wider than the thickest hole that is looked at."""
_SCALES = (8.0, 8.0, 8.0, 1.0, 1.0, 8.0, 8.0, 4.0, 4.0, 4.0, 1.0, 20.0, 1.0, 3.0, 1.0, 3.0, 8.0, 1.0, *(8.0,) * 7)
"""Of measures, but for the first and those along the hole: so that all are of the same order."""
NUM_MEASURES = 1 + len(_SCALES) + NUM_ALONG + 1
_NOWHERE_SEEN = 0.3
_MOST_UNCOVERED = 3.0
_MATTERS = 0.02
_SURER = 3.0
"""What is kept must be rather cleaner than not: a ghost is worse than a guess, and the longer a judge learns, the
surer it is of the footage that it learned on."""
_CHOICE_SHARE = 0.05
_CORE = 0.7
"""Masks are painted over what is to go: what lies nearly as deep in a hole as anything near it is never kept."""


class Kept(NamedTuple):
    """How much of the plate is kept (``b 1 h w`` in [0, 1]), and the plate with its light mended, ``b 3 h w``.

    ``logit`` is what the former follows from: none is kept where it is 3 or less, none of a hole's core, and none of
    a line that is not kept elsewhere along the hole. Once learned, it is 0 away from what is thin, where nobody asks.
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

    def unlike_views(self, pick: Pick) -> tuple[Tensor, Tensor]:
        """How far some pixels of the plate are from the view most like them, and whether there is any."""
        plate = pick(self.plate)
        candidates, shown = (
            torch.unflatten(pick(each.flatten(1, 2)), 1, (-1, each.shape[2])) for each in (self.candidates, self.shown)
        )
        unlike = (plate[:, None] - candidates).abs().mean(2, keepdim=True)
        unlike = (unlike * shown + _NOWHERE_SEEN * (1.0 - shown)).amin(1)
        return unlike, 1.0 - (1.0 - shown).prod(1)


class SeenSmaller(NamedTuple):
    """The same as far as it was found on a smaller raster, with how ``unlike`` the plate is there and where any view is
    ``seen`` (``b 1 h w``) for the views themselves."""

    plate: Tensor
    prefill: Tensor
    filled: Tensor
    spread: Tensor
    certainty: Tensor
    unlike: Tensor
    seen: Tensor

    def unlike_views(self, pick: Pick) -> tuple[Tensor, Tensor]:
        """As :meth:`Beside.unlike_views`."""
        return pick(self.unlike), pick(self.seen)


class KeptPlate(nn.Module):
    """Learns which pixels of the plate to keep, from :func:`measures`; untrained, none.

    These reach as far as across a hole that is ``thickest_px``, odd, which is the thickest that is looked at.
    """

    def __init__(self, thickest_px: int) -> None:
        super().__init__()
        self.thickest_px = thickest_px
        self.judge = PlateJudge(NUM_MEASURES)

    def forward(self, plate: Tensor, thin: Tensor, hole: Tensor, beside: Beside | SeenSmaller) -> Kept:
        """Judge the plate ``b 3 h w`` where its hole ``b 1 h w`` is thin (``b 1 h w``)."""
        some_of_it = not (self.training or torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]
        if some_of_it and not thin.any():
            return Kept(thin, plate, thin)
        depth_px = (self.thickest_px + 1) // 2
        depth = _depth(hole, depth_px)
        along = Along.of(hole, depth, box_max(thin, self.thickest_px + 2 * SEEN_PX))
        if some_of_it:
            pixels = pixels_seen(thin)
            seen, asked = pixels[0], pixels[-1]
            found, by = measures(plate, hole, depth, self.thickest_px, beside, along, seen)
            judged = self.judge.at_pixels(torch.cat((found, seen(thin)), 1), pixels)
            of_asked = _kept(judged, asked(plate), asked(thin), by.at(seen.of(asked)))
            # Beyond what is thin nothing is kept.
            kept = Kept(*(asked.put(*each) for each in zip(of_asked, (thin, plate, thin), strict=True)))
        else:
            found, by = measures(plate, hole, depth, self.thickest_px, beside, along, everything)
            kept = _kept(self.judge(torch.cat((found, thin), 1)), plate, thin, by)
        if not self.training:
            # A wire that is known elsewhere along its hole is not to come back as dashes; while it learns, the judge
            # answers for them itself.
            covered_here = (kept.share <= 0.0).to(kept.share.dtype)
            more = goes_on(covered_here, plate, along.only(kept.share > 0.0))
            kept = kept._replace(share=kept.share * (1.0 - more))
        return kept


class MendedBy(NamedTuple):
    """What the plate is mended by at some pixels, ``b 3 h w`` each, and how deep these lie.

    ``cover`` is what covers them; ``shade`` and ``detail`` are those of a
    :class:`~interpositive.mini_models.along_hole.Lengthwise`; ``relative_depth`` ``b 1 h w`` is a share of the deepest
    pixel's near by, 1 in a hole's core.
    """

    cover: Tensor
    shade: Tensor
    detail: Tensor
    relative_depth: Tensor

    def at(self, which: Tensor) -> MendedBy:
        """Of ``b c m``, the pixels ``which``."""
        return MendedBy(*(each[..., which] for each in self))


def _kept(judged: Sequence[Tensor], plate: Tensor, thin: Tensor, by: MendedBy) -> Kept:
    """What a judge's answers for pixels of the plate come to; all are ``b c`` and where."""
    logit, gain, uncovered, unshaded, sharpened = judged
    share = torch.tanh(0.5 * (logit - _SURER)).clamp(min=0.0) * thin * (by.relative_depth < _CORE)
    # Out of a mixture with what covers it, the picture is had by going on away from that. Of what is even along the
    # hole, and soft, there is no pure pixel: as much as the plate is off in the mean is taken out of it, and its detail
    # is what has become faint.
    uncovered = uncovered.clamp(0.0, _MOST_UNCOVERED)
    mended = plate * (1.0 + gain) + uncovered * (plate - by.cover) - unshaded * by.shade + sharpened * by.detail
    return Kept(share, mended, logit)


def measures(
    plate: Tensor,
    hole: Tensor,
    depth: Tensor,
    thickest_px: int,
    beside: Beside | SeenSmaller,
    along: Along,
    pick: Pick,
) -> tuple[Tensor, MendedBy]:
    """What tells a clean pixel of a hole from a covered one, ``b f h w``, and what the latter may be mended by.

    Both are given for the pixels that are picked.

    A hole's core shows what is to go. A pixel nearer its edge is a mixture of that and of the picture behind, which is
    known in part: the share is found by projection, as in matting, and what no mixture explains is another measure.
    A thing that is masked to its very edge breaks off there; a margin goes on as the picture around does. And what is
    so at a pixel is so ``along`` the hole (:mod:`~interpositive.mini_models.along_hole`), be the ground as dark as a
    wire.
    """
    outside = 1.0 - hole
    depth_px, near_px = (thickest_px + 1) // 2, thickest_px + _NEAR_PX
    rings = [
        hole * ((depth > start / depth_px) & (depth <= (start + 1.5) / depth_px)).to(hole.dtype) for start in (0.5, 1.5)
    ]
    top = box_max(depth, thickest_px)
    relative = depth / (top + 1e-4)
    core = hole * relative**6
    distance = level((plate - beside.filled) * hole)
    (whole_cover,) = _means_near(near_px, (plate, core))
    of_outside, known = _means_near(_TOUCHING_PX, (plate, outside), (outside, torch.ones_like(hole)))
    known = (known > 1e-3).to(hole.dtype)
    break_off = level(plate - of_outside) * known
    near = (level(plate - whole_cover), core), (break_off, outside)
    beside_px = [(break_off, ring) for ring in rings] + [(distance, part) for part in (*rings, core)]
    from_core, off_outside = _means_near(near_px, *near)
    off_and_apart = _means_near(_BESIDE_PX, *beside_px)
    smooth = box_mean(distance, 3)
    lengthwise = measures_along(along, plate, beside.filled, beside.prefill, thickest_px, pick)

    plate, hole, cover, filled, prefill = map(pick, (plate, hole, whole_cover, beside.filled, beside.prefill))
    relative = pick(relative)
    apart, bridged_apart = plate - filled, plate - prefill
    by_filling, by_bridge = (unmix(*pair, cover) for pair in ((apart, filled), (bridged_apart, prefill)))
    unlike, seen = beside.unlike_views(pick)
    of_pixels = [
        pick(smooth),
        (apart * hole).mean(1, keepdim=True),
        level(bridged_apart * hole),
        by_filling.share,
        by_bridge.share,
        by_filling.unexplained,
        by_bridge.unexplained,
        by_filling.contrast,
        by_bridge.contrast,
        unlike,
        seen,
        pick(beside.spread),
        pick(beside.certainty),
        pick(depth),
        relative,
        pick(top),
        pick(break_off) * hole,
        pick(known),
        pick(from_core),
        *(pick(each) for each in off_and_apart[:2]),
        pick(off_outside),
        *(pick(each) for each in off_and_apart[2:]),
    ]
    scales = torch.tensor(_SCALES, dtype=plate.dtype, device=plate.device).reshape(-1, *(1,) * (plate.ndim - 2))
    found = torch.cat((8.0 * pick(distance), torch.cat(of_pixels, 1) * scales * hole, lengthwise.measures), 1)
    return found, MendedBy(cover, lengthwise.shade, lengthwise.detail, relative)


def _means_near(size_px: int, *weighted: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Means of planes ``b c h w``, by weights ``b 1 h w``, in a square around each pixel; near 0 where none has any."""
    parts = [each for planes, weight in weighted for each in (planes * weight, weight)]
    found = torch.split(box_mean(torch.cat(parts, 1), size_px), [each.shape[1] for each in parts], 1)
    return [planes / (weight + 1e-4) for planes, weight in zip(found[0::2], found[1::2], strict=True)]


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


def _depth(hole: Tensor, most_px: int) -> Tensor:
    """How deep in its hole a pixel lies, ``b 1 h w`` in [0, 1], all the same from so many pixels on."""
    inside = hole
    total = hole
    for _ in range(most_px - 1):
        inside = -box_max(-inside, 3)
        total = total + inside
    return total / most_px
