"""Where a flow field has no partner: occlusions and motion boundaries."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from interpositive.motion.warping import warp_backward


def inconsistent(forward: Tensor, backward: Tensor) -> Tensor:
    """Forward-backward test, eq. 5 of Sundaram, Brox and Keutzer, ECCV 2010.

    Both flows are ``b 2 h w`` in pixels; True (``b 1 h w``) where
    ``|f + W(b, f)|^2 > 0.01 (|f|^2 + |W(b, f)|^2) + 0.5`` or the flow leaves the frame.
    """
    returned, inside = warp_backward(backward, forward)
    return inconsistent_with(forward, returned) | ~inside


def inconsistent_with(forward: Tensor, returned: Tensor) -> Tensor:
    """The test of :func:`inconsistent` once ``W(b, f)`` is at hand (``returned``), without the frame's edge."""
    gap = (forward + returned).square_().sum(1, keepdim=True)
    size = forward.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    return gap > 0.01 * size + 0.5


def motion_boundary(flow: Tensor) -> Tensor:
    """Motion boundaries by forward differences (Ruder, Dosovitskiy and Brox, GCPR 2016), ``b 1 h w`` bool."""
    dx = F.pad(flow[..., :, 1:] - flow[..., :, :-1], (0, 1, 0, 0))
    dy = F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1))
    gradient = (dx.square() + dy.square()).sum(1, keepdim=True)
    return gradient > 0.01 * flow.square().sum(1, keepdim=True) + 0.002


def occluded(forward: Tensor, backward: Tensor) -> Tensor:
    """Pixels left out of a warping error (Lai et al., ECCV 2018): inconsistent or on a motion boundary."""
    return inconsistent(forward, backward) | motion_boundary(forward)
