"""Means and maxima over squares, by rows and then columns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def box_mean(planes: Tensor, size_px: int) -> Tensor:
    """The mean of ``... h w`` over a square of an odd size around each pixel; beyond the frame there are zeros.

    What ``avg_pool2d`` gives but for the order of its sums: rows first, then columns, each from sums over 2, 4, 8...
    pixels, as a size is a sum of powers of two.
    """
    half = size_px // 2
    padded = F.pad(planes, (half, half, half, half))
    return _sums(_sums(padded, size_px, -1), size_px, -2) / size_px**2


def box_max(planes: Tensor, size_px: int) -> Tensor:
    """The largest of ``... h w`` in a square of an odd size around each pixel, as ``max_pool2d`` gives it."""
    half = size_px // 2
    padded = F.pad(planes, (half, half, half, half), value=float("-inf"))
    return _largest(_largest(padded, size_px, -1), size_px, -2)


def _largest(planes: Tensor, num: int, dim: int) -> Tensor:
    """The largest of ``num`` neighbours along a dimension, which becomes shorter by one less."""
    run, length = planes, 1
    while length < num:
        # Two runs of a power of two that overlap are as good as two that do not.
        step = min(length, num - length)
        run = torch.maximum(_cut(run, 0, step, dim), _cut(run, step, 0, dim))
        length += step
    return run


def _sums(planes: Tensor, num: int, dim: int) -> Tensor:
    """Sums over ``num`` neighbours along a dimension, which becomes shorter by one less."""
    total: Tensor | None = None
    run, length, done = planes, 1, 0
    while True:
        if num & length:
            # Counted from the end, as a traced program is not to know the frame's size.
            piece = _cut(run, done, num - length - done, dim)
            total = piece if total is None else total + piece
            done += length
        if done == num:
            assert total is not None
            return total
        run = _cut(run, 0, length, dim) + _cut(run, length, 0, dim)
        length *= 2


def _cut(planes: Tensor, before: int, after: int, dim: int) -> Tensor:
    part = slice(before, -after if after else None)
    return planes[..., part] if dim == -1 else planes[..., part, :]
