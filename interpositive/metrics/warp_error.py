"""Temporal warping error: how far each frame is from the next one, brought back along the motion.

Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018. Motion is
that of :mod:`~interpositive.metrics.pair_motion`, whose engine is part of each name.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import MeanOfValues
from interpositive.metrics.pair_motion import FlowEngine, flow_engine
from interpositive.records.measures import MetricInfo


def mean_gap(gap: Tensor, counted: Tensor) -> float:
    """E of one pair: mean of its gap over the counted pixels (both ``1 1 h w``); NaN if there is none."""
    count = float(counted.sum())
    if count == 0.0:
        return math.nan
    return float(torch.where(counted, gap, 0.0).sum(dtype=torch.float64)) / count


class WarpError(ShotMetric):
    """``e_warp_<engine>`` of the frame and ``…_hole`` of the repair: mean over frame pairs, then over shots.

    Squared differences of code values in [0, 1], mean over channels. Grain
    counts: a still shot with independent noise of deviation s has ``2 s^2``.
    One frame leaves both undefined, an empty mask the hole.
    """

    group = STEADINESS
    higher_is_better = False
    needs = frozenset({"motion"})

    def __init__(self, flow: str | FlowEngine = "dis", **kwargs: Any) -> None:
        """``flow`` is an engine or names one: dis or farneback."""
        engine = flow_engine(flow)
        self._name, self._hole_name = f"e_warp_{engine.name}", f"e_warp_{engine.name}_hole"
        infos = [
            MetricInfo(
                name=name,
                unit="squared difference",
                direction="lower",
                meaning=f"How much the {what} boils or jumps between frames once motion is taken out; grain counts.",
            )
            for name, what in ((self._hole_name, "repair"), (self._name, "whole frame"))
        ]
        super().__init__(infos, infos, engine=engine, **kwargs)

    def _begin_shot(self) -> None:
        self._pairs, self._pairs_hole = MeanOfValues(), MeanOfValues()

    def _add(self, frame: JudgedFrame) -> None:
        whole = hole = math.nan
        if frame.gap is not None and frame.beside.motion is not None:
            whole = mean_gap(frame.gap, frame.beside.motion.visible)
            self._pairs.add(whole)
            if frame.beside.counted is not None:
                hole = mean_gap(frame.gap, frame.beside.counted)
                self._pairs_hole.add(hole)
        self.curves[self._name].append(whole)
        self.curves[self._hole_name].append(hole)

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's pairs."""
        return {self._name: self._pairs.mean, self._hole_name: self._pairs_hole.mean}
