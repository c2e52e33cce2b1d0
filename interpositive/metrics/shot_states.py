"""What temporal metrics keep between two windows of a shot, and how shots are averaged."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ShotMetric(Metric):
    """A metric with one value a shot, reported as the mean over shots.

    Windows of a shot are added in order, with no gap and no overlap; call
    :meth:`end_shot` at each cut. Shots for which the metric is not defined
    (NaN: one frame, an empty mask) are left out of the mean; if there is no
    other, the mean is NaN. In distributed runs each rank holds whole shots.
    """

    is_differentiable = False
    full_state_update = True
    shot_total: Tensor
    num_shots: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("shot_total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_shots", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self._start_over()

    def _begin_shot(self) -> None:
        """Forget the frames and sums of the shot that was open."""
        raise NotImplementedError

    def _start_over(self) -> None:
        self._ended: tuple[float, int] = (0.0, 0)
        self._open: tuple[float, int] = (0.0, 0)
        self._begin_shot()

    def _note_value(self, value: float) -> None:
        """Let the states say: all ended shots and the open one, whose value so far is ``value``."""
        self._open = (0.0, 0) if math.isnan(value) else (value, 1)
        self.shot_total.fill_(self._ended[0] + self._open[0])
        self.num_shots.fill_(self._ended[1] + self._open[1])

    def end_shot(self) -> None:
        """Close the open shot: what is added next belongs to another one."""
        self._ended = (self._ended[0] + self._open[0], self._ended[1] + self._open[1])
        self._open = (0.0, 0)
        self._begin_shot()

    def reset(self) -> None:
        """Forget everything, the open shot too."""
        super().reset()
        self._start_over()

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Add a window and return the mean so far on this rank."""
        self.update(*args, **kwargs)
        return self._mean()

    def compute(self) -> Tensor:
        """Mean over shots; NaN where no shot defines it."""
        return self._mean()

    def _mean(self) -> Tensor:
        return torch.where(self.num_shots > 0, self.shot_total / self.num_shots, torch.nan)
