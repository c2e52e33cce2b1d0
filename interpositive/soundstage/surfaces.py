"""Flat painted surfaces in the set, and their way into the picture by one homography each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

# float32 wherever light or cover is meant; OpenCV's stubs do not keep the type
Array = npt.NDArray[Any]
Matrix = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Surface:
    """A flat piece of set: premultiplied scene-linear ``h w 4`` paint on a plane in the world.

    ``axes`` is 4x3 and maps texel (x, y, 1) to homogeneous world metres. ``catches_shadow`` marks floors.
    ``name`` is unique within a set; surfaces are listed back to front.
    """

    name: str
    paint: Array
    axes: Matrix
    catches_shadow: bool = False

    @property
    def opaque(self) -> bool:
        """Whether every texel hides what is behind it."""
        return bool((self.paint[..., 3] >= 1).all())

    def homography(self, camera: Matrix) -> Matrix:
        """Texels to pixels under a 3x4 camera."""
        return camera @ self.axes


def plane_axes(origin: npt.ArrayLike, u: npt.ArrayLike, v: npt.ArrayLike) -> Matrix:
    """4x3 axes of a plane: world position of texel (0, 0) and the world step of one texel in x and in y."""
    columns = np.stack([np.asarray(column, np.float64) for column in (u, v, origin)], axis=1)
    return np.concatenate([columns, [[0.0, 0.0, 1.0]]], axis=0)


def reach(homography: Matrix, size: tuple[int, int], frame: tuple[int, int], margin: int = 2) -> Box | None:
    """The pixel box (x0, y0, x1, y1), half-open, that a ``(width, height)`` texture can touch; None if it
    misses.
    """
    width, height = size
    frame_width, frame_height = frame
    corners = np.array([[-1, -1, 1], [width, -1, 1], [width, height, 1], [-1, height, 1]], np.float64)
    seen = corners @ homography.T
    if seen[:, 2].max() <= 0:
        return None
    if seen[:, 2].min() <= 1e-6:
        return (0, 0, frame_width, frame_height)
    points = seen[:, :2] / seen[:, 2:]
    x0, y0 = np.floor(points.min(0)).astype(int) - margin
    x1, y1 = np.ceil(points.max(0)).astype(int) + margin + 1
    box = (max(int(x0), 0), max(int(y0), 0), min(int(x1), frame_width), min(int(y1), frame_height))
    return box if box[0] < box[2] and box[1] < box[3] else None


def place(paint: Array, homography: Matrix, box: Box) -> Array:
    """The part of the picture inside ``box`` that a texture paints, bilinear, transparent outside."""
    x0, y0, x1, y1 = box
    shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], np.float64)
    placed: Array = cv2.warpPerspective(
        paint,
        shift @ homography,
        (x1 - x0, y1 - y0),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return placed


def overlap(box: Box, other: Box) -> Box | None:
    """The common part of two boxes."""
    common = (max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3]))
    return common if common[0] < common[2] and common[1] < common[3] else None


def union(boxes: list[Box]) -> Box | None:
    """The smallest box around all boxes."""
    if not boxes:
        return None
    stacked = np.array(boxes)
    low, high = stacked.min(0), stacked.max(0)
    return (int(low[0]), int(low[1]), int(high[2]), int(high[3]))
