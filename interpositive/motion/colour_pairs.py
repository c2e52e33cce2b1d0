"""The same thing in two pictures of a set-up: pairs of colours that a grade has to bring together.

A homography brings the set over, dense flow what it leaves; what does not hold both ways is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import Homography
from interpositive.motion.optical_flow import dis_flow
from interpositive.motion.set_views import SetView, match_views, set_view

Pictures = NDArray[np.float32]


@dataclass(frozen=True)
class ColourPairs:
    """Colours ``p 3`` of the same blocks in shot and reference; ``coverage`` is the share of the shot that was seen."""

    shot: NDArray[np.float32]
    reference: NDArray[np.float32]
    coverage: float


def colour_pairs(shot: Pictures, reference: Pictures) -> ColourPairs:
    """Pairs from all pictures ``n h w 3`` of a shot and ``m h w 3`` of its reference; there may be none."""
    theirs = [set_view(picture) for picture in reference]
    found, covered = [], []
    for picture in shot:
        view = set_view(picture)
        aligned = [pair for pair in (_aligned(view, other) for other in theirs) if pair is not None]
        best = max(aligned, key=lambda pair: len(pair[0]), default=None)
        covered.append(0.0 if best is None else len(best[0]) / (view.blocks[0] * view.blocks[1]))
        found += [] if best is None else [best]
    nothing = np.zeros((0, 3), np.float32)
    mine, others = (np.concatenate([nothing, *(pair[side] for pair in found)]) for side in (0, 1))
    return ColourPairs(mine, others, float(np.mean(covered)))


def _aligned(view: SetView, other: SetView) -> tuple[Pictures, Pictures] | None:
    matched = match_views(view, other)
    return None if matched is None else agreeing_colours(view, other, matched[0])


def agreeing_colours(view: SetView, other: SetView, homography: Homography) -> tuple[Pictures, Pictures] | None:
    """Colours ``p 3`` of the blocks in which two views show the same once they are lined up; None if they hardly meet.

    Dense flow takes out what the homography leaves, and what does not hold both ways is left out.
    """
    luma, (height, width) = view.luma, view.luma.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    brought = cv2.warpPerspective(other.picture, homography, (width, height), flags=flags)
    brought_luma = np.asarray(cv2.warpPerspective(other.luma, homography, (width, height), flags=flags), np.uint8)
    whole = np.ones(other.luma.shape, np.float32)
    inside = cv2.warpPerspective(whole, homography, (width, height), flags=flags) > 0.99
    if inside.mean() < 0.02:
        return None
    brought_luma[~inside] = luma[~inside]
    there, back = dis_flow(luma, brought_luma, "medium"), dis_flow(brought_luma, luma, "medium")
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    x, y = xs + there[..., 0], ys + there[..., 1]
    returned = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gap = np.square(there + returned).sum(-1)
    seen = cv2.remap(inside.astype(np.float32), x, y, cv2.INTER_LINEAR) > 0.99
    sharp = cv2.remap(brought_luma, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alike = cv2.GaussianBlur(np.abs(sharp.astype(np.float32) - luma), (0, 0), 2.0) < 24.0
    good = (gap < 0.5) & (np.square(there).sum(-1) < 64.0) & seen & alike & inside
    placed = cv2.remap(brought, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    planes = (good.astype(np.float32), view.picture, placed)
    share, mine, theirs = (cv2.resize(p, view.blocks, interpolation=cv2.INTER_AREA) for p in planes)
    kept = share > 0.95
    return np.asarray(mine[kept], np.float32), np.asarray(theirs[kept], np.float32)
