"""Luma of pictures as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luma(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """BT.709 luma of codes ``... 3``, as they are: ``...`` (Rec. ITU-R BT.709-6, item 3.2)."""
    found: NDArray[np.float32] = picture @ _WEIGHTS
    return found
