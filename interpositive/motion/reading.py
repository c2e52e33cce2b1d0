"""Pictures read at places that flow and homographies point to."""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.hole_pixels import Look
from interpositive.motion.hole_regions import Box

Plane = NDArray[np.float32]
Boolean = NDArray[np.bool_]

_ROW = 1024
_ONE_PIXEL = (slice(0, 1), slice(0, 1))
_TAPS_PX = 4
"""A cubic read looks that far, at most."""


def places_of(flow: Plane, box: Box) -> tuple[Plane, Plane]:
    """Where the pixels of a part of a frame point to: x and y in pixels."""
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in box)
    return columns[None] + flow[..., 0], rows[:, None] + flow[..., 1]


def read_at(picture: Look | Plane, x: Plane, y: Plane, shape: tuple[int, int], *, cubic: bool = False) -> Plane:
    """Read a picture or plane of a frame's ``shape`` at points, laid out as ``h w`` or one by one, ``m``."""
    if not x.size:
        channels = picture(_ONE_PIXEL).shape[2:] if callable(picture) else picture.shape[2:]
        return np.zeros((*x.shape, *channels), np.float32)
    (top, bottom), (left, right) = _span(y, shape[0]), _span(x, shape[1])
    box = (slice(top, bottom), slice(left, right))
    part = picture(box) if callable(picture) else np.ascontiguousarray(picture[box])
    at_x, at_y = (_as_picture(places - np.float32(start)) for places, start in ((x, left), (y, top)))
    mode = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    seen = np.asarray(cv2.remap(part, at_x, at_y, mode, borderMode=cv2.BORDER_REPLICATE), np.float32)
    return seen.reshape(-1, *seen.shape[2:])[: len(x)] if x.ndim == 1 else seen


def inside(x: Plane, y: Plane, height: int, width: int) -> Boolean:
    """Which places lie in a frame."""
    found: Boolean = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return found


def _span(places: Plane, length: int) -> tuple[int, int]:
    """What reads at such places may look at, of so many pixels."""
    # By hand: of two numbers, numpy's clip takes longer than the read.
    first = min(max(floor(places.min()) - _TAPS_PX, 0), length - 1)
    last = min(max(ceil(places.max()) + _TAPS_PX, first), length - 1)
    return first, last + 1


def _as_picture(places: Plane) -> Plane:
    """OpenCV takes points as a picture, and none of 32767 columns or more."""
    if places.ndim == 2:
        return places
    padded = np.zeros(-(-len(places) // _ROW) * _ROW, np.float32)
    padded[: len(places)] = places
    return padded.reshape(-1, _ROW)
