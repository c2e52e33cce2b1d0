"""Temporal flickering as VBench scores it: how little neighbouring frames differ, pixel by pixel."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo


def eight_bit(frame: Tensor) -> NDArray[np.uint8]:
    """The frame's codes rounded to 8 bits, as the videos are that VBench reads."""
    codes: NDArray[np.uint8] = (frame.detach() * 255.0).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
    return codes


def steadiness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """``(255 - mean |first - second|) / 255`` of two frames of one shape: 1 if equal, 0 from black to white."""
    return (255.0 - cv2.norm(first.ravel(), second.ravel(), cv2.NORM_L1) / first.size) / 255.0


class VbenchFlicker(ShotMetric):
    """``vbench_temporal_flickering``, in [0, 1], mean over frame pairs; 1 is still.

    VBench (Huang et al., CVPR 2024) scores it on videos of static scenes alone:
    with no compensation of motion, a pan or an actor counts as flicker. Lamps
    that alternate by 10 codes of 255 still score 0.96: read differences, not the number.
    """

    group = STEADINESS
    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="vbench_temporal_flickering",
            unit="score 0-1",
            direction="higher",
            meaning="How little neighbouring frames differ, 1 is still; only for a static camera: "
            "on moving shots it measures motion, not flicker.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._pairs = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        codes = eight_bit(frame.result)
        value = math.nan if self._last is None else steadiness(self._last, codes)
        self._pairs.add(value)
        self.curves["vbench_temporal_flickering"].append(value)
        self._last = codes

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's pairs; NaN for one frame."""
        return {"vbench_temporal_flickering": self._pairs.mean}
