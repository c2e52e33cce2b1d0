"""Flow inside a hole, carried in from around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.hole_regions import EACH_COSTS_PX, Region, hole_regions
from interpositive.motion.pooling import REACH_SIGMAS, pooled_by_gaussian

SIGMAS_PX = (2.0, 4.0, 8.0, 16.0, 32.0)
_LEAST_SUPPORT = 0.05


class FlowCompletion:
    """Replaces flow inside a hole ``h w`` by normalised convolution from outside (Knutsson and Westin, 1993).

    Scales grow until every hole pixel has support; what none reaches takes the mean of the known flow. Which scale
    serves which pixel is found once, and only what is near the hole is looked at. With ``pooled``, wide scales are
    taken on smaller rasters.
    """

    def __init__(self, hole: NDArray[np.bool_], *, pooled: bool = False) -> None:
        self._known = ~hole
        self._blur = pooled_by_gaussian if pooled else _blurred
        self._steps: list[tuple[float, Region, tuple[NDArray[np.int64], ...], NDArray[np.float32]]] = []
        missing = hole.copy()
        for sigma in SIGMAS_PX:
            for region in hole_regions(missing, round(REACH_SIGMAS * sigma) + 1, EACH_COSTS_PX):
                inner = region.within(region.core)
                support = self._blur(self._known[region.box].astype(np.float32), sigma)[inner]
                reached = missing[region.core] & (support > _LEAST_SUPPORT)
                if reached.any():
                    self._steps.append((sigma, region, np.nonzero(reached), support[reached][:, None]))
                    missing[region.core] &= ~reached
        self._missing = missing if missing.any() else None

    def __call__(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow ``h w 2`` completed; outside the hole it stays."""
        if not self._steps and self._missing is None:
            return flow
        completed, channels = flow.copy(), flow.shape[-1]
        shares = cv2.merge([self._known.astype(np.float32)] * channels)
        outside = np.asarray(cv2.multiply(flow, shares), np.float32)
        # A pixel as one thing, which numpy moves several times faster than an axis of two.
        pixel = np.dtype((np.void, channels * flow.itemsize))
        whole = completed.view(pixel)[..., 0]
        for sigma, region, reached, support in self._steps:
            smooth = np.ascontiguousarray(self._blur(outside[region.box], sigma)[region.within(region.core)])
            found = smooth.view(pixel)[..., 0][reached].view(np.float32).reshape(-1, channels)
            whole[region.core][reached] = (found / support).view(pixel)[:, 0]
        if self._missing is not None:
            # 0 where nothing is known; numpy takes longer to gather what is known than all else here.
            completed[self._missing] = cv2.mean(flow, self._known.view(np.uint8))[:channels]
        return completed


def complete_flow(flow: NDArray[np.float32], hole: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Flow ``h w 2`` with its hole completed once; see :class:`FlowCompletion`."""
    return FlowCompletion(hole)(flow)


def _blurred(plane: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)
