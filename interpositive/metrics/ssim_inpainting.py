"""Structural similarity as the tables of the video-inpainting papers have it.

E2FGVI (Li et al., CVPR 2022) and ProPainter (Zhou et al., ICCV 2023) call
scikit-image's ``structural_similarity`` on 8-bit frames with a uniform window of
65x65, which is another number than the usual Gaussian 11x11
(:mod:`~interpositive.metrics.ssim`): it is higher for most repairs.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.metrics.checks import check_same_size
from interpositive.metrics.contract import FIDELITY, ShotMetric
from interpositive.metrics.differing import box_around, differing_pixels
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.records.measures import MetricInfo

WINDOW_PX = 65
_RADIUS_PX = WINDOW_PX // 2
_AREA = WINDOW_PX**2
_C1, _C2 = (0.01 * 255.0) ** 2, (0.03 * 255.0) ** 2
_STRIP_ROWS = 64
"""Rows taken at a time, so that what is between the sums and the map stays in the processor's cache."""


def _codes(frame: Tensor) -> Tensor:
    """8-bit codes, rounded."""
    return (frame.float().clamp(0.0, 1.0) * 255.0).round_().to(torch.uint8).cpu()


def _window_sums(plane: NDArray[Any]) -> NDArray[np.int32]:
    """Sum over each window that lies in the plane; exact, at most 65 * 65 * 2 * 255^2, which 32 bits hold."""
    summed = cv2.boxFilter(plane, cv2.CV_32S, (WINDOW_PX, WINDOW_PX), normalize=False)
    return np.asarray(summed[_RADIUS_PX:-_RADIUS_PX, _RADIUS_PX:-_RADIUS_PX], dtype=np.int32)


def _similarity_total(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Sum of the similarity over all windows in two planes of 8-bit codes ``h w``."""
    wide_1, wide_2 = first.astype(np.int32), second.astype(np.int32)
    sums = [_window_sums(plane) for plane in (first, second, wide_1 * wide_2, wide_1 * wide_1 + wide_2 * wide_2)]
    sample = _AREA * (_AREA - 1.0)
    total = 0.0
    for top in range(0, len(sums[0]), _STRIP_ROWS):
        sum_1, sum_2, product, squares = (part[top : top + _STRIP_ROWS].astype(np.float64) for part in sums)
        # Products of the sums stay below 2^53, so that these four are exact: nothing cancels.
        means = sum_1 * sum_2
        mean_squares = np.square(sum_1, out=sum_1)
        mean_squares += np.square(sum_2, out=sum_2)
        covariance, variances = product, squares
        covariance *= _AREA
        covariance -= means
        variances *= _AREA
        variances -= mean_squares
        for part, scale, floor in (
            (means, 2.0 / _AREA**2, _C1),
            (covariance, 2.0 / sample, _C2),
            (mean_squares, 1.0 / _AREA**2, _C1),
            (variances, 1.0 / sample, _C2),
        ):
            part *= scale
            part += floor
        means *= covariance
        mean_squares *= variances
        means /= mean_squares
        total += float(means.sum())
    return total


def ssim_inpainting(result: Tensor, reference: Tensor) -> float:
    """Mean similarity of two frames ``c h w`` in [0, 1]; 1 if their 8-bit codes are equal.

    Uniform window 65x65, sample covariance, windows that leave the frame are
    left out, mean over channels. NaN if a side is below 65 px: no window fits. ``MediaError`` for other sizes.
    """
    check_same_size(result, reference, "result", "reference")
    channels, height, width = (int(size) for size in result.shape)
    if min(height, width) < WINDOW_PX:
        return math.nan
    first, second = _codes(reference), _codes(result)
    # Windows that see no difference have a similarity of 1: a value reads one radius far, and so far it is felt.
    box = box_around(differing_pixels(first, second), 2 * _RADIUS_PX)
    if box is None:
        return 1.0
    total = 0.0
    for plane_1, plane_2 in zip(first[:, *box].numpy(), second[:, *box].numpy(), strict=True):
        total += _similarity_total(np.ascontiguousarray(plane_1), np.ascontiguousarray(plane_2))
    rows, columns = (int(part.stop) - int(part.start) - WINDOW_PX + 1 for part in box)
    num_windows = (height - WINDOW_PX + 1) * (width - WINDOW_PX + 1)
    return 1.0 - (rows * columns - total / channels) / num_windows


class SsimInpainting(ShotMetric):
    """``ssim_inpainting``: the mean over frames, as the video-inpainting tables report it.

    Those tables are made at 432x240; the same window covers less of a larger
    frame, so that values of other sizes are no match for them. Not defined for frames below 65 px.
    """

    group = FIDELITY
    higher_is_better = True
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="ssim_inpainting",
            unit="similarity",
            direction="higher",
            meaning="Similarity as the video-inpainting tables have it: window of 65 px, 8 bit, 1 is equal; "
            "never to be compared with ssim. Not defined if a side is below 65 px.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._frames = MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        assert frame.beside.reference is not None
        value = ssim_inpainting(frame.result, frame.beside.reference)
        self._frames.add(value)
        self.curves["ssim_inpainting"].append(value)

    def shot_values(self) -> dict[str, float]:
        """Mean over the open shot's frames."""
        return {"ssim_inpainting": self._frames.mean}
