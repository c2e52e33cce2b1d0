"""Grain: how strong it is in a plate, how much of it a fill lacks, and noise that makes up for that.

Grain is judged in the diagonal band, as second differences both ways, in which pictures have least and noise as much
as anywhere (Immerkær, Fast Noise Variance Estimation, CVIU 1996), and in the quietest blocks of each level of luma.
What is known of noise there comes from noise that is measured in the same way: an edge or a leaf is no grain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma
from interpositive.functional.plate_noise import plate_noise

Picture = NDArray[np.float32]
Boolean = NDArray[np.bool_]

_SECOND_DIFFERENCE = np.array([1.0, -2.0, 1.0], np.float32)
_SMOOTH_SIGMA_PX = 2.0
_POOL_SIGMA_PX, _POOL_STEP_PX = 6.0, 4
_TILE_PX = 64
_BLOCK_PX = 8
_QUIETEST, _QUIET = 0.1, 0.2
"""Of blocks: the first tells how strong grain is, the second how coarse, and how alike in the channels."""
_NUM_LEVELS = 4
_LEAST_BLOCKS = 10 * _NUM_LEVELS
_LEAST_STRENGTH = 1e-4
"""Below this, a fortieth of an 8-bit code, there is no grain; 12-bit footage of no light has three times as much."""
_CODE = 1 / 255
_CUT = 3.0
"""In strengths of the grain: what is more is a picture's edge, and has no say beyond this."""
_OF_EDGES = 0.05
_OF_OTHER_GRAIN = 0.5
_BLURS_PX = (0.0, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.85, 1.0, 1.15, 1.3)


@dataclass(frozen=True)
class Grain:
    """Grain of a plate: its strength (standard deviation in the diagonal band) at ``levels`` ``l`` of luma, ``l 3``.

    ``alike`` (``3 3``) is the correlation of the three channels', ``blur_px`` the Gaussian of white noise that is as
    coarse, ``moving`` the share of its power that is another in each frame.
    """

    levels: NDArray[np.float64]
    strengths: NDArray[np.float64]
    alike: NDArray[np.float64]
    blur_px: float
    moving: float = 1.0

    def strength_at(self, luma: Picture) -> Picture:
        """The strength at every pixel of a luma (``...``), interpolated between levels: ``... 3``."""
        each = [np.interp(luma, self.levels, strength) for strength in self.strengths.T]
        return np.stack(each, -1).astype(np.float32)


@dataclass(frozen=True)
class Matched:
    """A frame ``h w 3`` with grain in its fill, and how strong that was and is there, against the plate's."""

    picture: Picture
    before: float
    after: float


def match_grain(
    frame: Picture, hole: Boolean, grain: Grain | None, seed: int, plate: Picture | None = None
) -> Matched | None:
    """Give the fill of a frame ``h w 3`` what it lacks of the grain of its plate; None where there is nothing to give.

    ``plate`` is the frame as it was: what a fill has kept of it, or has but lightened, has its grain. Of grain that
    stands still none that moves is put in its place. Pixels outside the hole ``h w`` stay. What is added depends on
    the seed and a pixel's place alone.
    """
    if grain is None or not hole.any():
        return None
    box = _box_of(hole)
    picture, inside = np.ascontiguousarray(frame[box]), hole[box]
    smooth, near = _smooth_luma(picture), _wider(inside, 1)
    strengths = np.zeros_like(picture)
    strengths[near] = grain.strength_at(smooth[near])
    if plate is not None:
        inside = inside & _changed(picture, np.ascontiguousarray(plate[box]), inside, strengths)
        if not inside.any():
            return None
    wanted = strengths[inside]
    around = float(np.square(wanted).mean())
    if around <= _LEAST_STRENGTH**2:
        return None
    has = _local_power(picture, inside, wanted)
    missing = grain.moving * (np.square(wanted) - has)
    lacking = np.maximum(0.0, missing)
    # Measured here and there, a fill with all its grain seems to lack some: together it gets what it lacks together.
    lacking *= np.clip(missing.mean(0) / np.maximum(lacking.mean(0), 1e-12), 0.0, 1.0)
    before = after = (float(has.mean()) / around) ** 0.5
    result = frame.copy()
    if (lacks := lacking.any(-1)).any():
        where = inside.copy()
        where[inside] = lacks
        picture[where] += np.sqrt(lacking[lacks]) * _noise_like(grain, seed, where, box[0].start, box[1].start)
        result[box] = picture
        after = (float(_local_power(picture, inside, wanted).mean()) / around) ** 0.5
    return Matched(result, before, after)


