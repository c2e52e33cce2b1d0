"""Boundary accuracy F: how much of a silhouette's edge lies where the true edge does."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.errors import ConfigError
from interpositive.metrics.checks import hole_of
from interpositive.metrics.contract import MATTES, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.matte_error import mattes_of
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo

Silhouette = NDArray[np.bool_]

TOLERANCE = 0.008
"""How far apart two edges may lie and still agree, as a share of the frame's diagonal (DAVIS)."""


def boundary(silhouette: Silhouette) -> Silhouette:
    """Pixels (``h w``) that differ from the one to the right, the one below or the one right below.

    In the last row only the right one is asked, in the last column only the one
    below; the frame's own border is no edge. Lines are one pixel wide and lie half a pixel up and left of the edge.
    """
    edge = np.zeros_like(silhouette)
    edge[:, :-1] |= silhouette[:, :-1] ^ silhouette[:, 1:]
    edge[:-1] |= silhouette[:-1] ^ silhouette[1:]
    edge[:-1, :-1] |= silhouette[:-1, :-1] ^ silhouette[1:, 1:]
    return edge


def share_near(edge: Silhouette, other: Silhouette, tolerance_px: float) -> float:
    """The share of one edge's pixels that have a pixel of the other within ``tolerance_px``; neither is empty."""
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Distances between pixels are roots of whole numbers; the small excess is for their rounding.
    return float((distance[edge] <= tolerance_px + 1e-3).mean())


def boundary_f(result: Silhouette, true: Silhouette, tolerance: float = TOLERANCE) -> float:
    """F = 2 P R / (P + R) of the two edges, 0 to 1; silhouettes are ``h w`` bool.

    P is the share of the result's edge within ``ceil(tolerance * diagonal)`` px of
    the true one, R the share of the true edge near the result's. If neither has an
    edge they agree (1); if only one has, 0.
    """
    edge, true_edge = boundary(result), boundary(true)
    if not (edge.any() and true_edge.any()):
        return float(edge.any() == true_edge.any())
    tolerance_px = math.ceil(tolerance * math.hypot(*result.shape))
    precision = share_near(edge, true_edge, tolerance_px)
    recall = share_near(true_edge, edge, tolerance_px)
    return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0


class BoundaryAccuracy(ShotMetric):
    """``boundary_accuracy``: F of DAVIS, 0 to 1, of mattes cut at one half; mean over frames, then over shots.

    Perazzi et al., CVPR 2016, with the quick matching of their published code: any pixel of
    the other edge within the tolerance will do (18 px at 1920x1080).
    """

    group = MATTES
    higher_is_better = True
    needs = frozenset({"reference"})

    def __init__(self, tolerance: float = TOLERANCE, **kwargs: Any) -> None:
        """``tolerance`` is a share of the frame's diagonal; 0.008 is that of the tables."""
        if not 0.0 <= tolerance < 1.0:
            raise ConfigError("no such boundary tolerance", found=tolerance, expected="a share of the diagonal, 0 to 1")
        self.tolerance = tolerance
        info = MetricInfo(
            name="boundary_accuracy",
            unit="share 0-1",
            direction="higher",
            meaning="How much of the matte's edge lies on the true edge, and the other way round; 1 is everywhere.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._frames = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        matte, true = (hole_of(matte).cpu().numpy() for matte in mattes_of(frame))
        value = boundary_f(matte, true, self.tolerance)
        self._frames.add(value)
        self.curves["boundary_accuracy"].append(value)

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's frames."""
        return {"boundary_accuracy": self._frames.mean}
