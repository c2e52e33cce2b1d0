"""What every metric refuses: frames that are empty or of other sizes, wrong scales, masks that do not fit."""

from __future__ import annotations

import torch
from torch import Tensor

from interpositive.errors import MaskError, MediaError

LOWEST, HIGHEST = -0.5, 1.5
"""Code values may overshoot [0, 1] by this much; beyond it the scale is wrong (0-255, or -1 to 1)."""


def check_frames(frames: Tensor, name: str, *, batched: bool = True) -> None:
    """Refuse anything but float ``t c h w`` frames (``b t c h w`` too if ``batched``) near [0, 1].

    ``MediaError`` names ``name`` and repeats what was found.
    """
    shape = tuple(frames.shape)
    if len(shape) not in ((4, 5) if batched else (4,)):
        expected = "(b) t c h w" if batched else "t c h w, one shot at a time"
        raise MediaError(f"the {name} has the wrong number of dimensions", found=shape, expected=expected)
    if frames.numel() == 0:
        raise MediaError(f"the {name} is empty", found=shape, expected="one frame or more, none of size 0")
    if not frames.is_floating_point():
        raise MediaError(f"the {name} is not in floating point", found=frames.dtype, expected="code values / max")
    lowest, highest = (float(value) for value in torch.aminmax(frames))
    if not (lowest >= LOWEST and highest <= HIGHEST):
        raise MediaError(
            f"the {name} is not in [0, 1]",
            found=f"values from {lowest:g} to {highest:g}",
            expected=f"0 to 1, overshoot within {LOWEST} to {HIGHEST}",
            remedy="divide the codes by the highest code; look for NaN in the model's output",
        )


def check_same_size(first: Tensor, second: Tensor, first_name: str, second_name: str) -> None:
    """Refuse two stacks of frames that do not have one shape (``MediaError``)."""
    if first.shape != second.shape:
        raise MediaError(
            f"the {first_name} and the {second_name} differ in size",
            found=f"{first_name} {tuple(first.shape)}, {second_name} {tuple(second.shape)}",
            expected="the same shape",
        )


def check_pair(result: Tensor, reference: Tensor, *, batched: bool = True) -> None:
    """Refuse a result and a reference that cannot be compared (``MediaError``)."""
    check_frames(result, "result", batched=batched)
    check_frames(reference, "reference", batched=batched)
    check_same_size(result, reference, "result", "reference")


def check_mask(mask: Tensor, frames: Tensor) -> None:
    """Refuse a mask that does not fit ``frames`` (``(b) t 1 h w``) or leaves [0, 1] (``MaskError``)."""
    shape = tuple(frames.shape)
    expected = (*shape[:-3], 1, *shape[-2:])
    if tuple(mask.shape) != expected:
        raise MaskError(
            "the mask does not fit the frames",
            found=f"mask {tuple(mask.shape)}, frames {shape}",
            expected=f"mask {expected}",
        )
    lowest, highest = (float(value) for value in torch.aminmax(mask))
    if not (lowest >= 0.0 and highest <= 1.0):
        raise MaskError("the mask leaves [0, 1]", found=f"values from {lowest:g} to {highest:g}", expected="0 to 1")


def hole_of(mask: Tensor) -> Tensor:
    """The hole of a soft or hard mask: True where it is above one half."""
    return mask > 0.5
