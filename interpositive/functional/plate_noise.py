"""Noise that belongs to places of a plate: whoever looks at a place, in whatever frame, finds the same number there.

A place's number is a hash of (seed, row, column, channel), so the field has no edge, needs no memory and no order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Noise = NDArray[np.float32]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def plate_noise(seed: int, rows: range, columns: range, num_channels: int = 3) -> Noise:
    """Standard normal numbers of a part of the plate, ``c h w``."""
    places = (
        np.asarray(rows, np.int64)[None, :, None],
        np.asarray(columns, np.int64)[None, None, :],
        np.arange(num_channels, dtype=np.int64)[:, None, None],
    )
    key = np.asarray(seed, np.uint64)
    for part in places:
        key = _mixed(key ^ _mixed(part.view(np.uint64) + _GOLDEN))
    # Box and Muller's transform of two uniform numbers.
    first, second = (_mixed(key ^ _mixed(np.asarray(turn, np.uint64))) >> np.uint64(11) for turn in (1, 2))
    radius = np.sqrt(-2.0 * np.log((first.astype(np.float64) + 1.0) * 2.0**-53))
    return np.asarray(radius * np.cos(2.0 * np.pi * second.astype(np.float64) * 2.0**-53), np.float32)


def _mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014); wraps around as it should."""
    with np.errstate(over="ignore"):
        key = (key ^ (key >> np.uint64(30))) * _MIX[0]
        key = (key ^ (key >> np.uint64(27))) * _MIX[1]
        return np.asarray(key ^ (key >> np.uint64(31)), np.uint64)
