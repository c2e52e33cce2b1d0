"""Grain: how strong it is around a hole, how much of it a fill lacks, and noise that makes up for that.

Grain is judged where the picture is flat, as what a Gaussian of one pixel takes away, so that detail has no say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma
from interpositive.functional.plate_noise import plate_noise

Picture = NDArray[np.float32]
Boolean = NDArray[np.bool_]

_FINE_SIGMA_PX = 1.0
_SLOPE_SIGMA_PX = 2.0
_POOL_SIGMA_PX = 6.0
_FLAT_SHARE = 0.4
_LEAST_PIXELS = 200
_NUM_LEVELS = 4
_AROUND_PX = 24
_OF_MEDIAN = 1.4826
_BLURS_PX = (0.0, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.3)


@dataclass(frozen=True)
class Grain:
    """Grain of flat pixels: its strength (standard deviation) at ``levels`` ``l`` of luma, ``l 3``.

    ``alike`` (``3 3``) is the correlation of the three channels', ``beside`` that with the pixel beside.
    """

    levels: NDArray[np.float64]
    strengths: NDArray[np.float64]
    alike: NDArray[np.float64]
    beside: float

    def strength_at(self, luma: Picture) -> Picture:
        """The strength at every pixel of a luma ``h w``, interpolated between levels: ``h w 3``."""
        each = [np.interp(luma, self.levels, strength) for strength in self.strengths.T]
        return np.stack(each, -1).astype(np.float32)


@dataclass(frozen=True)
class Matched:
    """A frame ``h w 3`` with grain in its fill, and how strong that was and is there, against the plate's around it."""

    picture: Picture
    before: float
    after: float


def match_grain(
    frame: Picture, hole: Boolean, seed: int, neighbour: tuple[Picture, Boolean] | None = None
) -> Matched | None:
    """Give the fill of a frame ``h w 3`` the grain that it lacks against the picture around its hole ``h w``.

    ``neighbour`` is the frame before or after and its hole: grain that they share stands still, as compression leaves
    it, and none that moves is put in its place. None where it cannot be told: too little that is flat lies around the
    hole or in it. Pixels outside stay. What is added depends on the seed and a pixel's place alone.
    """
    if not hole.any() or hole.all():
        return None
    near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * _AROUND_PX + 1,) * 2, np.uint8)) > 0
    ys, xs = np.nonzero(near)
    box = slice(int(ys.min()), int(ys.max()) + 1), slice(int(xs.min()), int(xs.max()) + 1)
    picture, inside = np.ascontiguousarray(frame[box]), hole[box]
    # What a Gaussian has mixed across the hole's edge is neither.
    known = near[box] & ~(cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    slope = _slope(picture)
    if known.sum() < _LEAST_PIXELS:
        return None
    flattest = float(np.quantile(slope[known], _FLAT_SHARE))
    grain = measure_grain(picture, known & (slope <= flattest))
    flat = inside & (slope <= flattest)
    if grain is None or flat.sum() < _LEAST_PIXELS:
        return None
    wanted = grain.strength_at(_smooth_luma(picture))
    has = _local_strength(picture, flat)
    missing = np.square(wanted) - np.square(has)
    if neighbour is not None:
        both = (
            known
            & (slope <= flattest)
            & ~(cv2.dilate(neighbour[1][box].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
        )
        missing *= _moving_share(picture, np.ascontiguousarray(neighbour[0][box]), both)
    lacking = np.maximum(0.0, missing)
    # Measured here and there, a fill with all its grain seems to lack some: together it gets what it lacks together.
    lacking *= np.clip(missing[flat].mean(0) / np.maximum(lacking[flat].mean(0), 1e-12), 0.0, 1.0)
    rows, columns = (range(side.start, side.stop) for side in box)
    noise = _noise_like(grain, seed, rows, columns)
    grained = np.where(inside[..., None], picture + np.sqrt(lacking) * noise, picture).astype(np.float32)
    result = frame.copy()
    result[box] = grained
    around = float(wanted[flat].mean())
    now = _local_strength(grained, flat)
    return Matched(result, float(has[flat].mean()) / around, float(now[flat].mean()) / around)


def measure_grain(picture: Picture, flat: Boolean) -> Grain | None:
    """The grain of flat pixels of a picture ``h w 3``; None if they are few, or have none."""
    if flat.sum() < _LEAST_PIXELS:
        return None
    fine = _fine(picture)
    luma = _smooth_luma(picture)[flat]
    of_flat = fine[flat]
    order = np.array_split(np.argsort(luma, kind="stable"), _NUM_LEVELS)
    levels = np.array([np.median(luma[part]) for part in order], np.float64)
    strengths = np.array([_OF_MEDIAN * np.median(np.abs(of_flat[part]), 0) for part in order], np.float64)
    if not (strengths > 0).all():
        return None
    # Whatever is no grain is cut off, so that an edge does not make all channels alike.
    limit = 3.0 * strengths.max(0)
    cut = np.clip(fine, -limit, limit)
    beside = flat[:, 1:] & flat[:, :-1]
    first, second = cut[:, 1:][beside].ravel(), cut[:, :-1][beside].ravel()
    alike = np.asarray(np.corrcoef(cut[flat].T), np.float64)
    return Grain(levels, strengths, alike, float(np.corrcoef(first, second)[0, 1]))


def _moving_share(picture: Picture, other: Picture, flat: Boolean) -> float:
    """Which share of the grain's power is another in the next frame; 1 where too little is flat in both to tell."""
    if flat.sum() < _LEAST_PIXELS:
        return 1.0
    here, there = _fine(picture)[flat], _fine(other)[flat]
    changed, own = (np.median(np.abs(each)) for each in (here - there, here))
    return float(np.clip(changed**2 / max(2.0 * own**2, 1e-12), 0.0, 1.0))


def _fine(picture: Picture) -> Picture:
    return np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), _FINE_SIGMA_PX), np.float32)


