"""How strong noise must be for a picture of another size to be as uncertain."""

from __future__ import annotations

import math

from torch import Tensor


def shifted(levels: Tensor, shift: float) -> Tensor:
    """Levels of the straight path as they are when noise is ``shift`` times as strong (Esser et al., 2024, eq. 23).

    0 and 1 stay; above 1 more noise, for a larger picture shows through more of it.
    """
    return shift * levels / (1.0 + (shift - 1.0) * levels)


def resolution_shift(num_pixels: int, num_pixels_before: int) -> float:
    """The shift that leaves a picture of so many pixels as uncertain as one of so many before (Esser et al., 2024)."""
    return math.sqrt(num_pixels / num_pixels_before)
