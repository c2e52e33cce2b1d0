"""Global luma flicker: how much the brightness of a shot jumps about its own slow course."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError, TimecodeError
from interpositive.metrics.checks import check_frames, check_mask, check_region, hole_of, needed_mask
from interpositive.metrics.shot_states import ShotMetric

SMOOTHING_SECONDS = 0.25
_LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)


def decode_bt709(codes: Tensor) -> Tensor:
    """Scene-linear light of BT.709 codes, clamped to [0, 1] (inverse of Rec. ITU-R BT.709-6, item 1.2)."""
    codes = codes.clamp(0.0, 1.0)
    return torch.where(codes < 0.081, codes / 4.5, ((codes + 0.099) / 1.099) ** (1.0 / 0.45))


def luma_of(frames: Tensor, *, linear: bool = False) -> Tensor:
    """BT.709 luma, ``... h w``, of ``... c h w`` frames in [0, 1] with 3 channels; a single one as it is.

    From the codes as they are, or (``linear``) from light: luminance, if the codes are BT.709.
    """
    num_channels = frames.shape[-3]
    if num_channels not in (1, 3):
        raise ConfigError("luma needs 1 or 3 channels", found=num_channels, expected="1 or 3")
    light = decode_bt709(frames) if linear else frames
    if num_channels == 1:
        return light.squeeze(-3)
    red, green, blue = light.unbind(-3)
    return _LUMA_WEIGHTS[0] * red + _LUMA_WEIGHTS[1] * green + _LUMA_WEIGHTS[2] * blue


def mean_luma(frames: Tensor, mask: Tensor | None = None, *, linear: bool = False) -> list[float]:
    """Mean luma of each frame of ``t c h w``, or of its hole (``t 1 h w`` > 0.5); NaN if it is empty."""
    luma = luma_of(frames, linear=linear)
    if mask is None:
        means = luma.mean((-2, -1), dtype=torch.float64)
    else:
        hole = hole_of(mask)[:, 0]
        total = torch.where(hole, luma, 0.0).sum((-2, -1), dtype=torch.float64)
        means = total / hole.sum((-2, -1))  # 0 / 0 is NaN: no pixel, no luma
    values: list[float] = means.tolist()
    return values


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
    """Global luma flicker in percent, mean over shots; of the whole frame or of the hole.

    A still shot gives 0, one that alternates by a fraction a about its mean gives close to 100 a.
    Pans, moving people and a moving hole change the mean luma too: read the
    value beside that of the plate or reference. Kept between windows: one number a frame.
    """

    higher_is_better = False
    unit: ClassVar[str] = "%"

    def __init__(self, rate: Fraction, region: str = "frame", *, linear: bool = False, **kwargs: Any) -> None:
        if rate <= 0:
            raise TimecodeError("no such frame rate", found=rate, expected="frames per second above 0")
        super().__init__(**kwargs)
        self.rate, self.region, self.linear = rate, check_region(region), linear

    def _begin_shot(self) -> None:
        self._course: list[float] = []

    def update(self, result: Tensor, mask: Tensor | None = None) -> None:
        """Add the next window ``t c h w`` of the open shot (mask ``t 1 h w`` for the hole)."""
        check_frames(result, "result", batched=False)
        mask = needed_mask(mask, self.region)
        if mask is not None:
            check_mask(mask, result)
        self._course += mean_luma(result, mask, linear=self.linear)
        self._note_value(luma_flicker_percent(self._course, self.rate))
