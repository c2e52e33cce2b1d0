"""How many pixels were changed that nobody allowed to change."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from interpositive.errors import MediaError
from interpositive.metrics.checks import check_mask, check_same_size
from interpositive.metrics.contract import UNTOUCHED, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.records.measures import MetricInfo


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


class UntouchedChanged(ShotMetric):
    """``untouched_changed``: pixels outside the mask that are not bit-identical to the plate; only 0 is good."""

    group = UNTOUCHED
    higher_is_better = False
    needs = frozenset({"plate", "mask"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="untouched_changed",
            unit="pixels",
            direction="lower",
            meaning="Pixels outside the mask that are not exactly the plate's; anything but 0 is a fault.",
            headline=True,
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        """The curve is all there is."""

    def _add(self, frame: JudgedFrame) -> None:
        plate, mask = frame.beside.plate, frame.beside.mask
        assert plate is not None and mask is not None
        changed = changed_outside(frame.result[None], plate[None], mask[None])
        self.curves["untouched_changed"].append(float(changed.sum()))

    def shot_values(self) -> dict[str, float]:
        """The count over the open shot; NaN before the first frame."""
        counts = self.curves["untouched_changed"]
        return {"untouched_changed": sum(counts) if counts else math.nan}
