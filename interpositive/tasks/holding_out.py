"""Pixels of a shot whose truth is known, hidden to find out which method to trust there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.motion.camera_motion import area_scale
from interpositive.motion.spatial_fill import telea_fill

_NUM_TURNS = 8
_ALONG = (0.04, 0.1)
"""How far along a stroke a thing is much the same, and how far its power is measured; of the shorter side."""
_DEEPEST = 12
_LENT, _LINED_UP, _SOURCES = "lent_frames", "lent_homographies", "sources"


@dataclass(frozen=True)
class TryingOut:
    """What a try must see to be like the shot: frames to either side, at least ``reach``.

    Methods may be told apart on pictures of no more than ``long_side_px``, and what changes smoothly over the frame on
    far smaller ones. Methods whose PSNR there is within ``tie_db`` are alike: what is hidden is not what is wanted.
    """

    reach: int = 0
    long_side_px: int | None = None
    tie_db: float = 0.02

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """The rows and columns that a picture is brought to."""
        share = 1.0 if self.long_side_px is None else min(1.0, self.long_side_px / max(height, width))
        return max(1, round(height * share)), max(1, round(width * share))

    def condition(self, told: Mapping[str, Tensor], height: int, width: int) -> dict[str, Tensor]:
        """What is told of a window of such pictures, for these: what it shows of footage becomes smaller by as much."""
        rows, columns = self.size_of(height, width)
        result = dict(told)
        if (rows, columns) == (height, width):
            return result
        if _SOURCES in told:
            result[_SOURCES] = F.adaptive_avg_pool2d(told[_SOURCES], (rows, columns))
        if _LENT in told:
            lent = told[_LENT]
            size = max(1, round(lent.shape[2] * rows / height)), max(1, round(lent.shape[3] * columns / width))
            window = torch.from_numpy(area_scale(width / columns, height / rows))
            theirs = torch.from_numpy(area_scale(lent.shape[3] / size[1], lent.shape[2] / size[0]))
            result[_LENT] = F.adaptive_avg_pool2d(lent, size)
            result[_LINED_UP] = torch.linalg.inv(theirs) @ told[_LINED_UP].double() @ window
        return result


AS_PLANNED = TryingOut()
PIXELS_PX = 960
"""Longer sides of pictures on which methods that find pixels are told apart."""


def hide_elsewhere(
    request: Example, keep: range, generator: torch.Generator, shift_share: tuple[float, float]
) -> Example | None:
    """Hide clean picture beside the mask, moving as it does: the mask moved by a share of the shorter side.

    ``condition["judged"]`` says which pixels; None where none of the frames ``keep`` could be hidden. A wire
    moved along itself hides little, so it is turned away. What stands under the mask comes along, for methods that look
    at the plate there: by how much it differs from what its surroundings let expect, so that it stands before what is
    there now; not at the mask's very edge, which an artist paints beyond what is to go, and not what is no more than
    the set's own texture.
    """
    masks = request.mask[:, 0].numpy()
    if not masks.any():
        return None
    judged = slice(keep.start, keep.stop)
    angle, length = torch.rand(2, generator=generator).tolist()
    share = shift_share[0] + length * (shift_share[1] - shift_share[0])
    real = _grown(masks)
    wanted = 0.5 * float((masks[judged] > 0).sum())
    best, best_angle = np.zeros_like(real), angle
    for turn in range(_NUM_TURNS):
        turned = angle + turn / _NUM_TURNS
        hidden = (move_mask(masks, turned, share) > 0) & ~real
        if hidden[judged].sum() > best[judged].sum():
            best, best_angle = hidden, turned
        if best[judged].sum() >= wanted:
            break
    if not best[judged].any():
        return None
    hidden_too = torch.from_numpy(best.astype(np.float32))[:, None]
    looked_at = torch.zeros_like(hidden_too)
    looked_at[judged] = hidden_too[judged]
    # A method may look under the mask of the frame that it restores, never of another.
    shown = (move_mask(_within(masks).astype(np.float32), best_angle, share) > 0) & (looked_at[:, 0].numpy() > 0)
    return replace(
        request,
        input=_brought_along(request.input, masks > 0, shown, best_angle, share),
        mask=torch.maximum((request.mask > 0).float(), hidden_too),
        target=request.input,
        condition={**request.condition, "judged": looked_at},
    )


def _within(masks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Masks ``t h w`` without their edge; strokes of which nothing would be left, whole."""
    inner = (masks > 0) & ~_grown(masks <= 0)
    left: NDArray[np.bool_] = (masks > 0) & ~_grown(_grown(inner))
    return inner | left


