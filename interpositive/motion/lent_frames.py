"""Frames of other takes that show what a window shows: levelled to it, and lined up with its frames when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import Homography

Plane = NDArray[np.float32]

_NUM_ROUNDS = 12
_TOLERANCE = 0.01
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Level:
    """What brings one take's exposure and colour to another's: a gain and an offset a channel."""

    gain: Plane = field(default_factory=lambda: np.ones(3, np.float32))
    offset: Plane = field(default_factory=lambda: np.zeros(3, np.float32))

    def apply(self, picture: Plane) -> Plane:
        """A picture ``... 3`` at the other's level."""
        return picture * self.gain + self.offset


def fit_level(theirs: Plane, mine: Plane) -> Level:
    """The level that brings colours ``p 3`` to those they are paired with, whatever some pairs of them say.

    Least squares whose weights fall with the miss (Cauchy's, of a hundredth of the range), so that what was moved or
    lit anew between two takes has no say.
    """
    gain, offset = np.ones(3, np.float32), np.zeros(3, np.float32)
    for channel in range(3):
        x, y = theirs[:, channel].astype(np.float64), mine[:, channel].astype(np.float64)
        a, b = 1.0, float(np.median(y - x))
        for _ in range(_NUM_ROUNDS):
            weight = 1.0 / (1.0 + np.square((a * x + b - y) / _TOLERANCE))
            total = weight.sum()
            middle_x, middle_y = (weight * x).sum() / total, (weight * y).sum() / total
            spread = (weight * np.square(x - middle_x)).sum() / total
            # On one flat colour a gain cannot be told from an offset.
            a = ((weight * (x - middle_x) * (y - middle_y)).sum() / total + _LEAST_SPREAD) / (spread + _LEAST_SPREAD)
            b = middle_y - a * middle_x
        gain[channel], offset[channel] = a, b
    return Level(gain, offset)


@dataclass(frozen=True)
class LentFrames:
    """Frames ``m h w 3`` of other takes, at the raster and level of a window of ``t`` frames.

    ``homographies`` (``t m 3 3``) carry pixels of a frame of the window to those of a lent one; NaN where the two do
    not show the same. ``are_known`` says that it is known of frames so lined up that they may lend.
    """

    frames: Plane
    homographies: NDArray[np.float64]
    are_known: bool = False

    def lent_to(self, frame: int) -> list[int]:
        """Which of them show what a frame of the window shows."""
        return [int(number) for number in np.flatnonzero(np.isfinite(self.homographies[frame]).all((1, 2)))]

    def homography(self, frame: int, number: int) -> Homography:
        """How pixels of a frame of the window go to those of a lent one."""
        return np.asarray(self.homographies[frame, number], np.float64)
