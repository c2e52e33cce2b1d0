"""Connectivity error of a matte: pieces that float free of the foreground, or that are cut off from it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.metrics.contract import MATTES, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.matte_error import mattes_of
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo

NUM_LEVELS = 10
TOLERATED = 0.15


def largest_piece(silhouette: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest set of True pixels (``h w``) that hang together by their sides; all False if there is none."""
    num, pieces, stats, _ = cv2.connectedComponentsWithStats(silhouette.astype(np.uint8), connectivity=4)
    if num < 2:
        return np.zeros_like(silhouette)
    largest: NDArray[np.bool_] = pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return largest


def connected_level(matte: NDArray[np.float32], true: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest of the levels 0, 0.1, … 1 up to which each pixel (``h w``) hangs on what is sure in both mattes.

    That is the largest piece of where both reach the level; a pixel that has dropped out once stays out.
    """
    reached = np.minimum(matte, true)
    level = np.zeros_like(reached)
    hangs = np.ones(reached.shape, dtype=np.bool_)
    for step in range(1, NUM_LEVELS + 1):
        threshold = np.float32(step / NUM_LEVELS)
        hangs &= largest_piece(reached >= threshold)
        if not hangs.any():
            break
        level[hangs] = threshold
    return level


def connectivity(matte: NDArray[np.float32], level: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where a matte hangs together up to its opacity, less by what stands above the level if that is 0.15 or more."""
    above = matte - level
    return 1.0 - above * (above >= TOLERATED)


def connectivity_error(matte: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Sum over pixels of the difference in connectivity of two mattes ``h w`` in [0, 1], in thousands."""
    level = connected_level(matte, true)
    gap = np.abs(connectivity(matte, level) - connectivity(true, level))
    return float(gap.sum(dtype=np.float64)) / 1e3


class MatteConnectivity(ShotMetric):
    """``matte_connectivity``: Conn of the matting tables, in thousands a frame; mean over frames, then over shots.

    Rhemann et al., CVPR 2009: levels in steps of 0.1, pixels joined by their
    sides, differences to the level under 0.15 forgiven. It sums over pixels: compare at one frame size only.
    """

    group = MATTES
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="matte_connectivity",
            unit="thousands",
            direction="lower",
            meaning="How much of the matte floats free of the figure, or is cut off from it, unlike the true one; "
            "compare at one frame size only.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._frames = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        matte, true = (matte.detach().float().cpu().numpy() for matte in mattes_of(frame))
        value = connectivity_error(matte, true)
        self._frames.add(value)
        self.curves["matte_connectivity"].append(value)

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's frames."""
        return {"matte_connectivity": self._frames.mean}
