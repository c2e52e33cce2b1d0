"""Peak signal-to-noise ratio of a result against the clean reference, over the frame or the hole alone."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from interpositive.metrics.checks import check_mask, check_pair, check_region, hole_of, needed_mask

CEILING_DB = 150.0
"""What equal pictures are given: PSNR has no finite value there, and JSON has no infinity.

One 8-bit code in one channel of one pixel of 100 frames of 4K is 142 dB, so no visible change hides above it.
"""


def squared_error_sums(result: Tensor, reference: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum of squared differences and number of values compared, as float64 scalars.

    ``result`` and ``reference`` are ``(b) t c h w`` in [0, 1]; with ``mask``
    (``(b) t 1 h w``) only the hole (mask > 0.5) counts.
    """
    check_pair(result, reference)
    gap = (result - reference).square()
    if mask is None:
        return gap.sum(dtype=torch.float64), torch.tensor(float(gap.numel()), dtype=torch.float64)
    check_mask(mask, result)
    hole = hole_of(mask)
    count = hole.sum(dtype=torch.float64) * result.shape[-3]
    return torch.where(hole, gap, 0.0).sum(dtype=torch.float64), count


def psnr_db(squared_error: Tensor, count: Tensor, ceiling_db: float = CEILING_DB) -> Tensor:
    """``10 log10(1 / MSE)`` in dB from pooled sums; ``ceiling_db`` at most, NaN if nothing was compared."""
    squared_error, count = squared_error.double(), count.double()
    decibels = (-10.0 * torch.log10(squared_error / count)).clamp(max=ceiling_db)
    return torch.where(count > 0, decibels, torch.nan)


class Psnr(Metric):
    """PSNR in dB, squared error pooled over all frames of all shots (``region="frame"`` or ``"hole"``).

    Pooled, so that one frame that equals its reference does not lift the mean;
    the inpainting tables average per-frame decibels instead, which is never
    lower. Equal pictures give ``ceiling_db``. With ``region="hole"`` and an
    empty mask the value is NaN: not defined.
    """

    higher_is_better = True
    is_differentiable = True
    full_state_update = False
    unit: ClassVar[str] = "dB"
    squared_error: Tensor
    count: Tensor

    def __init__(self, region: str = "frame", ceiling_db: float = CEILING_DB, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.region = check_region(region)
        self.ceiling_db = ceiling_db
        self.add_state("squared_error", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, result: Tensor, reference: Tensor, mask: Tensor | None = None) -> None:
        """Add a window of any length."""
        total, count = squared_error_sums(result, reference, needed_mask(mask, self.region))
        self.squared_error += total.to(self.squared_error.device)
        self.count += count.to(self.count.device)

    def compute(self) -> Tensor:
        """Decibels over everything added."""
        return psnr_db(self.squared_error, self.count, self.ceiling_db)
