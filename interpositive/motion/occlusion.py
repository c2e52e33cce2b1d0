"""Where a flow field has no partner: occlusions and motion boundaries."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STRIP_ROWS = 64


def inconsistent(forward: Tensor, returned: Tensor) -> Tensor:
    """Forward-backward test, eq. 5 of Sundaram, Brox and Keutzer, ECCV 2010; ``b 1 h w`` bool.

    ``forward`` and ``returned``, the backward flow read along it (``W(b, f)``), are ``b 2 h w`` in pixels.
    True where ``|f + W(b, f)|^2 > 0.01 (|f|^2 + |W(b, f)|^2) + 0.5``.
    """
    allowed = squared_length(returned).add_(squared_length(forward)).mul_(0.01).add_(0.5)
    return squared_length(forward + returned) > allowed


def motion_boundary(flow: Tensor) -> Tensor:
    """Motion boundaries by forward differences (Ruder, Dosovitskiy and Brox, GCPR 2016), ``b 1 h w`` bool."""
    gradient = F.pad(squared_length(flow[..., :, 1:] - flow[..., :, :-1]), (0, 1))
    gradient[..., :-1, :] += squared_length(flow[..., 1:, :] - flow[..., :-1, :])
    return gradient > squared_length(flow).mul_(0.01).add_(0.002)


def hidden(forward: Tensor, returned: Tensor) -> Tensor:
    """Pixels left out of a warping error (Lai et al., ECCV 2018), ``b 1 h w`` bool, but for the frame's edge.

    ``returned`` is ``W(b, f)``. True where the flow is inconsistent or at a motion boundary.
    """
    height = forward.shape[-2]
    lost = torch.empty_like(forward[:, :1], dtype=torch.bool)
    # In strips, whose many passes stay in a processor's cache; boundaries look one row ahead.
    for start in range(0, height, STRIP_ROWS):
        rows = slice(start, min(start + STRIP_ROWS, height))
        edge = motion_boundary(forward[..., start : rows.stop + 1, :])[..., : rows.stop - start, :]
        lost[..., rows, :] = inconsistent(forward[..., rows, :], returned[..., rows, :]).logical_or_(edge)
    return lost


def squared_length(vectors: Tensor) -> Tensor:
    """``|v|^2`` of a ``b 2 h w`` field, ``b 1 h w``; a sum over channels costs a CPU four times as much."""
    x, y = vectors[:, :1], vectors[:, 1:]
    return x.square().addcmul_(y, y)
