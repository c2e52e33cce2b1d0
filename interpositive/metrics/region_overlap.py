"""Region similarity J: how much of two silhouettes is common to both."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from interpositive.metrics.checks import hole_of
from interpositive.metrics.contract import MATTES, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.matte_error import mattes_of
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo


def intersection_over_union(first: Tensor, second: Tensor) -> float:
    """Pixels in both over pixels in either, of two bool masks of one shape; 1 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


class RegionOverlap(ShotMetric):
    """``region_overlap``: J of DAVIS, 0 to 1, of mattes cut at one half; mean over frames, then over shots.

    Perazzi et al., A Benchmark Dataset and Evaluation Methodology for Video
    Object Segmentation, CVPR 2016. Two empty frames agree (1). Thin things lose
    much of it to an edge that is one pixel off: read the boundary accuracy beside it.
    """

    group = MATTES
    higher_is_better = True
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="region_overlap",
            unit="share 0-1",
            direction="higher",
            meaning="How much of the matte's silhouette and the true one is common to both; 1 is the same silhouette.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._frames = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        matte, true = mattes_of(frame)
        value = intersection_over_union(hole_of(matte), hole_of(true))
        self._frames.add(value)
        self.curves["region_overlap"].append(value)

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's frames."""
        return {"region_overlap": self._frames.mean}
