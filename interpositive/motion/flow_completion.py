"""Flow inside a hole, carried in from around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.hole_regions import Region, hole_regions

SIGMAS_PX = (2.0, 4.0, 8.0, 16.0, 32.0)
_LEAST_SUPPORT = 0.05
_REACH_SIGMAS = 4.0
"""OpenCV's Gaussian of floats ends there."""


class FlowCompletion:
    """Replaces flow inside a hole ``h w`` by normalised convolution from outside (Knutsson and Westin, 1993).

    Scales grow until every hole pixel has support; what none reaches takes the mean of the known flow. Which scale
    serves which pixel is found once, and only what is near the hole is looked at.
    """

    def __init__(self, hole: NDArray[np.bool_], sigmas_px: tuple[float, ...] = SIGMAS_PX) -> None:
        self._known = ~hole
        self._steps: list[tuple[float, Region, tuple[NDArray[np.int64], ...], NDArray[np.float32]]] = []
        missing = hole.copy()
        for sigma in sigmas_px:
            for region in hole_regions(missing, round(_REACH_SIGMAS * sigma) + 1):
                inner = region.within(region.core)
                around = cv2.GaussianBlur(self._known[region.box].astype(np.float32), (0, 0), sigma)
                support = np.asarray(around, np.float32)[inner]
                reached = missing[region.core] & (support > _LEAST_SUPPORT)
                if reached.any():
                    self._steps.append((sigma, region, np.nonzero(reached), support[reached][:, None]))
                    missing[region.core] &= ~reached
        self._missing = missing if missing.any() else None

    def __call__(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow ``h w 2`` completed; outside the hole it stays."""
        if not self._steps and self._missing is None:
            return flow
        completed, outside = flow.copy(), flow.copy()
        outside[~self._known] = 0.0
        for sigma, region, reached, support in self._steps:
            smooth = cv2.GaussianBlur(outside[region.box], (0, 0), sigma)[region.within(region.core)]
            completed[region.core][reached] = smooth[reached] / support
        if self._missing is not None:
            known = flow[self._known]
            completed[self._missing] = known.mean(0) if len(known) else 0.0
        return completed


def complete_flow(flow: NDArray[np.float32], hole: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Flow ``h w 2`` with its hole completed once; see :class:`FlowCompletion`."""
    return FlowCompletion(hole)(flow)
