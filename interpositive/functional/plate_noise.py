"""Noise that belongs to places of a plate: whoever looks at a place, in whatever frame, finds the same number there.

A place's number is a hash of (seed, row, column, layer), so the field has no edge, needs no memory and no order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Noise = NDArray[np.float32]
Places = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def noise_at(seed: int, rows: Places, columns: Places, layer: Places | int = 0) -> Noise:
    """Standard normal numbers of places (arrays that broadcast); other layers of a place are independent."""
    key = np.asarray(seed, np.uint64)
    for part in (rows, columns, layer):
        key = _mixed(key ^ _mixed(np.asarray(part, np.int64).view(np.uint64) + _GOLDEN))
    # Box and Muller's transform of two uniform numbers.
    first, second = (_mixed(key ^ _mixed(np.asarray(turn, np.uint64))) >> np.uint64(11) for turn in (1, 2))
    radius = np.sqrt(-2.0 * np.log((first.astype(np.float64) + 1.0) * 2.0**-53))
    return np.asarray(radius * np.cos(2.0 * np.pi * second.astype(np.float64) * 2.0**-53), np.float32)


def plate_noise(seed: int, rows: range, columns: range, num_channels: int = 3) -> Noise:
    """The field over a part of the plate, ``c h w``."""
    channels = np.arange(num_channels)[:, None, None]
    return noise_at(seed, np.asarray(rows)[None, :, None], np.asarray(columns)[None, None, :], channels)


def noise_through(seed: int, to_plate: NDArray[np.float64], height: int, width: int, num_channels: int = 3) -> Noise:
    """The field as a frame sees it through the homography from its pixels ``(x, y)`` to the plate's, ``c h w``.

    Each pixel takes the nearest place. Where several share one (the frame sees the plate enlarged), the first takes
    the place's number and the others fresh ones of further layers, so that what a frame sees is always white.
    """
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y, w = (to_plate[i, 0] * xs + to_plate[i, 1] * ys + to_plate[i, 2] for i in range(3))
    w = np.where(np.abs(w) < 1e-9, 1e-9, w)
    rows, columns = (np.clip(np.rint(v / w), -(2**30), 2**30).astype(np.int64).ravel() for v in (y, x))
    order = np.lexsort((np.arange(rows.size), columns, rows))
    begins = np.ones(order.size, bool)
    begins[1:] = (np.diff(rows[order]) != 0) | (np.diff(columns[order]) != 0)
    starts = np.maximum.accumulate(np.where(begins, np.arange(order.size), 0))
    turn = np.empty(order.size, np.int64)
    turn[order] = np.arange(order.size) - starts
    layers = turn[None] * num_channels + np.arange(num_channels)[:, None]
    return noise_at(seed, rows[None], columns[None], layers).reshape(num_channels, height, width)


def _mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014); wraps around as it should."""
    with np.errstate(over="ignore"):
        key = (key ^ (key >> np.uint64(30))) * _MIX[0]
        key = (key ^ (key >> np.uint64(27))) * _MIX[1]
        return np.asarray(key ^ (key >> np.uint64(31)), np.uint64)
