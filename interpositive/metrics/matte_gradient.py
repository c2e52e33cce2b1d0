"""Gradient error of a matte: edges that are sharper, softer or elsewhere than the true ones."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.metrics.contract import MATTES, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.matte_error import mattes_of
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo

SIGMA_PX = 1.4
_LEAST_WEIGHT = 1e-2


def gaussian_taps(sigma: float = SIGMA_PX) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A Gaussian and its derivative, each of length 1 as a vector, cut where the Gaussian falls below 0.01."""
    radius = math.ceil(sigma * math.sqrt(-2.0 * math.log(math.sqrt(2.0 * math.pi) * sigma * _LEAST_WEIGHT)))
    offsets = np.arange(-radius, radius + 1, dtype=np.float64)
    smooth = np.exp(-0.5 * (offsets / sigma) ** 2)
    slope = offsets * smooth
    return smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)


def stretched(matte: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matte scaled and shifted so that its least value is 0 and its greatest 1; a constant one becomes 0."""
    least, greatest = matte.min(), matte.max()
    return (matte - least) / (greatest - least) if greatest > least else np.zeros_like(matte)


def gradient_length(matte: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of the gradient at each pixel, ``h w``, by Gaussian derivatives; edge pixels repeated."""
    smooth, slope = gaussian_taps()
    across = cv2.sepFilter2D(matte, cv2.CV_64F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(matte, cv2.CV_64F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.magnitude(across, down), dtype=np.float64)


def gradient_error(matte: NDArray[np.float64], true: NDArray[np.float64]) -> float:
    """Sum over pixels of the squared difference of gradient lengths, in thousands; mattes are ``h w``."""
    gap = gradient_length(stretched(matte)) - gradient_length(stretched(true))
    return float(np.square(gap).sum(dtype=np.float64)) / 1e3


class MatteGradient(ShotMetric):
    """``matte_gradient``: Grad of the matting tables, in thousands a frame; mean over frames, then over shots.

    Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting,
    CVPR 2009: Gaussian derivatives with sigma 1.4 px whose taps have length 1.
    As in the video tables each matte is first stretched to [0, 1], so one that is
    too thin all over costs nothing here. It sums over pixels: compare at one frame size only.
    """

    group = MATTES
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="matte_gradient",
            unit="thousands",
            direction="lower",
            meaning="How much the matte's edges are sharper, softer or elsewhere than the true ones; "
            "compare at one frame size only.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._frames = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        # In float64: OpenCV's filters round differently with where a frame lies in memory.
        matte, true = (np.ascontiguousarray(matte.detach().double().cpu().numpy()) for matte in mattes_of(frame))
        value = gradient_error(matte, true)
        self._frames.add(value)
        self.curves["matte_gradient"].append(value)

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's frames."""
        return {"matte_gradient": self._frames.mean}
