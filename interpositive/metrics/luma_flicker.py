"""Global luma flicker: how much the brightness of a shot jumps about its own slow course."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.luma import luma_of
from interpositive.records.measures import MetricInfo

SMOOTHING_SECONDS = 0.25


def smoothed(course: NDArray[np.float64], sigma_frames: float) -> NDArray[np.float64]:
    """Gaussian average of a course over time; NaN frames and those beyond the ends have no weight."""
    radius = max(1, int(np.ceil(4.0 * sigma_frames)))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_frames) ** 2)
    known = np.isfinite(course)
    total = np.convolve(np.where(known, course, 0.0), weights)[radius : radius + len(course)]
    weight = np.convolve(known.astype(np.float64), weights)[radius : radius + len(course)]
    average: NDArray[np.float64] = np.divide(total, weight, out=np.full(len(course), np.nan), where=weight > 0)
    return average


def luma_flicker_percent(course: Sequence[float], rate: Fraction) -> float:
    """``100 RMS_t(y_t - smooth(y_t)) / mean(y)`` in percent, smooth being a Gaussian of 0.25 s.

    ``course`` is the mean luma of each frame, NaN where undefined (left out).
    NaN if fewer than two frames are defined or all are black.
    """
    luma = np.asarray(course, dtype=np.float64)
    known = np.isfinite(luma)
    if known.sum() < 2 or not luma[known].mean() > 0.0:
        return float("nan")
    residual = (luma - smoothed(luma, SMOOTHING_SECONDS * float(rate)))[known]
    return float(100.0 * np.sqrt(np.mean(residual**2)) / luma[known].mean())


class LumaFlicker(ShotMetric):
    """Global luma flicker in percent: ``luma_flicker`` of the frame, ``…_linear`` in light, ``…_hole`` of the repair.

    A still shot gives 0, one that alternates by a fraction a about its mean gives close to 100 a.
    Linear is luminance if the codes are BT.709: a change of exposure weighs alike in it at all levels.
    Pans, moving people and a moving hole change the mean luma too: read the
    value beside that of the plate or reference. Kept between windows: three numbers a frame.
    """

    group = STEADINESS
    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        jumps = "How much the brightness of the {} jumps about its own slow course; read it beside the plate's."
        infos = [
            MetricInfo(name=name, unit="%", direction="lower", meaning=meaning)
            for name, meaning in (
                ("luma_flicker", jumps.format("frame")),
                ("luma_flicker_linear", jumps.format("frame, in light rather than in code values,")),
                ("luma_flicker_hole", jumps.format("repair") + " A moving hole changes it too."),
            )
        ]
        curves = [
            MetricInfo(name=name, unit="code value 0-1", direction="neither", meaning=f"Mean brightness of {what}.")
            for name, what in (
                ("luma", "this frame"),
                ("luma_hole", "the repaired pixels of this frame"),
            )
        ]
        super().__init__(infos, curves, **kwargs)

    def _begin_shot(self) -> None:
        self._light: list[float] = []

    def _add(self, frame: JudgedFrame) -> None:
        luma, hole = luma_of(frame.result), frame.beside.hole
        self.curves["luma"].append(float(luma.mean(dtype=torch.float64)))
        self._light.append(float(luma_of(frame.result, linear=True).mean(dtype=torch.float64)))
        mean = math.nan
        if hole is not None and bool(hole.any()):
            mean = float(luma[hole[0]].mean(dtype=torch.float64))
        self.curves["luma_hole"].append(mean)

    def shot_values(self) -> dict[str, float]:
        """Percent over the open shot; NaN for the hole without a mask."""
        if not self._light:
            return {info.name: math.nan for info in self.infos}
        return {
            "luma_flicker": luma_flicker_percent(self.curves["luma"], self.rate),
            "luma_flicker_linear": luma_flicker_percent(self._light, self.rate),
            "luma_flicker_hole": luma_flicker_percent(self.curves["luma_hole"], self.rate),
        }
