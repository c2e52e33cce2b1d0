"""What lies along a hole, at the same place across it: what covers a pixel covers the next along the wire, too.

A wire before dark ground looks as clean there as the ground, and is told from it by how it looks elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from interpositive.functional.boxes import box_max, box_mean
from interpositive.functional.pixel_list import Pick, everything
from interpositive.functional.unmixing import level, unmix

_SCALES = (8.0, 8.0, 8.0, 8.0, 1.0, 8.0, 4.0, 1.0, 8.0, 8.0, 8.0, 1.0, 8.0, 8.0, 8.0, 8.0)
"""Of measures, so that all are of the same order."""
NUM_ALONG = len(_SCALES)
_SAMPLES, _STEP_PX = 13, 2.0
_REACH_PX = round(_STEP_PX * (_SAMPLES // 2))
_NEAR, _ASIDE_PX = 2, (2.0, 3.0)
"""How many samples to either side a line's brightness is the mean of, and how far beside it its sides are."""
_COVERED_SHARE, _STANDS_OUT, _ROUNDS = 0.4, 0.015, 4
_DIRECTION_PX = 13
_LEAST_TOP = 0.01


class Along(NamedTuple):
    """Pixels of a hole ``b 1 h w``, ``m`` in all, and the way that it takes at each."""

    hole: Tensor
    batch: Tensor
    row: Tensor
    column: Tensor
    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, hole: Tensor, depth: Tensor, where: Tensor | None = None) -> Along:
        """Of all its pixels, or those ``where`` that is above 0; how deep these lie says which way that is.

        All are ``b 1 h w``.
        """
        wanted = hole if where is None else hole * where
        batch, row, column = (wanted[:, 0] > 0).nonzero().unbind(1)
        return cls(hole, batch, row, column, *_direction(depth, batch, row, column))

    def only(self, where: Tensor) -> Along:
        """Those of its pixels ``where`` (``b 1 h w``) it is true."""
        which = where[self.batch, 0, self.row, self.column]
        return Along(self.hole, *(each[which] for each in self[1:]))

    def __call__(self, planes: Tensor, reach: int = _SAMPLES // 2, aside_px: float = 0.0) -> Tensor:
        """Planes ``b c h w`` along the hole, as many places to either side of each of its pixels, ``c n m``."""
        steps_px = _STEP_PX * torch.arange(-reach, reach + 1, device=planes.device)[:, None]
        around = F.pad(planes, (_REACH_PX,) * 4)
        down = (steps_px * self.sin + aside_px * self.cos).round().long() + _REACH_PX
        right = (steps_px * self.cos - aside_px * self.sin).round().long() + _REACH_PX
        rows = self.batch * around.shape[-2] + self.row + down
        return around.transpose(0, 1).flatten(1)[:, rows * around.shape[-1] + self.column + right]

    def whole(self, values: Tensor) -> Tensor:
        """Values ``c m`` of the pixels as planes ``b c h w``, 0 outside the hole."""
        planes = torch.zeros_like(self.hole[:, 0, ..., None]).expand(-1, -1, -1, len(values)).contiguous()
        planes[self.batch, self.row, self.column] = values.T
        return planes.permute(0, 3, 1, 2)


def goes_on(covered: Tensor, plate: Tensor, along: Along) -> Tensor:
    """Where a line that is ``covered`` in other places ``along`` a hole goes on, as 1, of the pixels that are asked.

    ``covered`` is ``b 1 h w``, 0 or 1; so is what is given.
    A line is brighter than both of its sides, 2 or 3 px away, or darker, by 0.015 of the code range in the mean over
    nine pixels of the ``plate`` ``b 3 h w``. It goes on where more than 0.4 of what lies along the hole is covered, in
    up to four rounds, so that a gap closes from its ends.
    """
    more, traced = torch.zeros_like(covered), torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if not (traced or len(along.row)):
        return more
    grey = plate.mean(1, keepdim=True)
    line = along(grey, _NEAR).mean(1)
    out = torch.zeros_like(line)
    for aside_px in _ASIDE_PX:
        one, other = (line - along(grey, _NEAR, sign * aside_px).mean(1) for sign in (1.0, -1.0))
        out = torch.maximum(out, torch.maximum(torch.minimum(one, other), torch.minimum(-one, -other)))
    is_line, inside = out > _STANDS_OUT, along(along.hole).sum(1).clamp(min=1.0)
    for _ in range(_ROUNDS):
        known = torch.maximum(covered, more)
        share = along(known * along.hole).sum(1) / inside
        before, more = more, torch.maximum(more, along.whole(((share > _COVERED_SHARE) & is_line).to(plate.dtype)))
        if not traced and torch.equal(before, more):
            break
    return more * (1.0 - covered)


class Lengthwise(NamedTuple):
    """What is found along a hole at some pixels: ``measures`` ``b f h w``, and two of ``b 3 h w``; all 0 outside.

    ``shade`` is how far the plate is from what is filled in the mean along the hole: what something even that covers it
    adds at this place across. ``detail`` is how far it is here from its own mean along it: what such a thing leaves.
    """

    measures: Tensor
    shade: Tensor
    detail: Tensor


def measures_along(
    along: Along, plate: Tensor, filled: Tensor, prefill: Tensor, across_px: int, pick: Pick = everything
) -> Lengthwise:
    """What the ``plate`` ``b 3 h w`` is ``along`` its hole, at the pixels that are picked.

    ``filled`` and ``prefill`` ``b 3 h w`` are what may stand behind.
    At each pixel of the hole that is asked 13 are looked at, 2 px apart in the direction that the hole takes there, if
    they are in it: how far the plate is from what is behind, in the mean and at most, and how unevenly; how much of the
    pixel is of the colour that the plate has wherever it is far from that; and how much plate and filling change along
    it, and how unlike each other but for what is the same all along.
    """
    hole = along.hole
    distance, bridged = (level(plate - each) for each in (filled, prefill))
    seen = along(torch.cat((hole, distance, bridged, plate, filled), 1))
    inside, distance, bridged, there, behind = seen[0], seen[1], seen[2], seen[3:6], seen[6:]
    count = inside.sum(0) + 1e-4

    def mean(values: Tensor) -> Tensor:
        """Of values ``... n m`` along the hole."""
        found: Tensor = (values * inside).sum(-2, keepdim=True) / count
        return found

    far = mean(distance)
    weight = distance.square() * inside
    shade = mean(there - behind)
    uneven = (there - behind - shade).abs().mean(0)
    found = torch.cat(
        (
            far,
            mean(bridged),
            mean((distance - far).square()).sqrt(),
            (distance * inside).amax(0, keepdim=True),
            *(mean((each - mean(each)).abs()).mean(0) for each in (there, behind)),
            (weight * there).sum(1) / (weight.sum(0) + 1e-6),
            mean(uneven),
            shade[:, 0],
            mean(there)[:, 0],
        )
    )
    whole = along.whole(found)
    top = pick(box_max(whole[:, :1], across_px))
    plate, filled, prefill, hole, whole = map(pick, (plate, filled, prefill, hole, whole))
    far, bridged_far, unevenness, most, of_plate, of_filling = whole[:, :6].chunk(6, 1)
    cover, uneven, shade, even = whole[:, 6:9], whole[:, 9:10], whole[:, 10:13], whole[:, 13:]
    by_filling, by_bridge = (unmix(plate - each, each, cover) for each in (filled, prefill))
    measures = (
        far,
        bridged_far,
        unevenness,
        most,
        by_filling.share,
        by_filling.unexplained,
        by_filling.contrast,
        by_bridge.share,
        by_bridge.unexplained,
        of_plate,
        of_filling,
        far / (top + _LEAST_TOP),
        top,
        level(plate - cover),
        uneven,
        level(plate - filled - shade),
    )
    scales = torch.tensor(_SCALES, dtype=plate.dtype, device=plate.device).reshape(-1, *(1,) * (plate.ndim - 2))
    return Lengthwise(torch.cat(measures, 1) * scales * hole, shade, (plate - even) * hole)


def _direction(depth: Tensor, batch: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the way a hole takes at ``m`` pixels: across it depth changes most.

    After Bigun and Granlund (ICCV 1987).
    """
    smooth = F.pad(box_mean(depth, 3), (1, 1, 1, 1), mode="replicate")
    right = smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2]
    down = smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1]
    products = box_mean(torch.cat((right * right, down * down, right * down), 1), _DIRECTION_PX)
    xx, yy, xy = products[batch, :, row, column].unbind(1)
    along = 0.5 * torch.atan2(2.0 * xy, xx - yy) + 0.5 * torch.pi
    return torch.cos(along), torch.sin(along)
