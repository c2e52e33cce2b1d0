"""How many pixels were changed that nobody allowed to change."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from interpositive.errors import MediaError
from interpositive.metrics.checks import check_mask, check_same_size


def changed_outside(result: Tensor, plate: Tensor, mask: Tensor) -> Tensor:
    """True (``(b) t h w``) at pixels outside the mask where any channel differs from the plate.

    ``result`` and ``plate`` are ``(b) t c h w`` of one dtype, integer codes or
    float; the comparison is exact. Outside is where the mask (``(b) t 1 h w``) is
    0: a soft edge belongs to the part that may change. NaN differs from everything.
    ``MediaError`` for other sizes or dtypes, ``MaskError`` for a mask that does not fit.
    """
    if result.ndim not in (4, 5) or result.numel() == 0:
        raise MediaError("no frames to compare", found=tuple(result.shape), expected="(b) t c h w, not empty")
    check_same_size(result, plate, "result", "plate")
    if result.dtype != plate.dtype:
        raise MediaError(
            "the result and the plate are kept in different types",
            found=f"result {result.dtype}, plate {plate.dtype}",
            expected="one type: a conversion can hide or make a difference",
        )
    check_mask(mask, result)
    return (result != plate).any(-3) & (mask[..., 0, :, :] == 0)


class UntouchedChanged(Metric):
    """Number of pixels outside the mask that are not bit-identical to the plate; 0 is the only good value."""

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    unit: ClassVar[str] = "pixels"
    changed: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("changed", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, result: Tensor, plate: Tensor, mask: Tensor) -> None:
        """Add a window of any length."""
        self.changed += changed_outside(result, plate, mask).sum().to(self.changed.device)

    def compute(self) -> Tensor:
        """The count over everything added, an integer."""
        return self.changed
