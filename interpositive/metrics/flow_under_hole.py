"""The motion of what lies behind a thing to remove, guessed from the motion around it.

On a plate, flow in the hole is that of the wire or rig, which is not there in
the result. Where no clean reference exists the warping error needs the motion
of the background instead.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN_PX = 8
"""Flow this near the hole is not trusted either: the engine matches patches of 8 px."""


def flow_under_hole(flow: Tensor, hole: Tensor) -> Tensor:
    """``flow`` (``1 2 h w``, pixels) with the hole (``1 1 h w`` bool) and a margin filled from around it.

    Coarse to fine averages of what is known (pull and push; Gortler, Grzeszczuk, Szeliski and Cohen,
    SIGGRAPH 1996). Unchanged outside; unchanged everywhere if the hole and its margin leave nothing.
    """
    near = F.max_pool2d(hole.to(flow.dtype), 2 * MARGIN_PX + 1, stride=1, padding=MARGIN_PX)
    known = 1.0 - near
    return _pulled_and_pushed(flow, known) if bool(known.any()) else flow


def _pulled_and_pushed(flow: Tensor, known: Tensor) -> Tensor:
    if bool(known.all()):
        return flow
    height, width = flow.shape[-2:]
    even = (0, width % 2, 0, height % 2)
    total = F.avg_pool2d(F.pad(flow * known, even), 2)
    share = F.avg_pool2d(F.pad(known, even), 2)
    coarse = _pulled_and_pushed(total / share.clamp(min=0.25), (share > 0).to(flow.dtype))
    fine = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return torch.where(known > 0, flow, fine[..., :height, :width])
