"""The motion between two frames of a shot, as every temporal metric uses it.

It is measured on the clean reference if there is one, else on the plate (in the
hole it is then filled in from around it: the plate's own flow there is that of
the thing to remove), never on the result: a result's own flow rewards blur.
Values under different flow engines cannot be compared, so a metric's name
carries its engine's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.metrics.checks import hole_of
from interpositive.metrics.flow_under_hole import flow_under_hole
from interpositive.motion.occlusion import hidden
from interpositive.motion.optical_flow import dis_flow
from interpositive.motion.warping import reading_grid

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class FlowEngine:
    """A named way to measure flow: ``flow(source, target)`` takes 8-bit luma ``h w``, gives ``h w 2`` in px.

    The flow lies on the grid of ``source`` and points into ``target``.
    """

    name: str
    flow: Callable[[Grey, Grey], NDArray[np.float32]]


def farneback_flow(source: Grey, target: Grey) -> NDArray[np.float32]:
    """Flow by polynomial expansion (Farnebäck, SCIA 2003) with the parameters of TecoGAN's tOF, ``h w 2`` in px."""
    flow = np.zeros((*source.shape, 2), np.float32)
    return np.asarray(cv2.calcOpticalFlowFarneback(source, target, flow, 0.5, 3, 15, 3, 5, 1.2, 0), dtype=np.float32)


DIS = FlowEngine("dis", dis_flow)
FARNEBACK = FlowEngine("farneback", farneback_flow)
ENGINES = {engine.name: engine for engine in (DIS, FARNEBACK)}


def flow_engine(flow: str | FlowEngine) -> FlowEngine:
    """The engine of a name, or the one given; ``ConfigError`` for a name that is not there."""
    if isinstance(flow, FlowEngine):
        return flow
    if flow not in ENGINES:
        raise ConfigError("no such flow engine", found=flow, expected=", ".join(ENGINES))
    return ENGINES[flow]


class PairMotion:
    """Motion from one frame to the next: ``forward`` is ``1 2 h w`` in px, ``visible`` is ``1 1 h w`` bool.

    ``visible`` leaves out occlusions and motion boundaries (Lai et al., ECCV 2018).
    """

    def __init__(self, forward: Tensor, backward: Tensor) -> None:
        self.forward = forward
        self._grid, inside = reading_grid(forward, forward.shape[-2], forward.shape[-1])
        self.visible = hidden(forward, self.bring(backward[0])[None]).logical_not_().logical_and_(inside)

    @classmethod
    def between(cls, first: Grey, second: Grey, engine: FlowEngine = DIS) -> PairMotion:
        """Measure both ways on 8-bit luma ``h w`` of the clean reference or of a plate without a mask."""
        return cls(_as_tensor(engine.flow(first, second)), _as_tensor(engine.flow(second, first)))

    @classmethod
    def behind(
        cls, first: Grey, second: Grey, mask_first: Tensor, mask_second: Tensor, engine: FlowEngine = DIS
    ) -> PairMotion:
        """Measure on plates, then fill in the motion of the background in both holes (masks ``1 h w``)."""
        hole = (hole_of(mask_first) | hole_of(mask_second))[None].cpu()
        forward = flow_under_hole(_as_tensor(engine.flow(first, second)), hole)
        backward = flow_under_hole(_as_tensor(engine.flow(second, first)), hole)
        return cls(forward, backward)

    def to(self, device: torch.device) -> PairMotion:
        """The same motion for frames on another device."""
        if self.forward.device != device:
            self.forward, self.visible = self.forward.to(device), self.visible.to(device)
            self._grid = self._grid.to(device)
        return self

    def bring(self, second: Tensor) -> Tensor:
        """The second frame (``c h w``) brought along the motion onto the first, bilinear, border repeated."""
        grid = self._grid.to(second.dtype)
        height, width = grid.shape[1:3]
        # Reads of one picture run on one core; as strips of a batch they share all.
        strips = math.gcd(height, torch.get_num_threads()) if second.device.type == "cpu" else 1
        brought = F.grid_sample(
            second[None].expand(strips, -1, -1, -1),
            grid.view(strips, height // strips, width, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return brought.transpose(0, 1).reshape(len(second), height, width)

    def gap(self, first: Tensor, second: Tensor) -> Tensor:
        """``(W(second, forward) - first)^2``, mean over channels, ``1 1 h w``; frames are ``c h w`` in [0, 1]."""
        change = self.bring(second).sub_(first)
        total = change[0].square()
        for channel in change[1:]:
            total.addcmul_(channel, channel)
        return total.div_(len(change))[None, None]

    def counted(self, hole_first: Tensor, hole_second: Tensor) -> Tensor:
        """Visible pixels (``1 1 h w``) whose motion starts or ends in the hole; holes are ``1 h w`` bool.

        Start or end, as in the DEVIL benchmark: a fill that is left and a fill that is entered both count.
        """
        ends = F.grid_sample(
            hole_second[None].to(self._grid.dtype),
            self._grid,
            mode="nearest",
            padding_mode="border",
            align_corners=False,
        )
        return self.visible & (hole_first[None] | (ends > 0.5))


def _as_tensor(flow: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(flow).permute(2, 0, 1)[None]
