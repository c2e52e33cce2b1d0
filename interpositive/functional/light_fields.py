"""A change of light that varies slowly over the frame: a gain and an offset on a coarse grid.

``result = value * (1 + gain) + offset``, both read from a grid by bilinear interpolation. Detail cannot
soften under it, for no pixel is mixed with another.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

GRID_ROWS, GRID_COLUMNS = 24, 16
"""Rows are finer than columns: the phase of a lamp on the mains runs down the rows of a rolling shutter."""


@dataclass(frozen=True)
class LightFields:
    """``gain`` (0 changes nothing) and ``offset`` of each frame and channel, ``(b) t 3 rows columns``."""

    gain: Tensor
    offset: Tensor

    def part(self, keep: range) -> LightFields:
        """Those of some frames ``t``."""
        return LightFields(self.gain[keep.start : keep.stop], self.offset[keep.start : keep.stop])

    def over(self, frames: Tensor) -> Tensor:
        """Frames ``(b) t 3 h w`` with each pixel's gain and offset; not cut off."""
        size = (frames.shape[-2], frames.shape[-1])
        return frames * (1.0 + on_raster(self.gain, size)) + on_raster(self.offset, size)


def on_raster(field: Tensor, size: tuple[int, int]) -> Tensor:
    """A grid ``... c rows columns`` read at every pixel of a raster ``(height, width)``; corners meet corners."""
    flat = field.reshape(-1, *field.shape[-3:])
    read = F.interpolate(flat, size=size, mode="bilinear", align_corners=True)
    return read.reshape(*field.shape[:-2], *size)


def cell_means(frames: Tensor) -> Tensor:
    """Mean of each grid cell, ``... c h w`` to ``... c rows columns``."""
    flat = rearrange(frames, "... c h w -> (...) c h w")
    means = F.adaptive_avg_pool2d(flat, (GRID_ROWS, GRID_COLUMNS))
    return means.reshape(*frames.shape[:-2], GRID_ROWS, GRID_COLUMNS)


def no_change(num_frames: int, like: Tensor) -> LightFields:
    """Fields that change nothing."""
    zero = torch.zeros((num_frames, 3, GRID_ROWS, GRID_COLUMNS), dtype=torch.float32, device=like.device)
    return LightFields(zero, zero.clone())
