"""Planes at half their size: of each square of two by two pixels one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def half_mean(planes: Tensor) -> Tensor:
    """The mean of each two by two pixels of ``... h w``, in its own type; an odd last row or column is left out."""
    return _shaped(F.avg_pool2d(_flat(planes), 2), planes)


def half_any(planes: Tensor) -> Tensor:
    """The largest of each two by two pixels of ``... h w``: where any of them is."""
    return _shaped(F.max_pool2d(_flat(planes), 2), planes)


def half_all(planes: Tensor) -> Tensor:
    """The least of each two by two pixels of ``... h w``: where all of them are."""
    return _shaped(-F.max_pool2d(-_flat(planes), 2), planes)


def _flat(planes: Tensor) -> Tensor:
    return planes.float().reshape(-1, *planes.shape[-2:])


def _shaped(halved: Tensor, planes: Tensor) -> Tensor:
    return halved.reshape(*planes.shape[:-2], *halved.shape[-2:]).to(planes.dtype)
