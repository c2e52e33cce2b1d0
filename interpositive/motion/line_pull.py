"""Which way a picture's lines run into a hole, as a pull along them that bridges it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.hole_regions import EACH_COSTS_PX, hole_regions
from interpositive.motion.pooling import REACH_SIGMAS

Picture = NDArray[np.float32]
Hole = NDArray[np.bool_]

_LINES = 216
"""Lines are looked for on a raster of about so many rows, where they are as wide whatever the frame's size."""
_SIGMAS_PX = (3.0, 6.0, 12.0)
_ENOUGH = 0.08
_ALONG = 16.0
_SHARPNESS = 4
_NOISE = 2e-6


def pull_along_lines(picture: Picture, hole: Hole, least: float) -> Picture:
    """How strongly a surface over a picture ``h w 3`` is pulled straight, and which way: a tensor, ``h w 3``.

    Its parts are those across, mixed and down, for :func:`~interpositive.motion.spatial_fill.thin_plate_values`. Along
    what lines there are around a place (the structure tensor, Förstner and Gülch 1987, of what is no hole, pooled as
    near as there is enough of it) it is up to 16 at 216 rows, by the fourth power of how much of one direction these
    are; and ``least`` all ways, for a hole has lines on all sides where it has any. As a diffusion along lines
    (Weickert and Welk, 2006) continues them through a hole, with slopes that match where there are none.
    """
    factor = max(1, round(hole.shape[0] / _LINES))
    small, known = _reduced(picture, ~hole, factor)
    shown = known * cv2.erode((known > 0.999).astype(np.uint8), np.ones((3, 3), np.uint8))
    across, down = (cv2.Sobel(small, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1)))
    products = [cv2.transform(each, np.ones((1, 3), np.float32)) for each in (across**2, across * down, down**2)]
    planes = np.dstack([product * shown for product in products] + [shown])
    pull = _along(_pooled(planes, cv2.dilate((known < 1.0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0))
    # Where pixels lie closer, the same bend is less of one from each to the next.
    pull = cv2.resize(pull, hole.shape[::-1], interpolation=cv2.INTER_LINEAR) / np.float32(factor**2)
    # Beyond the frame it is mirrored, and lines with it.
    mixed = pull[..., 1]
    mixed[:2], mixed[-2:], mixed[:, :2], mixed[:, -2:] = 0.0, 0.0, 0.0, 0.0
    pull[..., 0::2] += np.float32(least)
    return np.ascontiguousarray(pull)


def _reduced(picture: Picture, known: Hole, factor: int) -> tuple[Picture, Picture]:
    """A picture on a raster so many times smaller, and which share of each of its pixels is known."""
    share = known.astype(np.float32)
    if factor == 1:
        return picture, share
    size = tuple(-(-length // factor) for length in known.shape[::-1])
    weighed = cv2.resize(picture * share[..., None], size, interpolation=cv2.INTER_AREA)
    share = np.asarray(cv2.resize(share, size, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(weighed / np.maximum(share[..., None], 1e-6), np.float32), share


def _pooled(planes: Picture, near: Hole) -> Picture:
    """The tensor of ``planes`` ``h w 4``, of which the last says how much is known, as the pixels ``near`` (``h w``)
    a hole have it: from as near as there is enough of it. What is said elsewhere is of no use.
    """
    found = np.zeros_like(planes)
    missing = near
    for sigma in _SIGMAS_PX:
        for region in hole_regions(missing, round(REACH_SIGMAS * sigma) + 1, EACH_COSTS_PX):
            core = region.core
            pooled = np.asarray(cv2.GaussianBlur(planes[region.box], (0, 0), sigma))[region.within(core)]
            # Farther off is looked at where there is too little nearer by.
            share = np.minimum(pooled[..., 3:] / _ENOUGH, 1.0) ** 2 * (1.0 - found[core][..., 3:])
            share *= missing[core][..., None]
            found[core][..., :3] += share * pooled[..., :3] / np.maximum(pooled[..., 3:], 1e-6)
            found[core][..., 3:] += share
        missing = near & (found[..., 3] < 1.0)
    return np.asarray(found[..., :3] / np.maximum(found[..., 3:], 1e-6), np.float32)


def _along(tensor: Picture) -> Picture:
    """The pull along the direction in which a structure tensor has least, by how much less that is."""
    across, mixed, down = cv2.split(tensor)
    middle, half = (across + down) / 2, (across - down) / 2
    apart = np.sqrt(np.square(half) + np.square(mixed))
    strength = 0.5 * _ALONG * (apart / (middle + _NOISE / 2)) ** _SHARPNESS
    # Of twice the direction's angle: products of its cosine and sine follow from these.
    cosine, sine = (each / np.maximum(apart, 1e-12) for each in (half, mixed))
    return np.asarray(cv2.merge([strength * (1.0 - cosine), -strength * sine, strength * (1.0 + cosine)]), np.float32)