def _smooth_luma(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(luma(picture), (0, 0), _SLOPE_SIGMA_PX), np.float32)


def _slope(picture: Picture) -> Picture:
    smooth = _smooth_luma(picture)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    # On the ridge of a line there is no slope, but beside it.
    return np.asarray(cv2.dilate(np.hypot(across, down), np.ones((7, 7), np.uint8)), np.float32)


def _local_strength(picture: Picture, flat: Boolean) -> Picture:
    """The grain of flat pixels nearby, ``h w 3``."""
    weight = flat.astype(np.float32)
    support = cv2.GaussianBlur(weight, (0, 0), _POOL_SIGMA_PX)[..., None]
    squares = np.square(_fine(picture))
    everywhere = squares[flat].mean(0)
    # Where hardly anything is flat, what all of the fill has counts.
    pooled = cv2.GaussianBlur(squares * weight[..., None], (0, 0), _POOL_SIGMA_PX) + 0.02 * everywhere
    return np.asarray(np.sqrt(pooled / (support + 0.02)), np.float32)


def _noise_like(grain: Grain, seed: int, rows: range, columns: range) -> Picture:
    """Noise as fine as the grain and as alike in its channels, of strength 1 as grain is measured: ``h w 3``."""
    blur_px = min(_BLURS_PX, key=lambda blur: abs(_blurred_noise(blur)[0] - grain.beside))
    white = plate_noise(seed, rows, columns).transpose(1, 2, 0)
    noise = _blurred(np.ascontiguousarray(white), blur_px) / _blurred_noise(blur_px)[1]
    values, vectors = np.linalg.eigh(grain.alike)
    mixing = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.asarray(noise @ mixing.astype(np.float32).T, np.float32)


def _blurred(noise: Picture, blur_px: float) -> Picture:
    return noise if blur_px == 0 else np.asarray(cv2.GaussianBlur(noise, (0, 0), blur_px), np.float32)


@lru_cache(maxsize=len(_BLURS_PX))
def _blurred_noise(blur_px: float) -> tuple[float, float]:
    """How alike blurred noise is to itself a pixel on, and how strong, once measured as grain is."""
    fine = _fine(_blurred(np.ascontiguousarray(plate_noise(1, range(192), range(192)).transpose(1, 2, 0)), blur_px))
    beside = np.corrcoef(fine[:, 1:].ravel(), fine[:, :-1].ravel())[0, 1]
    return float(beside), float(fine.std())
