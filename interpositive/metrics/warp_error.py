"""Temporal warping error: how far each frame is from the next one, brought back along the motion.

Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018. Motion is
that of :mod:`~interpositive.metrics.pair_motion`, whose engine is part of each name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from interpositive.metrics.contract import ShotMetric
from interpositive.metrics.judged import JudgedFrame, Scene
from interpositive.metrics.means import MeanOfValues
from interpositive.metrics.pair_motion import FlowEngine, flow_engine
from interpositive.records.measures import MetricInfo

LEAST_ERROR = 1e-9
"""Below this a reference does not change at all: rounding of 12-bit codes alone gives ten times as much."""


def mean_gap(gap: Tensor, counted: Tensor) -> float:
    """E of one pair: mean of its gap over the counted pixels (both ``1 1 h w``); NaN if there is none."""
    count = float(counted.sum())
    if count == 0.0:
        return math.nan
    return float(torch.where(counted, gap, 0.0).sum(dtype=torch.float64)) / count


def relative_warp_error(result: float, reference: float) -> float:
    """``E(result) / E(reference)``: 1 is as steady as the reference; NaN if that is as good as still."""
    return result / reference if reference > LEAST_ERROR else math.nan


class WarpError(ShotMetric):
    """``e_warp_<engine>`` of the frame, ``…_hole``, and ``e_warp_rel_…``, both over the clean reference's own.

    Mean over frame pairs, then over shots; squared differences of code values
    in [0, 1], mean over channels. Grain counts: a still shot with independent
    noise of deviation s has ``2 s^2``. Relative: 1 is as steady as the
    reference, below 1 smoother than real footage, usually blur or missing
    grain. One frame leaves all undefined, an empty mask the hole.
    The curve ``e_warp_excess_…_hole`` is the error less what clean footage
    scores in that pair: the reference in the hole, or, without one, the plate around the hole.
    """

    higher_is_better = False
    needs = frozenset({"motion"})

    def __init__(self, flow: str | FlowEngine = "dis", **kwargs: Any) -> None:
        """``flow`` is an engine or names one: dis or farneback."""
        engine = flow_engine(flow)
        self._hole_name, self._name = f"e_warp_{engine.name}_hole", f"e_warp_{engine.name}"
        self._relative_hole_name, self._relative_name = f"e_warp_rel_{engine.name}_hole", f"e_warp_rel_{engine.name}"
        self._excess_name = f"e_warp_excess_{engine.name}_hole"
        error, boils = "squared difference", "boils or jumps between frames once motion is taken out; grain counts."
        steady = (
            "is beside the clean footage: 1 is alike, well above 1 flickers, well below 1 is too smooth or lacks grain."
        )
        meanings = {
            self._hole_name: (error, f"How much the repair {boils}"),
            self._relative_hole_name: ("ratio", f"How steady the repair {steady}"),
            self._name: (error, f"How much the whole frame {boils}"),
            self._relative_name: ("ratio", f"How steady the whole frame {steady}"),
        }
        infos = [
            MetricInfo(name=name, unit=unit, direction="lower", meaning=meaning)
            for name, (unit, meaning) in meanings.items()
        ]
        excess = MetricInfo(
            name=self._excess_name,
            unit=error,
            direction="lower",
            meaning="How much worse that is than in the clean reference (without one: around the hole); "
            "below 0 is smoother.",
        )
        super().__init__(infos, (infos[0], excess, infos[2]), engine=engine, **kwargs)

    def _begin_shot(self) -> None:
        self._has_reference = False
        self._pairs, self._pairs_hole = MeanOfValues(), MeanOfValues()
        self._steady, self._steady_hole = MeanOfValues(), MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        whole = hole = clean = math.nan
        scene = frame.scene
        self._has_reference = scene.reference is not None
        if frame.last is not None and scene.motion is not None:
            gap = scene.motion.gap(frame.last.result, frame.result)
            whole = mean_gap(gap, scene.motion.visible)
            if scene.counted is not None:
                hole = mean_gap(gap, scene.counted)
            clean_whole, clean = self._clean(scene)
            self._pairs.add(whole)
            self._pairs_hole.add(hole)
            self._steady.add(clean_whole)
            self._steady_hole.add(clean if scene.reference is not None else math.nan)
        self.curves[self._name].append(whole)
        self.curves[self._hole_name].append(hole)
        self.curves[self._excess_name].append(hole - clean)

    def _clean(self, scene: Scene) -> tuple[float, float]:
        """What clean footage scores in this pair: the reference over the frame, and what the hole is held against."""
        gap, motion = scene.source_gap, scene.motion
        assert gap is not None and motion is not None
        if scene.reference is not None:
            return mean_gap(gap, motion.visible), math.nan if scene.counted is None else mean_gap(gap, scene.counted)
        return math.nan, math.nan if scene.counted is None else mean_gap(gap, motion.visible & ~scene.counted)

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's pairs."""
        return {
            self._hole_name: self._pairs_hole.mean,
            self._relative_hole_name: relative_warp_error(self._pairs_hole.mean, self._steady_hole.mean),
            self._name: self._pairs.mean,
            self._relative_name: relative_warp_error(self._pairs.mean, self._steady.mean),
        }

    def reasons(self, absent: Sequence[str]) -> list[str]:
        """Relative errors have reasons of their own."""
        relative = [name for name in absent if "_rel_" in name]
        reasons = super().reasons([name for name in absent if name not in relative])
        if not relative:
            return reasons
        names = ", ".join(relative)
        if not self._has_reference:
            return [*reasons, f"{names} not measured: there is no clean reference"]
        if self.num_frames < 2:
            return [*reasons, f"{names} not defined: the shot has one frame"]
        if not self._steady.mean > LEAST_ERROR or self._steady_hole.mean <= LEAST_ERROR:
            return [*reasons, f"{names} not defined: the reference does not change at all there"]
        return reasons
