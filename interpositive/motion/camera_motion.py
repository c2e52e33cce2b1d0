"""The camera's motion between frames as homographies, from flow outside the masks."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Homography = NDArray[np.float64]


def fit_homography(
    flow: NDArray[np.float32], usable: NDArray[np.bool_], *, step_px: int = 6, threshold_px: float = 0.7
) -> Homography:
    """The 3 x 3 homography that carries pixels of a frame into the next, by RANSAC on a grid of flow vectors.

    Falls back to the mean translation when fewer than 16 usable vectors agree.
    The random draws are seeded, so that the same flow gives the same camera.
    """
    height, width = usable.shape
    ys, xs = np.mgrid[step_px // 2 : height : step_px, step_px // 2 : width : step_px]
    ys, xs = ys.ravel(), xs.ravel()
    keep = usable[ys, xs]
    source = np.stack((xs[keep], ys[keep]), -1).astype(np.float32)
    vectors = flow[ys[keep], xs[keep]]
    if len(source) >= 16:
        cv2.setRNGSeed(7)
        matrix, inliers = cv2.findHomography(source, source + vectors, cv2.RANSAC, threshold_px)
        if matrix is not None and int(inliers.sum()) >= 16:
            return np.asarray(matrix, np.float64)
    translation = np.eye(3)
    if len(vectors):
        translation[:2, 2] = np.median(vectors, axis=0)
    return translation


def homography_flow(matrix: Homography, height: int, width: int) -> NDArray[np.float32]:
    """The flow field of a homography, ``h w 2`` in pixels."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    return carried_by(matrix, xs, ys)


def carried_by(matrix: Homography, x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """How far a homography carries points, in pixels: x and y, last."""
    to_x, to_y, over = (matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] for i in range(3))
    over = np.where(np.abs(over) < 1e-9, 1e-9, over)
    return np.stack((to_x / over - x, to_y / over - y), -1).astype(np.float32)


def area_scale(across: float, down: float) -> Homography:
    """From pixels of a smaller picture to those of a larger one by these factors: pixels are areas, not points."""
    return np.array([[across, 0.0, 0.5 * across - 0.5], [0.0, down, 0.5 * down - 0.5], [0.0, 0.0, 1.0]])


class CameraPath:
    """Homographies chained over a window: ``between(s, t)`` carries pixels of frame s into frame t."""

    def __init__(self, steps: list[Homography]) -> None:
        self._to_first: list[Homography] = [np.eye(3)]
        for step in steps:
            self._to_first.append(self._to_first[-1] @ np.linalg.inv(step))

    def between(self, source: int, target: int) -> Homography:
        """The homography from frame ``source`` of the window to frame ``target``."""
        matrix = np.linalg.inv(self._to_first[target]) @ self._to_first[source]
        normalised: Homography = matrix / matrix[2, 2]
        return normalised
