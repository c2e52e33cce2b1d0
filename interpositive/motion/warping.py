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
    ys = torch.arange(flow.shape[-2], device=flow.device, dtype=flow.dtype)[:, None]
    xs = torch.arange(flow.shape[-1], device=flow.device, dtype=flow.dtype)[None, :]
    x = xs + flow[:, 0]
    y = ys + flow[:, 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    grid = torch.stack((2.0 * (x + 0.5) / width - 1.0, 2.0 * (y + 0.5) / height - 1.0), dim=-1)
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
