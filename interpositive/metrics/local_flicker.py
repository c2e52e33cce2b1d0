"""Local luma flicker: brightness that jumps in parts of the picture, with the motion taken out.

Mean luma of small regions is what van Roosmalen corrects flicker by (Restoration
of Archived Film and Video, Delft 1999). Motion is that of
:mod:`~interpositive.metrics.pair_motion`, whose engine is part of each name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import Beside, JudgedFrame
from interpositive.metrics.luma import luma_of
from interpositive.metrics.luma_flicker import SMOOTHING_SECONDS, smoothed
from interpositive.metrics.pair_motion import flow_engine
from interpositive.records.measures import MetricInfo

NUM_COLUMNS, NUM_ROWS = 16, 9
LEAST_VISIBLE = 0.25

Cells = NDArray[np.float64]


def cell_sums(planes: Tensor) -> Cells:
    """Sums over 16x9 cells, ``... h w`` to ``... 144``; a frame smaller than that has empty cells."""

    def stripes(size: int, num: int) -> Tensor:
        places = torch.arange(size, device=planes.device) * num // size
        return (places == torch.arange(num, device=planes.device)[:, None]).to(planes.dtype)

    height, width = planes.shape[-2:]
    sums = stripes(height, NUM_ROWS) @ planes @ stripes(width, NUM_COLUMNS).T
    return np.asarray(sums.flatten(-2).double().cpu().numpy())


def cell_steps(first: Tensor, brought: Tensor, counted: Tensor, wanted: Tensor) -> Cells:
    """What one pair says of each cell, ``3 c 144``: change of its mean, its mean afterwards, and pixels counted.

    ``first`` and ``brought`` are ``c h w``: a frame, and the next one brought onto
    it; ``counted`` are the pixels (``h w`` bool) visible in both, ``wanted`` all that the cell is made
    of. NaN where less than a quarter of them is counted.
    """
    count, whole = (cell_sums(pixels.to(first.dtype)) for pixels in (counted, wanted))
    known = (count > 0) & (count >= LEAST_VISIBLE * whole)
    divisor = np.where(known, count, np.nan)
    change, mean = (cell_sums(plane * counted) / divisor for plane in (brought - first, brought))
    return np.stack((change, mean, np.broadcast_to(divisor, change.shape)))


def course_flicker(change: Cells, mean: Cells, weight: Cells, rate: Fraction) -> tuple[float, NDArray[np.float64]]:
    """Flicker in percent over all frames, and frame by frame, of the steps of some cells (``t - 1, cells`` each).

    The steps add up to a course for each cell; what leaves its average over 0.25 s is
    flicker: ``100 RMS(course - smooth) / mean luma``, RMS and mean over frames and cells by ``weight``. A step
    that is not known (NaN) changes nothing, and its frame does not count. NaN where nothing counts, and in the dark.
    """
    # The first frame counts where the first step is known, as much, with the mean that it had before that step.
    mean = np.concatenate((mean[:1] - change[:1], mean))
    weight = np.concatenate((weight[:1], weight))
    known = np.isfinite(mean)
    course = np.cumsum(np.concatenate((np.zeros_like(change[:1]), np.nan_to_num(change))), axis=0)
    course[~known] = np.nan
    slow = np.stack([smoothed(cell, SMOOTHING_SECONDS * float(rate)) for cell in course.T], axis=1)
    weight = np.where(known, weight, 0.0)
    square = weight * np.where(known, course - slow, 0.0) ** 2
    level = float((weight * np.where(known, mean, 0.0)).sum())
    total = float(weight.sum())
    if not level > 0.0:
        return math.nan, np.full(len(mean), np.nan)
    frames = weight.sum(1)
    by_frame = np.divide(square.sum(1), frames, out=np.full(len(mean), np.nan), where=frames > 0)
    scale = 100.0 * total / level
    return scale * math.sqrt(square.sum() / total), scale * np.sqrt(by_frame)


class LocalFlicker(ShotMetric):
    """``local_flicker_<engine>`` of the frame, ``local_flicker_linear_…`` in light, and ``…_hole`` of the repair.

    In percent of mean luma. A lamp that flickers in one corner shows here and not in the
    global flicker; a pan does not show. What changes in the whole frame alike has
    the same value in both. The hole looks at the repaired pixels of each cell alone, cells weighted by how
    many there are. One frame leaves all undefined, an empty mask the hole. Needs the
    frame rate. The curves are filled in by :meth:`shot_values`. Kept between
    windows: one frame of luma, and nine numbers a cell and frame.
    """

    group = STEADINESS
    higher_is_better = False
    needs = frozenset({"motion"})

    def __init__(self, flow: str = "dis", **kwargs: Any) -> None:
        """``flow`` names the engine: dis or farneback."""
        engine = flow_engine(flow)
        self._name, self._linear_name = f"local_flicker_{flow}", f"local_flicker_linear_{flow}"
        self._hole_name = f"local_flicker_{flow}_hole"
        jumps = "How much the brightness of parts of the {} jumps about its slow course, motion taken out{}."
        infos = [
            MetricInfo(
                name=name,
                unit="%",
                direction="lower",
                meaning=jumps.format(what, how),
                headline=name == self._hole_name,
            )
            for name, what, how in (
                (self._name, "frame", ""),
                (self._linear_name, "frame", ", in light rather than in code values"),
                (self._hole_name, "repair", ""),
            )
        ]
        super().__init__(infos, (infos[0], infos[2]), engine=engine, **kwargs)

    def _begin_shot(self) -> None:
        self._luma: Tensor | None = None
        self._steps: list[Cells] = []
        self._hole_steps: list[Cells] = []

    def _add(self, frame: JudgedFrame) -> None:
        luma = torch.stack((luma_of(frame.result), luma_of(frame.result, linear=True)))
        if self._luma is not None:
            steps, hole_steps = self._pair(frame.beside, self._luma, luma)
            self._steps.append(steps)
            self._hole_steps.append(hole_steps)
        self._luma = luma
        for curve in self.curves.values():
            curve.append(math.nan)

    @staticmethod
    def _pair(beside: Beside, first: Tensor, second: Tensor) -> tuple[Cells, Cells]:
        motion = beside.motion
        assert motion is not None
        # Light is taken before the warp: interpolated codes, decoded, would be darker than the mean of the light.
        brought = motion.bring(second)
        visible = motion.visible[0, 0]
        whole = cell_steps(first, brought, visible, torch.ones_like(visible))
        if beside.counted is None or beside.last is None or beside.last.hole is None:
            return whole, np.full((3, 1, whole.shape[-1]), np.nan)
        return whole, cell_steps(first[:1], brought[:1], beside.counted[0, 0], beside.last.hole[0])

    def shot_values(self) -> dict[str, float]:
        """Percent over the open shot."""
        if not self._steps:
            return {info.name: math.nan for info in self.infos}
        values = {}
        for name, steps, place, alike in (
            (self._name, self._steps, 0, True),
            (self._linear_name, self._steps, 1, True),
            (self._hole_name, self._hole_steps, 0, False),
        ):
            change, mean, weight = _courses(steps, place)
            values[name], by_frame = course_flicker(change, mean, np.ones_like(weight) if alike else weight, self.rate)
            if name in self.curves:
                self.curves[name][:] = by_frame.tolist()
        return values


def _courses(steps: Sequence[Cells], place: int) -> Cells:
    """Change, mean and weight of one channel, ``3 (t - 1) cells``."""
    return np.stack([step[:, place] for step in steps], axis=1)