def _brought_along(
    frames: Tensor, holes: NDArray[np.bool_], where: NDArray[np.bool_], angle: float, share: float
) -> Tensor:
    """Frames ``t c h w`` with, in ``where`` (``t h w``), what stands in the holes that far away: :func:`_standing`."""
    result = frames.clone()
    for frame, hole, shown in zip(result, holes, where, strict=True):
        if not shown.any():
            continue
        picture = np.ascontiguousarray(frame.permute(1, 2, 0).numpy())
        differs = (picture - telea_fill(picture, hole)).transpose(2, 0, 1)
        planes = np.stack((*differs, hole.astype(np.float32), _depth(hole)))
        *moved, moved_hole, depth = move_mask(planes, angle, share)
        missed = picture - telea_fill(picture, hole | (moved_hole > 0))
        depth *= ~hole
        ys, xs = np.nonzero(depth)
        box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
        thing = np.zeros_like(picture)
        thing[box] = _standing(np.stack(moved, -1)[box], missed[box], depth[box], min(hole.shape))
        standing = frame + torch.from_numpy(thing.transpose(2, 0, 1))
        low, high = min(0.0, float(frame.min())), max(1.0, float(frame.max()))
        frame.copy_(torch.where(torch.from_numpy(shown), standing.clamp(low, high), frame))
    return result


def _standing(
    differs: NDArray[np.float32], missed: NDArray[np.float32], depth: NDArray[np.float32], size_px: int
) -> NDArray[np.float32]:
    """What of a difference ``h w 3`` to a bridged hole is a thing's, and not texture that no bridge shows.

    Along a stroke a thing is much the same at each ``depth`` (``h w``, 0 outside), texture is not. Of what is left, as
    large a share is kept as its power exceeds that of what a bridge ``missed`` (``h w 3``) where the truth is known.
    """
    mean_px, power_px = (2 * round(0.5 * share * size_px) + 1 for share in _ALONG)
    thing = np.zeros_like(differs)
    for level in range(1, _DEEPEST + 1):
        ring = (depth == level).astype(np.float32)
        if not ring.any():
            continue
        alike = _mean_along(differs, ring, mean_px)
        power, by_chance = (
            _mean_along(np.square(each).mean(-1, keepdims=True), ring, power_px) for each in (differs, missed)
        )
        thing += ring[..., None] * alike * np.clip(1.0 - by_chance / np.maximum(power, 1e-8), 0.0, 1.0)
    return thing


def _mean_along(planes: NDArray[np.float32], ring: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    """The mean of ``h w c`` over a ring's pixels (``h w``) in a square around each of them."""
    sums = cv2.boxFilter(np.dstack((planes * ring[..., None], ring)), -1, (size_px, size_px), normalize=False)
    return np.asarray(sums[..., :-1] / np.maximum(sums[..., -1:], 1.0), np.float32)


def _depth(hole: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How deep a hole's pixels lie, ``h w``: 1 at its edge; what touches the frame's edge goes on beyond it."""
    padded = np.pad(hole.astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray(np.clip(np.ceil(distance - 0.5), 0.0, float(_DEEPEST)) * hole, np.float32)


def move_mask(masks: NDArray[np.float32], angle: float, share: float) -> NDArray[np.float32]:
    """The whole mask track ``t h w`` moved one way: by a ``share`` of the shorter side, ``angle`` in whole turns."""
    height, width = masks.shape[1:]
    radius, turned = share * min(height, width), 2 * math.pi * angle
    dy, dx = round(radius * math.sin(turned)), round(radius * math.cos(turned))
    moved = np.zeros_like(masks)
    target = (slice(None), slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
    source = (slice(None), slice(max(0, -dy), height + min(0, -dy)), slice(max(0, -dx), width + min(0, -dx)))
    moved[target] = masks[source]
    return moved


def _grown(masks: NDArray[np.float32] | NDArray[np.bool_]) -> NDArray[np.bool_]:
    touching = np.ones((3, 3), np.uint8)
    return np.stack([cv2.dilate((mask > 0).astype(np.uint8), touching) > 0 for mask in masks])