def measure_grain(picture: Picture, hole: Boolean, neighbour: tuple[Picture, Boolean] | None = None) -> Grain | None:
    """The grain of a picture ``h w 3`` outside its hole ``h w``; None if there is little outside, or no grain.

    ``neighbour`` is the frame before or after and its hole: grain that they share stands still, as compression leaves
    it. Without one all of it moves.
    """
    # What the band mixes across a hole's edge is neither.
    known = ~_wider(hole)
    band = _diagonal_band(picture)
    power, whole = _block_means(np.square(band)), _block_means(known.astype(np.float32)) > 0.999
    if whole.sum() < _LEAST_BLOCKS:
        return None
    light = _block_means(luma(picture))
    # What is clipped has no grain, and says nothing of what has.
    without = whole & (power.max(-1) <= _LEAST_STRENGTH**2)
    black, white = (without & end for end in (light <= light[whole].min() + _CODE, light >= light[whole].max() - _CODE))
    between = whole & ~black & ~white
    if between.sum() < _LEAST_BLOCKS:
        return None
    from_dark = np.flatnonzero(between)[np.argsort(light[between], kind="stable")]
    parts = [np.flatnonzero(black), *np.array_split(from_dark, _NUM_LEVELS), np.flatnonzero(white)]
    parts = [part for part in parts if len(part) >= _LEAST_BLOCKS // _NUM_LEVELS]
    levels = np.array([np.median(light.flat[part]) for part in parts], np.float64)
    floors = np.array([np.quantile(power.reshape(-1, 3)[part], _QUIETEST, axis=0) for part in parts], np.float64)
    if (floors > _LEAST_STRENGTH**2).all(-1).sum() < _NUM_LEVELS:
        return None
    quiet = _quiet(power, between)
    beside = _beside(band, quiet)
    blur_px = min(_BLURS_PX, key=lambda blur: abs(_measured_noise(blur).beside - beside))
    # The quietest of many blocks are quieter than the grain is.
    strengths = np.sqrt(floors / _measured_noise(blur_px).quietest)
    alike = np.asarray(np.corrcoef(band[: quiet.shape[0], : quiet.shape[1]][quiet].T), np.float64)
    moving = 1.0
    if neighbour is not None:
        moving = _moving_share(band, _diagonal_band(neighbour[0]), known & ~_wider(neighbour[1]))
    return Grain(levels, strengths, alike, blur_px, moving)


def _changed(fill: Picture, plate: Picture, inside: Boolean, strengths: Picture) -> Boolean:
    """Where a fill is another picture than the plate: their difference has some grain of its own.

    Or there is a difference, and the plate had none to give: it shows something flat there, or clipped. ``strengths``
    (``h w 3``) are the grain's, inside and a pixel around.
    """
    difference = fill - plate
    differs = inside & _any_above(np.abs(difference), [0.5 * _CODE] * 3)
    least = cv2.split(_OF_OTHER_GRAIN * strengths)

    def grainy(picture: Picture, where: Boolean, reach_px: int) -> Boolean:
        return _wider(where & _any_above(np.abs(_diagonal_band(picture)), least), reach_px)

    # Nearer the edge than this the plate's band has what lies beyond in it.
    within = cv2.erode(inside.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.asarray(grainy(difference, _wider(inside, 1), 1) | (differs & ~grainy(plate, within, 2)))


def _any_above(picture: Picture, least: Sequence[Any]) -> Boolean:
    """Where a channel is above what is the least for it; far faster than along a last axis of three."""
    above: Boolean = np.logical_or.reduce([each > one for each, one in zip(cv2.split(picture), least, strict=True)])
    return above


def _moving_share(here: Picture, there: Picture, known: Boolean) -> float:
    """Which share of the power of two frames' bands is another in each; 1 where too little is known in both to tell."""
    whole = _block_means(known.astype(np.float32)) > 0.999
    if whole.sum() < _LEAST_BLOCKS:
        return 1.0
    changed, own = (
        float(np.quantile(_block_means(np.square(each))[whole].mean(-1), _QUIETEST)) for each in (here - there, here)
    )
    return float(np.clip(changed / max(2.0 * own, 1e-12), 0.0, 1.0))


def _diagonal_band(picture: Picture) -> Picture:
    """Second differences down of those across, ``h w c``; white noise of strength 1 has 1 there."""
    taps = _SECOND_DIFFERENCE / np.linalg.norm(_SECOND_DIFFERENCE)
    return np.asarray(cv2.sepFilter2D(picture, cv2.CV_32F, taps, taps), np.float32)


def _block_means(picture: Picture) -> Picture:
    """Means of whole blocks; what is left of the frame at its end is in none."""
    height, width = (length // _BLOCK_PX for length in picture.shape[:2])
    if min(height, width) == 0:
        return np.zeros((height, width, *picture.shape[2:]), np.float32)
    part = np.ascontiguousarray(picture[: height * _BLOCK_PX, : width * _BLOCK_PX])
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _quiet(power: Picture, whole: Boolean) -> Boolean:
    """The pixels of quiet whole blocks, whatever their level."""
    together = power.mean(-1)
    quiet = whole & (together <= np.quantile(together[whole], _QUIET))
    return np.kron(quiet, np.ones((_BLOCK_PX, _BLOCK_PX), bool))


def _beside(band: Picture, where: Boolean) -> float:
    """The correlation with the pixels beside, to the right and below."""
    band = band[: where.shape[0], : where.shape[1]]
    products = squares = 0.0
    for one, other, both in (
        (band[:, 1:], band[:, :-1], where[:, 1:] & where[:, :-1]),
        (band[1:], band[:-1], where[1:] & where[:-1]),
    ):
        products += float((one * other)[both].sum(dtype=np.float64))
        squares += 0.5 * float((np.square(one) + np.square(other))[both].sum(dtype=np.float64))
    return products / max(squares, 1e-12)


def _smooth_luma(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(luma(picture), (0, 0), _SMOOTH_SIGMA_PX), np.float32)


def _wider(hole: Boolean, by_px: int = 2) -> Boolean:
    return cv2.dilate(hole.astype(np.uint8), np.ones((2 * by_px + 1,) * 2, np.uint8)) > 0


def _local_power(picture: Picture, inside: Boolean, wanted: Picture) -> Picture:
    """The power of the band nearby for the fill's pixels ``m 3``; an edge counts for a few strengths of grain there."""
    inner, which = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, np.flatnonzero(inside)
    # At the edge the band has the plate's beside it, and counts where a fill is all edge.
    weight = np.where(inner.ravel()[which], np.float32(1.0), np.float32(_OF_EDGES))
    band = _diagonal_band(picture).reshape(-1, 3).take(which, 0)
    squares = np.minimum(np.square(band), np.square(_CUT * wanted)) * weight[:, None]
    planes = np.zeros((*inside.shape, 4), np.float32)
    planes.reshape(-1, 4)[which] = np.column_stack((squares, weight))
    small = [max(1, -(-length // _POOL_STEP_PX)) for length in inside.shape]
    pooled = cv2.resize(planes, small[::-1], interpolation=cv2.INTER_AREA)
    pooled = cv2.GaussianBlur(pooled, (0, 0), _POOL_SIGMA_PX / _POOL_STEP_PX)
    whole = np.asarray(cv2.resize(pooled, inside.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    found = whole.reshape(-1, 4).take(which, 0)
    # Where hardly anything is fill, what all of it has counts.
    everywhere = squares.sum(0) / weight.sum()
    return np.asarray((found[:, :3] + 0.02 * everywhere) / (found[:, 3:] + 0.02), np.float32)


def _noise_like(grain: Grain, seed: int, inside: Boolean, top: int, left: int) -> Picture:
    """Noise as fine as the grain and as alike in its channels, of strength 1 as grain is measured: ``m 3``.

    Of a hole ``h w`` whose corner lies at ``top`` and ``left`` of the plate.
    """
    noise = np.empty((*inside.shape, 3), np.float32)
    reach = math.ceil(4.0 * grain.blur_px)
    for row, column in itertools.product(*(range(0, length, _TILE_PX) for length in inside.shape)):
        tile = slice(row, row + _TILE_PX), slice(column, column + _TILE_PX)
        if not inside[tile].any():
            continue
        height, width = inside[tile].shape
        rows, columns = (
            range(start - reach, start + length + reach)
            for start, length in ((top + row, height), (left + column, width))
        )
        white = np.ascontiguousarray(plate_noise(seed, rows, columns).transpose(1, 2, 0))
        noise[tile] = _blurred(white, grain.blur_px)[reach : reach + height, reach : reach + width]
    values, vectors = np.linalg.eigh(grain.alike)
    mixing = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T / _measured_noise(grain.blur_px).strength
    return np.asarray(noise[inside] @ mixing.astype(np.float32).T, np.float32)


def _box_of(hole: Boolean) -> tuple[slice, slice]:
    """The part of the frame that a hole lies in, and a block around it."""
    box = []
    for length, places in zip(hole.shape, np.nonzero(hole), strict=True):
        box.append(slice(max(0, int(places.min()) - _BLOCK_PX), min(length, int(places.max()) + 1 + _BLOCK_PX)))
    return box[0], box[1]


def _blurred(noise: Picture, blur_px: float) -> Picture:
    return noise if blur_px == 0 else np.asarray(cv2.GaussianBlur(noise, (0, 0), blur_px), np.float32)


@dataclass(frozen=True)
class _MeasuredNoise:
    """White noise of strength 1 after a blur: what it has in the band, and what of that its quietest blocks have."""

    strength: float
    quietest: float
    beside: float


@lru_cache(maxsize=len(_BLURS_PX))
def _measured_noise(blur_px: float) -> _MeasuredNoise:
    band = _diagonal_band(
        _blurred(np.ascontiguousarray(plate_noise(1, range(384), range(384)).transpose(1, 2, 0)), blur_px)
    )
    power = _block_means(np.square(band))
    everywhere = float(np.square(band).mean())
    quietest = float(np.quantile(power, _QUIETEST, axis=(0, 1)).mean()) / everywhere
    return _MeasuredNoise(everywhere**0.5, quietest, _beside(band, _quiet(power, np.ones(power.shape[:2], bool))))
