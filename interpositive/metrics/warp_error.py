"""Temporal warping error: how far each frame is from the next one, brought back along the motion.

Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018. The flow is
measured on the clean reference if there is one, else on the plate (in the
hole it is then filled in from around it: the plate's own flow there is that of
the thing to remove), never on the result: a result's own flow rewards blur. Values under different flow
engines cannot be compared, so a metric's name carries its engine's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from interpositive.metrics.checks import (
    check_frames,
    check_mask,
    check_region,
    check_same_size,
    hole_of,
    needed_mask,
)
from interpositive.metrics.flow_under_hole import flow_under_hole
from interpositive.metrics.luma_flicker import luma_of
from interpositive.metrics.shot_states import ShotMetric
from interpositive.motion.occlusion import occluded
from interpositive.motion.optical_flow import dis_flow
from interpositive.motion.warping import warp_backward

LEAST_ERROR = 1e-9
"""Below this a reference does not change at all: rounding of 12-bit codes alone gives ten times as much."""


@dataclass(frozen=True)
class FlowEngine:
    """A named way to measure flow: ``flow(source, target)`` takes ``c h w`` in [0, 1], gives ``2 h w`` in px.

    The flow lies on the grid of ``source`` and points into ``target``.
    """

    name: str
    flow: Callable[[Tensor, Tensor], Tensor]


def _dis_medium(source: Tensor, target: Tensor) -> Tensor:
    codes = [(luma_of(frame) * 255.0).round().clamp(0, 255).to(torch.uint8).cpu().numpy() for frame in (source, target)]
    return torch.from_numpy(dis_flow(codes[0], codes[1], "medium")).permute(2, 0, 1).to(source.device)


DIS = FlowEngine("dis", _dis_medium)


@dataclass(frozen=True)
class PairMotion:
    """Motion from one frame to the next: ``forward`` is ``1 2 h w``, ``visible`` is ``1 1 h w`` bool."""

    forward: Tensor
    visible: Tensor

    @classmethod
    def between(cls, first: Tensor, second: Tensor, engine: FlowEngine = DIS) -> PairMotion:
        """Measure both ways on ``c h w`` frames, leave out occlusions and motion boundaries (Lai et al.)."""
        forward = engine.flow(first, second)[None]
        backward = engine.flow(second, first)[None]
        return cls(forward, ~occluded(forward, backward))

    @classmethod
    def behind(
        cls, first: Tensor, second: Tensor, mask_first: Tensor, mask_second: Tensor, engine: FlowEngine = DIS
    ) -> PairMotion:
        """Measure on plates, then fill in the motion of the background in both holes (masks ``1 h w``)."""
        hole = hole_of(mask_first[None]) | hole_of(mask_second[None])
        forward = flow_under_hole(engine.flow(first, second)[None], hole)
        backward = flow_under_hole(engine.flow(second, first)[None], hole)
        return cls(forward, ~occluded(forward, backward))

    def counted(self, mask_first: Tensor, mask_second: Tensor) -> Tensor:
        """Visible pixels (``1 1 h w``) whose motion starts or ends in the hole; masks are ``1 h w``.

        Start or end, as in the DEVIL benchmark: a fill that is left and a fill that is entered both count.
        """
        ends, _ = warp_backward(mask_second[None].to(self.forward.dtype), self.forward, mode="nearest")
        return self.visible & (hole_of(mask_first[None]) | hole_of(ends))


def pair_gap(first: Tensor, second: Tensor, forward: Tensor) -> Tensor:
    """``(W(second, forward) - first)^2``, mean over channels, ``1 1 h w``.

    Frames are ``c h w`` in [0, 1]; ``forward`` is ``1 2 h w`` in pixels, from first to second.
    """
    warped, _ = warp_backward(second[None], forward.to(second.dtype))
    return warped.sub_(first[None]).square_().mean(1, keepdim=True)


def mean_gap(gap: Tensor, counted: Tensor) -> float:
    """E of one pair: mean of its gap over the counted pixels (both ``1 1 h w``); NaN if there is none."""
    count = float(counted.sum())
    if count == 0.0:
        return float("nan")
    return float(torch.where(counted, gap, 0.0).sum(dtype=torch.float64)) / count


@dataclass
class MeanOfPairs:
    """Mean over a shot's frame pairs (Lai et al.); pairs where nothing counts (NaN) are left out."""

    total: float = 0.0
    num_pairs: int = 0

    def add(self, value: float) -> None:
        """Take in one pair."""
        if not math.isnan(value):
            self.total += value
            self.num_pairs += 1

    @property
    def mean(self) -> float:
        """NaN while no pair counts."""
        return self.total / self.num_pairs if self.num_pairs else float("nan")


