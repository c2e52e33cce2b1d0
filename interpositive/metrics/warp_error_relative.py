"""The warping error beside that of clean footage: is the repair as steady as what was shot?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import Beside, JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.metrics.pair_motion import FlowEngine, flow_engine
from interpositive.metrics.warp_error import mean_gap
from interpositive.records.measures import MetricInfo

LEAST_ERROR = 1e-9
"""Below this a reference does not change at all: rounding of 12-bit codes alone gives ten times as much."""


def relative_warp_error(result: float, reference: float) -> float:
    """``E(result) / E(reference)``: 1 is as steady as the reference; NaN if that is as good as still."""
    return result / reference if reference > LEAST_ERROR else math.nan


class RelativeWarpError(ShotMetric):
    """``e_warp_rel_<engine>`` of the frame and ``…_hole``: the warping error over the clean reference's own.

    1 is as steady as the reference; below 1 is smoother than real footage,
    usually blur or missing grain. Undefined without a reference, for one frame,
    and where the reference does not change at all.
    The curve ``e_warp_excess_<engine>_hole`` is the hole's error less what clean footage
    scores in that pair: the reference in the hole, or, without one, the plate around the hole.
    """

    group = STEADINESS
    higher_is_better = False
    needs = frozenset({"motion"})

    def __init__(self, flow: str | FlowEngine = "dis", **kwargs: Any) -> None:
        """``flow`` is an engine or names one: dis or farneback."""
        engine = flow_engine(flow)
        self._name, self._hole_name = f"e_warp_rel_{engine.name}", f"e_warp_rel_{engine.name}_hole"
        self._excess_name = f"e_warp_excess_{engine.name}_hole"
        infos = [
            MetricInfo(
                name=name,
                unit="ratio",
                direction="lower",
                meaning=f"How steady the {what} is beside the clean footage: 1 is alike, well above 1 flickers, "
                "well below 1 is too smooth or lacks grain.",
                headline=name == self._hole_name,
            )
            for name, what in ((self._hole_name, "repair"), (self._name, "whole frame"))
        ]
        excess = MetricInfo(
            name=self._excess_name,
            unit="squared difference",
            direction="lower",
            meaning="How much worse the repair follows from the frame before than clean footage does "
            "(the reference, or, without one, the plate around the hole); below 0 is smoother.",
        )
        super().__init__(infos, [excess], engine=engine, **kwargs)

    def _begin_shot(self) -> None:
        self._has_reference = False
        self._whole, self._hole = _Compared(), _Compared()

    def _add(self, frame: JudgedFrame) -> None:
        beside, excess = frame.beside, math.nan
        self._has_reference = beside.reference is not None
        if frame.gap is not None and beside.source_gap is not None and beside.motion is not None:
            if self._has_reference:
                self._whole.add(frame.gap, beside.source_gap, beside.motion.visible)
            if beside.counted is not None:
                if self._has_reference:
                    self._hole.add(frame.gap, beside.source_gap, beside.counted)
                excess = mean_gap(frame.gap, beside.counted) - self._clean_error(beside)
        self.curves[self._excess_name].append(excess)

    def _clean_error(self, beside: Beside) -> float:
        assert beside.source_gap is not None and beside.counted is not None and beside.motion is not None
        clean = beside.counted if self._has_reference else beside.motion.visible & ~beside.counted
        return mean_gap(beside.source_gap, clean)

    def shot_values(self) -> dict[str, float]:
        """Ratios of means over the open shot's pairs."""
        return {self._name: self._whole.ratio, self._hole_name: self._hole.ratio}

    def reasons(self, absent: Sequence[str]) -> list[str]:
        """No reference, one frame, or a reference that stands still without grain."""
        names = ", ".join(absent)
        if absent and not self._has_reference:
            return [f"{names} not measured: there is no clean reference"]
        still = [name for name in absent if self.num_frames > 1 and self._compared(name).stands_still]
        return (
            [f"{', '.join(still)} not defined: the reference does not change at all there"]
            if still
            else (super().reasons(absent))
        )

    def _compared(self, name: str) -> _Compared:
        return self._whole if name == self._name else self._hole


class _Compared:
    """Mean errors of a result and of its reference over the same pixels."""

    def __init__(self) -> None:
        self.result, self.reference = MeanOfValues(), MeanOfValues()

    def add(self, result_gap: Tensor, reference_gap: Tensor, counted: Tensor) -> None:
        self.result.add(mean_gap(result_gap, counted))
        self.reference.add(mean_gap(reference_gap, counted))

    @property
    def ratio(self) -> float:
        return relative_warp_error(self.result.mean, self.reference.mean)

    @property
    def stands_still(self) -> bool:
        return self.reference.mean <= LEAST_ERROR
