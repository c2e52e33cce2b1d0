"""Peak signal-to-noise ratio of a result against the clean reference, over the frame or the hole alone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interpositive.metrics.contract import FIDELITY, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues, PooledMean
from interpositive.records.measures import MetricInfo

CEILING_DB = 150.0
"""What equal pictures are given: PSNR has no finite value there, and JSON has no infinity.

One 8-bit code in one channel of one pixel of 100 frames of 4K is 142 dB, so no visible change hides above it.
"""


def squared_error_sums(gap: Tensor, hole: Tensor | None = None) -> tuple[float, int]:
    """Sum of squared differences ``c h w`` and their number, over the frame or its ``hole`` (``1 h w`` bool)."""
    if hole is None:
        return float(gap.sum(dtype=torch.float64)), gap.numel()
    return float(torch.where(hole, gap, 0.0).sum(dtype=torch.float64)), int(hole.sum()) * len(gap)


def psnr_db(squared_error: float, count: float, ceiling_db: float = CEILING_DB) -> float:
    """``10 log10(1 / MSE)`` in dB from pooled sums; ``ceiling_db`` at most, NaN if nothing was compared."""
    if not count > 0:
        return math.nan
    if squared_error <= 0:
        return ceiling_db
    return min(ceiling_db, -10.0 * math.log10(squared_error / count))


class Psnr(ShotMetric):
    """``psnr`` and ``psnr_hole`` pool the squared error over the shot; ``psnr_frames`` averages frames' decibels.

    Pooled, so that one frame that equals its reference does not lift the value;
    the inpainting tables average per-frame decibels instead, which is never
    lower (convexity). Equal pictures give ``ceiling_db``. An empty mask leaves the hole undefined.
    """

    group = FIDELITY
    higher_is_better = True
    needs = frozenset({"reference"})

    def __init__(self, ceiling_db: float = CEILING_DB, **kwargs: Any) -> None:
        self.ceiling_db = ceiling_db
        frame = "How close the whole frame is to the clean reference; every 6 dB halves the error, "
        infos = (
            MetricInfo(
                name="psnr",
                unit="dB",
                direction="higher",
                meaning=frame + f"equal pictures are given {ceiling_db:g}. Error pooled over the shot.",
                headline=True,
            ),
            MetricInfo(
                name="psnr_hole",
                unit="dB",
                direction="higher",
                meaning="How close the repaired pixels alone are to the clean reference, all frames taken together.",
                headline=True,
            ),
            MetricInfo(
                name="psnr_frames",
                unit="dB",
                direction="higher",
                meaning="The mean of each frame's decibels, as the video-inpainting tables report it.",
            ),
        )
        super().__init__(infos, infos[:2], **kwargs)

    def _begin_shot(self) -> None:
        self._frame, self._hole, self._frames = PooledMean(), PooledMean(), MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        reference, hole = frame.beside.reference, frame.beside.hole
        assert reference is not None
        gap = (frame.result - reference).square_()
        total, count = squared_error_sums(gap)
        self._frame.add(total, count)
        decibels = psnr_db(total, count, self.ceiling_db)
        self._frames.add(decibels)
        self.curves["psnr"].append(decibels)
        total, count = (0.0, 0) if hole is None else squared_error_sums(gap, hole)
        self._hole.add(total, count)
        self.curves["psnr_hole"].append(psnr_db(total, count, self.ceiling_db))

    def shot_values(self) -> dict[str, float]:
        """Decibels over the open shot."""
        return {
            "psnr": psnr_db(self._frame.total, self._frame.count, self.ceiling_db),
            "psnr_hole": psnr_db(self._hole.total, self._hole.count, self.ceiling_db),
            "psnr_frames": self._frames.mean,
        }