def relative_warp_error(result: float, reference: float) -> float:
    """``E(result) / E(reference)``: 1 is as steady as the reference; NaN if that is as good as still."""
    return result / reference if reference > LEAST_ERROR else float("nan")


class WarpError(ShotMetric):
    """``e_warp_<engine>`` or ``e_warp_<engine>_hole``: mean over frame pairs, then over shots.

    Squared differences of code values in [0, 1], mean over channels. Grain
    counts: a still shot with independent noise of deviation s has ``2 s^2``.
    ``from_plate`` says that ``flow_source`` is a plate, whose flow in the hole is not to be used.
    Kept between windows: the last frame. One frame or an empty mask gives NaN.
    """

    higher_is_better = False
    unit: ClassVar[str] = "squared difference"
    _relative: ClassVar[bool] = False

    def __init__(
        self, region: str = "frame", engine: FlowEngine = DIS, *, from_plate: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.region, self.engine, self.from_plate = check_region(region), engine, from_plate
        self.name = f"e_warp_{engine.name}" + ("_hole" if region == "hole" else "")

    def _begin_shot(self) -> None:
        self._last: tuple[Tensor, Tensor, Tensor | None] | None = None
        self._pairs, self._steady_pairs = MeanOfPairs(), MeanOfPairs()

    def _shot_value(self) -> float:
        return self._pairs.mean

    def update(self, result: Tensor, flow_source: Tensor, mask: Tensor | None = None) -> None:
        """Add the open shot's next window, ``t c h w``; ``flow_source`` is the reference, else the plate."""
        check_frames(result, "result", batched=False)
        check_frames(flow_source, "flow source", batched=False)
        check_same_size(result, flow_source, "result", "flow source")
        mask = needed_mask(mask, "hole" if self.from_plate else self.region)
        if mask is not None:
            check_mask(mask, result)
        for place in range(len(result)):
            hole = None if mask is None else mask[place]
            self._add_frame(result[place], flow_source[place], hole)
            self._last = (
                result[place].clone(),
                flow_source[place].clone(),
                None if hole is None else hole.clone(),
            )
        self._note_value(self._shot_value())

    def _add_frame(self, frame: Tensor, source: Tensor, hole: Tensor | None) -> None:
        if self._last is None:
            return
        last_frame, last_source, last_hole = self._last
        check_same_size(frame, last_frame, "result", "window before it")
        if self.from_plate and hole is not None and last_hole is not None:
            motion = PairMotion.behind(last_source, source, last_hole, hole, self.engine)
        else:
            motion = PairMotion.between(last_source, source, self.engine)
        counted = motion.visible
        if self.region == "hole" and hole is not None and last_hole is not None:
            counted = motion.counted(last_hole, hole)
        self._pairs.add(mean_gap(pair_gap(last_frame, frame, motion.forward), counted))
        if self._relative:
            self._steady_pairs.add(mean_gap(pair_gap(last_source, source, motion.forward), counted))


class RelativeWarpError(WarpError):
    """``e_warp_rel_<engine>`` or its hole: the result's warping error over that of the clean reference.

    Give the clean reference as ``flow_source``. 1 is as steady as the
    reference; below 1 is smoother than real footage, usually blur or missing grain.
    """

    unit: ClassVar[str] = "ratio"
    _relative: ClassVar[bool] = True

    def __init__(self, region: str = "frame", engine: FlowEngine = DIS, **kwargs: Any) -> None:
        super().__init__(region, engine, **kwargs)
        self.name = self.name.replace("e_warp_", "e_warp_rel_", 1)

    def _shot_value(self) -> float:
        return relative_warp_error(self._pairs.mean, self._steady_pairs.mean)
