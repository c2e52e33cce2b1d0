"""How visible the difference to the clean reference is to someone who flips between the two pictures: LDR-FLIP.

Andersson, Nilsson, Akenine-Möller, Oskarsson, Åström and Fairchild, FLIP: A
Difference Evaluator for Alternating Images, HPG 2020; computed by NVIDIA's
``flip_evaluator``. Codes are read as sRGB display codes.
"""

from __future__ import annotations

import math
from typing import Any

import flip_evaluator
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.metrics.checks import check_same_size
from interpositive.metrics.contract import PERCEPTION, ShotMetric
from interpositive.metrics.differing import box_around, check_colour, differing_pixels
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import PooledMean
from interpositive.records.measures import MetricInfo

PIXELS_PER_DEGREE = 67.0206
"""A display 0.7 m and 3840 px wide seen from 0.7 m: the paper's viewing condition and the package's own default."""

_WIDEST_CONTRAST = 0.04
"""Largest scale ``b`` of the paper's contrast sensitivity filters (blue-yellow), in square degrees."""
_EDGE_DEGREES = 0.082
"""Width of the paper's edge and point detectors."""


def reach_px(pixels_per_degree: float) -> int:
    """How far from a pixel FLIP's filters read: three deviations of the widest one."""
    contrast = 3.0 * math.sqrt(_WIDEST_CONTRAST / (2.0 * math.pi**2)) * pixels_per_degree
    edges = 3.0 * 0.5 * _EDGE_DEGREES * pixels_per_degree
    return math.ceil(max(contrast, edges))


def _codes(frame: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(frame.permute(1, 2, 0).float().cpu().numpy())


def flip_map(result: Tensor, reference: Tensor, pixels_per_degree: float = PIXELS_PER_DEGREE) -> Tensor:
    """LDR-FLIP of each pixel, ``h w`` in [0, 1] (0: not seen), of two ``3 h w`` frames of display codes.

    Codes are clipped to [0, 1]. Only the box around pixels that differ is
    evaluated; beyond the filters' reach the value is exactly 0.
    ``MediaError`` for other sizes or without colour.
    """
    check_same_size(result, reference, "result", "reference")
    check_colour(result, "FLIP")
    first, second = reference.clamp(0.0, 1.0), result.clamp(0.0, 1.0)
    found = torch.zeros(first.shape[1:], dtype=torch.float32, device=first.device)
    # Twice the reach: a value reads that far, and is not 0 that far from a difference.
    box = box_around(differing_pixels(first, second), 2 * reach_px(pixels_per_degree))
    if box is None:
        return found
    evaluated, _, _ = flip_evaluator.evaluate(
        _codes(first[:, *box]),
        _codes(second[:, *box]),
        "LDR",
        applyMagma=False,
        computeMeanError=False,
        parameters={"ppd": pixels_per_degree},
    )
    found[box] = torch.from_numpy(np.asarray(evaluated)[..., 0]).to(found.device)
    return found


class Flip(ShotMetric):
    """``flip`` over all pixels of the measured frames, ``flip_hole`` over the hole's.

    Every ``every``-th frame is measured, from the first on; the curves are
    undefined between. The stride is odd, so that a fault in every other frame is
    met as often as it occurs. A shot of ``every`` frames or less is judged by its
    first frame: its length is not known while it comes in. An empty mask leaves the hole undefined.
    """

    group = PERCEPTION
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, pixels_per_degree: float = PIXELS_PER_DEGREE, every: int = 3, **kwargs: Any) -> None:
        """``pixels_per_degree`` of the viewer's field; ``every`` is odd. ``ConfigError`` for others."""
        if not (math.isfinite(pixels_per_degree) and pixels_per_degree > 0):
            raise ConfigError("no such viewing condition for FLIP", found=pixels_per_degree, expected="above 0")
        if every < 1 or every % 2 == 0:
            raise ConfigError("FLIP cannot measure every so many frames", found=every, expected="1, 3, 5, …: odd")
        self.pixels_per_degree, self.every = pixels_per_degree, every
        how = f"{pixels_per_degree:g} pixels per degree" + (f", every {every} frames." if every > 1 else ".")
        infos = [
            MetricInfo(
                name=name,
                unit="0-1",
                direction="lower",
                meaning=f"How visible the {what} is to someone who flips between it and the clean reference; {how}",
            )
            for name, what in (("flip", "difference of the frame"), ("flip_hole", "difference of the repair"))
        ]
        super().__init__(infos, infos, **kwargs)

    def _begin_shot(self) -> None:
        self._frame, self._hole = PooledMean(), PooledMean()

    def _add(self, frame: JudgedFrame) -> None:
        whole = hole = math.nan
        if len(self.curves["flip"]) % self.every == 0:
            assert frame.beside.reference is not None
            found = flip_map(frame.result, frame.beside.reference, self.pixels_per_degree)
            whole = self._taken(self._frame, found)
            if frame.beside.hole is not None and bool(frame.beside.hole.any()):
                hole = self._taken(self._hole, found[frame.beside.hole[0]])
        self.curves["flip"].append(whole)
        self.curves["flip_hole"].append(hole)

    @staticmethod
    def _taken(into: PooledMean, values: Tensor) -> float:
        total = float(values.sum(dtype=torch.float64))
        into.add(total, values.numel())
        return total / values.numel()

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's measured frames."""
        return {"flip": self._frame.mean, "flip_hole": self._hole.mean}
