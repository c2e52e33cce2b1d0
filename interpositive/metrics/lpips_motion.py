"""Perceptual flicker: how different each frame looks from the next one, brought back along the motion.

Motion is that of :mod:`~interpositive.metrics.pair_motion`, whose engine is part of each name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from interpositive.metrics.contract import STEADINESS
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.lpips import Features, LpipsMetric, distance_of, map_of, of_weights
from interpositive.metrics.lpips_weights import Network
from interpositive.metrics.means import MeanOfValues
from interpositive.metrics.pair_motion import flow_engine
from interpositive.records.measures import MetricInfo


class MotionLpips(LpipsMetric):
    """``lpips_motion_<network>_<engine>``: LPIPS(O_t-1, W(O_t)), mean over frame pairs; ``…_hole`` in the repair.

    Where the pair does not see the same thing (occlusions, motion boundaries)
    O_t-1 itself stands in. The hole's is the mean over pairs of the map's mean
    over visible pixels whose motion starts or ends in the hole. Reading between
    pixels softens the frame that is brought back, so that a steady grainy shot
    is not 0: read it beside the plate's or the reference's own. One frame
    leaves it undefined, an empty mask the hole. Kept between frames: what tLP keeps.
    """

    group = STEADINESS
    needs = frozenset({"motion"})

    def __init__(
        self,
        network: Network = "alex",
        weights: str | Path | None = None,
        expected_sha256: str | None = None,
        flow: str = "dis",
        **kwargs: Any,
    ) -> None:
        """As :class:`~interpositive.metrics.lpips.Lpips`; ``flow`` names the engine, dis or farneback."""
        engine = flow_engine(flow)
        self._name = f"lpips_motion_{network}_{flow}"
        infos = [
            MetricInfo(
                name=name,
                unit="distance",
                direction="lower",
                meaning=f"How much the look of the {what} jumps between frames once motion is taken out, to a network "
                "taught by people's judgements; grain counts." + of_weights(expected_sha256),
            )
            for name, what in ((self._name, "whole frame"), (f"{self._name}_hole", "repair"))
        ]
        super().__init__(infos, infos, network, weights, expected_sha256, engine=engine, **kwargs)

    def _begin_shot(self) -> None:
        self._pairs, self._pairs_hole = MeanOfValues(), MeanOfValues()
        self._before: Features | None = None

    def _add(self, frame: JudgedFrame) -> None:
        beside, net = frame.beside, self._net(frame)
        whole = hole = math.nan
        if self._before is not None and frame.last is not None and beside.motion is not None:
            first = frame.last.result
            brought = torch.where(beside.motion.visible[0], beside.motion.bring(frame.result), first)
            maps = net.layer_maps(self._before, net.features(brought[None]))
            whole = float(distance_of(maps))
            if beside.counted is not None and bool(beside.counted.any()):
                hole = float(map_of(maps, first.shape[-2:])[beside.counted].mean(dtype=torch.float64))
        self._before = net.features_of(frame.result)
        self._pairs.add(whole)
        self._pairs_hole.add(hole)
        self.curves[self._name].append(whole)
        self.curves[f"{self._name}_hole"].append(hole)

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's pairs."""
        return {self._name: self._pairs.mean, f"{self._name}_hole": self._pairs_hole.mean}
