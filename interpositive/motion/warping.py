"""Backward warping: reading an image through a flow field."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def reading_grid(flow: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where ``flow`` (``b 2 h w``, pixels, x then y) reads an image of that size.

    Returns the grid that :func:`torch.nn.functional.grid_sample` wants
    (``b h w 2``, corners not aligned) and a ``b 1 h w`` bool that is True where
    the read falls inside the image.
    """
    rows, columns = flow.shape[-2:]
    grid = flow.new_empty((flow.shape[0], rows, columns, 2))
    for axis, (place, size, num) in enumerate(((0, width, columns), (1, height, rows))):
        centres = (torch.arange(num, device=flow.device, dtype=flow.dtype) + 0.5) * (2.0 / size) - 1.0
        centres = centres[None, :] if axis == 0 else centres[:, None]
        torch.add(centres, flow[:, place], alpha=2.0 / size, out=grid[..., axis])
    # The frame's edge is at -1 and 1; a hair is allowed, for the centres are rounded.
    inside = (grid[..., 0].abs() <= 1.0 + 1e-6) & (grid[..., 1].abs() <= 1.0 + 1e-6)
    return grid, inside[:, None]


def warp_backward(
    image: Tensor, flow: Tensor, mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear"
) -> tuple[Tensor, Tensor]:
    """Read ``image`` at ``x + flow(x)``.

    ``image`` is ``b c h w``; ``flow`` is ``b 2 h w`` in pixels, x then y, on
    the grid of the result. Returns the warped image and a ``b 1 h w`` bool
    that is True where the read fell inside the image; outside, the border
    value is repeated.
    """
    grid, inside = reading_grid(flow, image.shape[-2], image.shape[-1])
    warped = F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)
    return warped, inside
