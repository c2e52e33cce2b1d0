"""How much each pixel lies on a line: means along it against either of its sides, over many directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_FEWEST_DIRECTIONS = 16
_SHORT_PX = 5
_MOST = 0.04
_TRANSFORMED_PX = 11
"""Squares of fewer pixels across are summed faster as they are."""


def line_responses(plane: Plane, length_px: int, width_px: float) -> tuple[Plane, Plane]:
    """How much brighter, and how much darker, a piece of line is than both of its sides: ``h w`` each, 0 or more.

    A piece is straight, ``length_px`` long and ``width_px`` wide, and the best over all directions counts. Noise
    averages out along it, and the edge of something broad, being like one of its sides, gives nothing.
    """
    brighter, darker = np.zeros_like(plane), np.zeros_like(plane)
    num_directions = max(_FEWEST_DIRECTIONS, ceil(0.5 * np.pi * length_px / width_px))
    for over, under in _against_both_sides(plane, length_px, width_px, num_directions):
        np.maximum(brighter, over, out=brighter)
        np.maximum(darker, under, out=darker)
    return brighter, darker


def steady_line_responses(plane: Plane, length_px: int, width_px: float) -> tuple[Plane, Plane]:
    """How steadily a long line is brighter, or darker, than both of its sides: ``h w`` each, 0 to 0.04.

    Short pieces are measured as in :func:`line_responses` and count 0.04 at most, for or against, before they are
    averaged along the line, at half the raster: a wire is everywhere a little darker, texture is so here and there.
    """
    height, width = plane.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    highest = [np.zeros(half[::-1], np.float32) for _ in range(2)]
    num_directions = max(_FEWEST_DIRECTIONS, length_px // 2)
    for index, pieces in enumerate(_against_both_sides(plane, _SHORT_PX, width_px, num_directions)):
        angle = np.pi * index / num_directions
        for piece, best in zip(pieces, highest, strict=True):
            counted = cv2.resize(np.clip(piece, -_MOST, _MOST), half, interpolation=cv2.INTER_AREA)
            np.maximum(best, PieceMeans(np.asarray(counted, np.float32), length_px / 2, 1.0).along(angle), out=best)
    brighter, darker = (np.asarray(cv2.resize(best, (width, height)), np.float32) for best in highest)
    return brighter, darker


def _against_both_sides(
    plane: Plane, length_px: float, width_px: float, num_directions: int
) -> Iterator[tuple[Plane, Plane]]:
    """By how much pieces in each direction are above the brighter, and below the darker of their sides."""
    aside = width_px + 1.0
    margin = ceil(aside)
    padded = cv2.copyMakeBorder(plane, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    means = PieceMeans(np.asarray(padded, np.float32), length_px, width_px)
    further, over, under = (np.empty_like(plane) for _ in range(3))
    for index in range(num_directions):
        angle = np.pi * index / num_directions
        dx, dy = round(-aside * np.sin(angle)), round(aside * np.cos(angle))
        at = _shifted(means.along(angle), margin, plane.shape)
        middle, one, other = at(0, 0), at(dx, dy), at(-dx, -dy)
        # Written over, for new planes would take as long as what is done with them.
        np.subtract(middle, np.maximum(one, other, out=further), out=over)
        np.subtract(np.minimum(one, other, out=further), middle, out=under)
        yield over, under


class PieceMeans:
    """Means of a plane ``h w``, whose border goes on beyond it, over straight pieces about each of its pixels.

    Of large pieces one transform of the plane serves all directions, and as a piece looks the same from both of its
    ends, its own transform has no imaginary part and is kept.
    """

    def __init__(self, plane: Plane, length_px: float, width_px: float) -> None:
        self._plane, self._piece = plane, (length_px, width_px)
        self._reach = reach = _reach(length_px)
        self._is_small = 2 * reach + 1 < _TRANSFORMED_PX
        if self._is_small:
            return
        height, width = plane.shape
        self._size = cv2.getOptimalDFTSize(height + 2 * reach), 2 * cv2.getOptimalDFTSize((width + 1) // 2 + reach)
        after = self._size[0] - height - reach, self._size[1] - width - reach
        self._spectrum = cv2.dft(cv2.copyMakeBorder(plane, reach, after[0], reach, after[1], cv2.BORDER_REPLICATE))

    def along(self, angle: float) -> Plane:
        """The means over pieces in one direction."""
        if self._is_small:
            kernel = piece_kernel(*self._piece, angle)
            return np.asarray(
                cv2.filter2D(self._plane, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE), np.float32
            )
        product = cv2.multiply(self._spectrum, _packed_spectrum(*self._piece, angle, self._size))
        means = np.asarray(cv2.idft(product, flags=cv2.DFT_SCALE), np.float32)
        height, width = self._plane.shape
        return means[self._reach : self._reach + height, self._reach : self._reach + width]


def _shifted(mean: Plane, margin: int, shape: tuple[int, ...]) -> Callable[[int, int], Plane]:
    def at(dx: int, dy: int) -> Plane:
        return mean[margin + dy : margin + dy + shape[0], margin + dx : margin + dx + shape[1]]

    return at


@lru_cache(maxsize=128)
def _packed_spectrum(length_px: float, width_px: float, angle: float, size: tuple[int, int]) -> Plane:
    """A piece's transform, for each number of a plane's as OpenCV packs it (CCS; an even number of columns)."""
    reach = _reach(length_px)
    kernel = np.zeros(size, np.float32)
    kernel[: 2 * reach + 1, : 2 * reach + 1] = piece_kernel(length_px, width_px, angle)
    real = np.fft.fft2(np.roll(kernel, (-reach, -reach), (0, 1))).real.astype(np.float32)
    rows, columns = ((np.arange(side) + 1) // 2 for side in size)
    packed = real[:, columns]
    packed[:, 0], packed[:, -1] = real[rows, 0], real[rows, size[1] // 2]
    return packed


@lru_cache(maxsize=512)
def piece_kernel(length_px: float, width_px: float, angle: float) -> Plane:
    """The mean over a piece of line."""
    reach = _reach(length_px)
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    along = np.abs(xs * np.cos(angle) + ys * np.sin(angle))
    across = np.abs(ys * np.cos(angle) - xs * np.sin(angle))
    piece = np.clip(length_px / 2 + 0.5 - along, 0.0, 1.0) * np.clip(width_px / 2 + 0.5 - across, 0.0, 1.0)
    return np.asarray(piece / piece.sum(), np.float32)


def _reach(length_px: float) -> int:
    return int(length_px // 2) + 2
