"""The same set in two pictures, whatever grade or exposure either has: features, and the homography between them.

Features are found on luma without its local level and contrast, so that light in between does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma
from interpositive.motion.camera_motion import Homography

_BLOCK_PX = 4
_LEAST_MATCHES = 16
_RATIO = 0.8
_REACH_PX = 3.0


@dataclass(frozen=True)
class SetView:
    """A small picture, its luma without local level, and its features: places ``n 2`` and what each looks like.

    ``scale`` is how many pixels of it one of the whole picture's makes.
    """

    picture: NDArray[np.float32]
    luma: NDArray[np.uint8]
    points: NDArray[np.float32]
    features: NDArray[np.float32] | None
    scale: float

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks across and down."""
        height, width = self.luma.shape
        return max(1, width // _BLOCK_PX), max(1, height // _BLOCK_PX)


def set_view(picture: NDArray[np.float32], long_side_px: int = 256, num_features: int = 1500) -> SetView:
    """What is looked at of a picture ``h w 3``, whose longer side is brought to ``long_side_px`` if it has more."""
    height, width = picture.shape[:2]
    scale = min(1.0, long_side_px / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
    plane = luma(small)
    level = cv2.GaussianBlur(plane, (0, 0), 12.0)
    spread = np.sqrt(cv2.GaussianBlur((plane - level) ** 2, (0, 0), 12.0))
    flat = (plane - level) / (spread + 0.05 * float(plane.std()) + 1e-4)
    codes = np.clip(np.rint(128.0 + 42.0 * flat), 0, 255).astype(np.uint8)
    points, features = cv2.SIFT.create(num_features, contrastThreshold=0.02).detectAndCompute(codes, None)
    places = np.array([p.pt for p in points], np.float32).reshape(-1, 2)
    found = None if features is None else np.asarray(features, np.float32)
    return SetView(small, codes, places, found, scale)


def match_views(view: SetView, other: SetView) -> tuple[Homography, int] | None:
    """The homography from the pixels of one view to the other's, and how many features agree on it; None if few do."""
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
    return np.asarray(homography, np.float64), int(inliers.sum())


def at_full_size(homography: Homography, view: SetView, other: SetView) -> Homography:
    """The homography between two views as one between the whole pictures' pixels."""
    matrix = np.linalg.inv(_shrinking(other.scale)) @ homography @ _shrinking(view.scale)
    normalised: Homography = matrix / matrix[2, 2]
    return normalised


def _shrinking(scale: float) -> Homography:
    # Centres of pixels, not their corners, lie at whole numbers.
    offset = 0.5 * scale - 0.5
    return np.array([[scale, 0.0, offset], [0.0, scale, offset], [0.0, 0.0, 1.0]])
