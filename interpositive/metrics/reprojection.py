"""Reprojection error: how many pixels a camera solve misses the points by that were tracked in the plate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interpositive.errors import MediaError
from interpositive.metrics.contract import CAMERA, Measured
from interpositive.metrics.means import PooledMean
from interpositive.records.measures import MetricInfo


def squared_distances(projected: Tensor, observed: Tensor) -> Tensor:
    """Squared distance in px of each point of two sets ``n 2``, in float64; ``MediaError`` for other shapes."""
    if projected.ndim != 2 or projected.shape[-1] != 2 or projected.shape != observed.shape:
        raise MediaError(
            "the projected and the observed points cannot be compared",
            found=f"projected {tuple(projected.shape)}, observed {tuple(observed.shape)}",
            expected="n 2 each, x and y in pixels",
        )
    return (projected.detach().double() - observed.detach().double()).square().sum(-1)


class Reprojection(Measured):
    """``reprojection_error``: RMS distance in px over the inliers of a shot; ``reprojection_inliers``: their share.

    Mean over shots. A solve is workable at half a pixel and shippable up to
    one. An error is worth little if few points are inliers, so read both. No
    inlier leaves the error undefined, no point both.
    """

    group = CAMERA
    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        infos = (
            MetricInfo(
                name="reprojection_error",
                unit="px",
                direction="lower",
                meaning="How far from their tracked places the solved points fall, outliers left out; "
                "up to half a pixel a solve holds, above one it slips.",
            ),
            MetricInfo(
                name="reprojection_inliers",
                unit="share 0-1",
                direction="higher",
                meaning="The share of tracked points that the solve explains; the rest are left out of its error.",
            ),
        )
        super().__init__(infos, **kwargs)

    def _begin(self) -> None:
        self._error, self._share = PooledMean(), PooledMean()

    def update(self, projected: Tensor, observed: Tensor, inliers: Tensor | None = None) -> None:
        """Add points of the open shot, ``n 2`` in px, n of 0 too; ``inliers`` is ``n`` bool, all if not given.

        ``MediaError`` for shapes that do not fit, or an inlier that is not a number.
        """
        squared = squared_distances(projected, observed)
        if inliers is None:
            inliers = torch.ones_like(squared, dtype=torch.bool)
        if inliers.shape != squared.shape or inliers.dtype != torch.bool:
            raise MediaError(
                "the inliers do not fit the points",
                found=f"{tuple(inliers.shape)} of {inliers.dtype}",
                expected=f"{tuple(squared.shape)} of bool",
            )
        chosen = squared[inliers]
        if not bool(chosen.isfinite().all()):
            raise MediaError(
                "inliers have places that are not numbers",
                found=f"{int((~chosen.isfinite()).sum())} of {len(chosen)}",
                expected="finite pixels",
                remedy="call points behind the camera outliers",
            )
        self._error.add(float(chosen.sum()), len(chosen))
        self._share.add(len(chosen), len(squared))

    def shot_values(self) -> dict[str, float]:
        """Error and share over the open shot's points."""
        return {"reprojection_error": math.sqrt(self._error.mean), "reprojection_inliers": self._share.mean}
