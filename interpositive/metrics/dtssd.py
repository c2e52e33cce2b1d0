"""dtSSD: whether a result changes from frame to frame by as much as the clean reference does."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo


def change_gap(first: Tensor, second: Tensor, reference_first: Tensor, reference_second: Tensor) -> float:
    """``100 sqrt(mean(((second - first) - (reference_second - reference_first))^2))`` of frames of one shape."""
    gap = (second - first).sub_(reference_second).add_(reference_first)
    return 100.0 * math.sqrt(float(gap.square_().mean(dtype=torch.float64)))


class Dtssd(ShotMetric):
    """``dtssd``: RMS difference of the frame-to-frame changes, in hundredths of the code range; mean over pairs.

    Erofeev, Gitman, Vatolin, Fedorov and Wang, BMVC 2015, as matting tables
    report it. For mattes, and for pictures too: an error that does not change
    costs nothing, one that flickers does. A matte that is off by +0.01 and
    -0.01 in turn has 2.0. The first frame has no pair and is left out of the
    mean; Robust Video Matting counts it as 0, so its values are ``(T - 1) / T`` of these.
    """

    group = STEADINESS
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="dtssd",
            unit="% of code range",
            direction="lower",
            meaning="How much the error against the clean reference jumps from frame to frame; a steady error is 0.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._pairs = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        value = math.nan
        if frame.last is not None:
            before, after = frame.last.beside.reference, frame.beside.reference
            assert before is not None and after is not None
            value = change_gap(frame.last.result, frame.result, before, after)
        self._pairs.add(value)
        self.curves["dtssd"].append(value)

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's pairs; NaN for one frame."""
        return {"dtssd": self._pairs.mean}
