"""Pixels of planes in a row, so that what is asked of few of them is not found for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

Pick = Callable[[Tensor], Tensor]
"""Takes what is asked for out of planes ``b c h w``, channels staying second."""


def everything(planes: Tensor) -> Tensor:
    """All pixels of planes, as they are."""
    return planes


@dataclass(frozen=True)
class PixelList:
    """Which pixels of planes ``b c h w``, ``m`` of them, by rows: their places in ``b h w`` as one row."""

    places: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def where(cls, area: Tensor) -> PixelList:
        """Those of an ``area`` ``b 1 h w``, where that is above 0."""
        batch, _, height, width = area.shape
        return cls((area > 0).flatten().nonzero()[:, 0], (batch, height, width))

    def __call__(self, planes: Tensor) -> Tensor:
        """What planes ``b c h w`` have there, ``1 c m``."""
        return planes.transpose(0, 1).flatten(1)[:, self.places][None]

    def put(self, values: Tensor, planes: Tensor) -> Tensor:
        """Planes ``b c h w`` with ``values`` ``1 c m`` there."""
        changed = planes.transpose(0, 1).flatten(1).clone()
        changed[:, self.places] = values[0]
        return changed.reshape(-1, *self.shape).transpose(0, 1)

    def of(self, pixels: PixelList) -> Tensor:
        """Which of these the ``pixels`` are, all of which are among them, ``m`` by rows."""
        return self._numbers.flatten()[pixels.places]

    def around(self, pixels: PixelList, step_px: int) -> Tensor:
        """Which of these are so far from each of the ``pixels``, ``m 9`` by rows: itself and eight others.

        It is the number of these where there is none.
        """
        numbers = F.pad(self._numbers, (step_px,) * 4, value=len(self.places))
        height, width = self.shape[1:]
        row, column = pixels.places // width, pixels.places % width
        across = width + 2 * step_px
        first = (row // height * 2 * step_px + row) * across + column
        step = torch.arange(0, 2 * step_px + 1, step_px, device=row.device)
        offsets = (step[:, None] * across + step).flatten()
        return numbers.flatten()[first[:, None] + offsets]

    @cached_property
    def _numbers(self) -> Tensor:
        """Of planes ``b h w``, which of these each pixel is; how many these are, where none."""
        numbers = torch.full(self.shape, len(self.places), device=self.places.device)
        numbers.view(-1)[self.places] = torch.arange(len(self.places), device=self.places.device)
        return numbers
