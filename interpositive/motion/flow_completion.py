"""Flow inside a hole, carried in from around it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def complete_flow(
    flow: NDArray[np.float32],
    hole: NDArray[np.bool_],
    sigmas_px: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 32.0),
) -> NDArray[np.float32]:
    """Replace ``h w 2`` flow inside the hole by normalised convolution from outside (Knutsson and Westin, 1993).

    Scales grow until every hole pixel has support; what none reaches takes the mean of the known flow.
    """
    if not hole.any():
        return flow
    known = (~hole).astype(np.float32)
    weighted = flow * known[..., None]
    completed = flow.copy()
    missing = hole.copy()
    for sigma in sigmas_px:
        support = cv2.GaussianBlur(known, (0, 0), sigma)
        reached = missing & (support > 0.05)
        if reached.any():
            smooth = cv2.GaussianBlur(weighted, (0, 0), sigma)
            completed[reached] = smooth[reached] / support[reached][:, None]
            missing &= ~reached
            if not missing.any():
                return completed
    if missing.any():
        total = known.sum()
        completed[missing] = weighted.sum((0, 1)) / total if total > 0 else 0.0
    return completed
