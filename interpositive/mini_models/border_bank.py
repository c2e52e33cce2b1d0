"""Candidates for what lies beyond a frame's border: what other frames show of it, and what would be made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.motion.beyond_borders import Seen, edge_extended, smoothly_filled
from interpositive.motion.camera_motion import Homography
from interpositive.motion.pooling import pooled_by_gaussian
from interpositive.motion.spatial_fill import telea_fill
from interpositive.motion.window_motion import Boolean, Plane, channel_mean

_KINDS = ("edge", "smooth", "camera")
NUM_WORDS = len(_KINDS) + 2
NUM_MADE_UP = 2
"""The first candidates of a bank: the nearest known pixel, and what would be made up."""
_BIAS = {"edge": -7.0, "smooth": -4.0, "camera": 0.0}
_ERROR_WHERE_UNKNOWN = 0.1
_FARNESS = 1.5
_SOFTNESS = 30.0
_MOST_HIDDEN = 0.4
_LEAST_OVERLAP_PX = 256
_MOST_SHIFT = 0.08


class View(NamedTuple):
    """A frame as another's camera would see it, ``h w 3``; where it is known, 0 or 1; and how far off it is in time.

    ``lent`` is its number among the frames of other takes; None for one of the shot's own, ``source``. At the size of
    the frames it is read by its ``way``, and ``shift`` (3) brings it to the level of what the other shows.
    """

    picture: Plane
    seen: Plane
    offset: int
    lent: int | None = None
    source: int = 0
    way: Homography | None = None
    shift: Plane | float = 0.0


def levelled(target: Plane, hole: Boolean, seen: Seen, offset: int, source: int, lent: int | None = None) -> View:
    """A view of a frame ``h w 3`` at the level of what that frame shows itself."""
    picture, shift = seen.picture, np.zeros(3, np.float32)
    overlap = seen.known & ~hole
    if overlap.sum() > _LEAST_OVERLAP_PX:
        shift = np.clip((target - picture)[overlap].mean(0), -_MOST_SHIFT, _MOST_SHIFT)
        picture = picture + shift
    return View(picture.astype(np.float32), seen.known.astype(np.float32), offset, lent, source, seen.way, shift)


def border_bank(
    target: Plane,
    hole: Boolean,
    views: Sequence[View],
    num_own: int,
    num_lent: int,
    *,
    half: bool,
    pooled: bool = False,
) -> dict[str, Tensor]:
    """The candidates of a frame, padded with invalid ones to a fixed number; see :class:`EvidenceFusion`.

    There is room for ``num_own`` of the shot's own, and for ``num_lent`` that are lent, or for as many as there are.
    With ``pooled``, how they fit is averaged on a smaller raster.
    """
    # One number for all frames, so that examples make a batch.
    num = NUM_MADE_UP + num_own + max(num_lent, sum(view.lent is not None for view in views))
    shape = hole.shape
    expected = expected_error(target, hole)
    candidates = np.broadcast_to(target, (num, *shape, 3)).copy()
    valid, error = np.zeros((num, *shape), np.float32), np.full((num, *shape), _ERROR_WHERE_UNKNOWN, np.float32)
    gap, weight = np.zeros((num, *shape), np.float32), np.full((num, *shape), 1e-3, np.float32)
    valid[:NUM_MADE_UP], weight[:NUM_MADE_UP], error[:NUM_MADE_UP] = 1.0, 1.0, expected
    words, bias = np.zeros((num, NUM_WORDS), np.float32), np.full(num, _BIAS["camera"], np.float32)
    bias[0], bias[1] = _BIAS["edge"], _BIAS["smooth"]
    words[0, 0] = words[1, 1] = 1.0
    joined = Joined(target, hole, expected)
    for index, view in zip(places(views, num), views, strict=True):
        picture, seen, offset = view[:3]
        candidates[index], valid[index] = np.where(seen[..., None] > 0, picture, target), seen
        error[index], overall = _misfit(picture, seen, target, hole, pooled_by_gaussian if pooled else _blurred)
        weight[index] = float((1.0 + offset) ** -_FARNESS)
        words[index, 2:] = 1.0, float(np.log2(1.0 + offset)) / 4.0, 10.0 * overall
        joined.add(picture, seen > 0, error[index])
    candidates[1] = np.where(joined.found[..., None], joined.picture, made_up(joined.picture, joined.found))
    dtype = torch.float16 if half else torch.float32
    planes = {"valid": valid, "error": error, "gap": gap, "weight": weight}
    return {
        "candidates": rearrange(torch.from_numpy(candidates), "n h w c -> n c h w").to(dtype),
        **{name: torch.from_numpy(plane)[:, None].to(dtype) for name, plane in planes.items()},
        "words": torch.from_numpy(words),
        "bias": torch.from_numpy(bias),
    }


def places(views: Sequence[View], num: int) -> list[int]:
    """Where views stand in a bank of so many candidates, those that are lent last."""
    num_own = sum(view.lent is None for view in views)
    return [*range(NUM_MADE_UP, NUM_MADE_UP + num_own), *range(num - len(views) + num_own, num)]


class Joined:
    """A frame and what its hole takes from views: what is still unknown is filled from that, and joins without a step.

    Only what fits better than what would be made up.
    """

    def __init__(self, target: Plane, hole: Boolean, expected: Plane) -> None:
        self.picture, self.found, self._expected = target.copy(), ~hole, expected

    def add(self, picture: Plane, seen: Boolean, error: Plane) -> None:
        """Take from one more view what none before showed."""
        newly = seen & ~self.found & (error < self._expected)
        self.picture[newly] = picture[newly]
        self.found |= newly


def made_up(picture: Plane, known: Boolean) -> Plane:
    """A picture ``h w 3`` whose unknown pixels are guessed from what is known."""
    extended = edge_extended(picture, ~known)
    softened = np.asarray(cv2.GaussianBlur(extended, (0, 0), known.shape[0] / _SOFTNESS), np.float32)
    # Averages far out and smears near the border miss in different places.
    guessed: Plane = np.where(known[..., None], picture, 0.5 * (softened + smoothly_filled(picture, known)))
    return guessed


def expected_error(picture: Plane, hole: Boolean) -> Plane:
    """How far from the truth, ``h w``, is what would be made up in a hole: more the deeper, up to a mean.

    That is measured on the picture itself, of which as much is hidden along the hole as that is deep.
    """
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    within = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    kept = within > min(float(depth.max()), _MOST_HIDDEN * float(within.max()))
    hidden = ~(hole | kept)
    if not (hidden.any() and kept.any()):
        return np.full(hole.shape, _ERROR_WHERE_UNKNOWN, np.float32)
    mean = channel_mean(np.abs(made_up(picture, kept) - picture))[hidden].mean()
    mean_depth = cv2.distanceTransform((~kept).astype(np.uint8), cv2.DIST_L2, 5)[hidden].mean()
    # Pictures differ by the root of the distance, as long as that is small.
    return np.asarray(mean * np.sqrt(np.minimum(1.0, depth / mean_depth)), np.float32)


def _misfit(
    picture: Plane, seen: Plane, target: Plane, hole: Boolean, blur: Callable[[Plane, float], Plane]
) -> tuple[Plane, float]:
    """How badly a view fits what a frame shows itself: ``h w``, and its mean over the frame."""
    overlap = seen * ~hole
    miss = channel_mean(np.abs(picture - target)) * overlap
    # How it fits beside the border tells little further out; there its mean over the frame stands in.
    sigma_px = hole.shape[0] / 20.0
    overall = float(miss.sum() / max(1.0, float(overlap.sum()))) if overlap.any() else _ERROR_WHERE_UNKNOWN
    pooled = (blur(miss, sigma_px) + 0.05 * overall) / (blur(overlap, sigma_px) + 0.05)
    return np.asarray(pooled, np.float32), overall


def _blurred(plane: Plane, sigma_px: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)


def camera_median(target: Plane, views: Sequence[View]) -> Plane:
    """The median of all frames that the camera's motion brings; the nearest known pixel where none shows it."""
    if not views:
        return target
    stacked = np.stack([np.where(view.seen[..., None] > 0, view.picture, np.nan) for view in views])
    shown = np.logical_or.reduce([view.seen > 0 for view in views])
    stacked[:, ~shown] = target[~shown]
    return np.asarray(np.nanmedian(stacked, axis=0), np.float32)


def edge(target: Plane, hole: Boolean) -> Plane:
    """The nearest known pixel."""
    return edge_extended(target, hole)


FROM_ITSELF: dict[str, Callable[[Plane, Boolean], Plane]] = {"edge": edge, "telea": telea_fill}
"""What fills a frame from what it shows itself: its nearest pixel, and Telea's (2004)."""
FROM_VIEWS: dict[str, Callable[[Plane, Sequence[View]], Plane]] = {"camera_median": camera_median}
"""What fills any part of a frame, given the nearest known pixel there and views of it."""
