"""The same thing in two pictures of a set-up: pairs of colours that a grade has to bring together.

Features are matched on luma without its local level, so that the grades in between do not matter; a homography
brings the set over, dense flow what it leaves; what does not hold both ways is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.optical_flow import dis_flow

Pictures = NDArray[np.float32]

_LONG_SIDE_PX = 256
_BLOCK_PX = 4
_LEAST_MATCHES = 16
_RATIO = 0.8
_REACH_PX = 3.0


@dataclass(frozen=True)
class ColourPairs:
    """Colours ``p 3`` of the same blocks in shot and reference; ``coverage`` is the share of the shot that was seen."""

    shot: NDArray[np.float32]
    reference: NDArray[np.float32]
    coverage: float


@dataclass(frozen=True)
class _View:
    """A small picture, its luma without local level, and its features: places ``n 2`` and what each looks like."""

    picture: Pictures
    luma: NDArray[np.uint8]
    points: NDArray[np.float32]
    features: NDArray[np.float32] | None

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks across and down."""
        height, width = self.luma.shape
        return max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX)


def colour_pairs(shot: Pictures, reference: Pictures) -> ColourPairs:
    """Pairs from all pictures ``n h w 3`` of a shot and ``m h w 3`` of its reference; there may be none."""
    theirs = [_view(picture) for picture in reference]
    found, covered = [], []
    for picture in shot:
        view = _view(picture)
        aligned = [pair for pair in (_aligned(view, other) for other in theirs) if pair is not None]
        best = max(aligned, key=lambda pair: len(pair[0]), default=None)
        covered.append(0.0 if best is None else len(best[0]) / (view.blocks[0] * view.blocks[1]))
        found += [] if best is None else [best]
    nothing = np.zeros((0, 3), np.float32)
    mine, others = (np.concatenate([nothing, *(pair[side] for pair in found)]) for side in (0, 1))
    return ColourPairs(mine, others, float(np.mean(covered)))


def _view(picture: Pictures) -> _View:
    height, width = picture.shape[:2]
    scale = min(1.0, _LONG_SIDE_PX / max(height, width))
    small = cv2.resize(
        picture, (max(8, round(width * scale)), max(8, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    luma = small @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    level = cv2.GaussianBlur(luma, (0, 0), 12.0)
    spread = np.sqrt(cv2.GaussianBlur((luma - level) ** 2, (0, 0), 12.0))
    flat = (luma - level) / (spread + 0.05 * float(luma.std()) + 1e-4)
    codes = np.clip(np.rint(128.0 + 42.0 * flat), 0, 255).astype(np.uint8)
    points, features = cv2.SIFT.create(1500, contrastThreshold=0.02).detectAndCompute(codes, None)
    places = np.array([p.pt for p in points], np.float32).reshape(-1, 2)
    found = None if features is None else np.asarray(features, np.float32)
    return _View(np.asarray(small, np.float32), codes, places, found)


def _homography(view: _View, other: _View) -> NDArray[np.float64] | None:
    if view.features is None or other.features is None:
        return None
    if min(len(view.features), len(other.features)) < _LEAST_MATCHES:
        return None
    matches = [m for m in cv2.BFMatcher().knnMatch(view.features, other.features, k=2) if len(m) == 2]
    good = [first for first, second in matches if first.distance < _RATIO * second.distance]
    if len(good) < _LEAST_MATCHES:
        return None
    here = np.array([view.points[m.queryIdx] for m in good])
    there = np.array([other.points[m.trainIdx] for m in good])
    # Seeded by OpenCV itself: the same matches give the same homography.
    homography, inliers = cv2.findHomography(here, there, cv2.USAC_MAGSAC, _REACH_PX, maxIters=2000, confidence=0.999)
    if homography is None or inliers.sum() < _LEAST_MATCHES:
        return None
    return np.asarray(homography, np.float64)


def _aligned(view: _View, other: _View) -> tuple[Pictures, Pictures] | None:
    homography = _homography(view, other)
    if homography is None:
        return None
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
