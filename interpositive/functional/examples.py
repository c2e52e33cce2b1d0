"""The one thing that tasks make and mini-models take: an example."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from interpositive.errors import MaskError


@dataclass(frozen=True)
class Example:
    """Input, target, mask and condition of one window (or a batch of them).

    ``input`` and ``target`` are ``(b) t c h w`` float in [0, 1] in the plate's
    own encoding; ``mask`` is ``(b) t 1 h w`` in [0, 1], 1 where change is
    allowed. ``target`` is None when a real shot is restored. ``condition``
    holds whatever else a task knows, by name. A window to restore may hold integer
    codes at full scale and a mask of booleans, where the mini-model reads those.
    ``numbers`` (``b``, on the CPU) says which of the prepared examples
    a training batch holds, so that randomness can belong to an example.
    """

    input: Tensor
    mask: Tensor
    target: Tensor | None = None
    condition: dict[str, Tensor] = field(default_factory=dict)
    numbers: Tensor | None = None

    def __post_init__(self) -> None:
        shape, mask_shape = tuple(self.input.shape), tuple(self.mask.shape)
        if len(shape) not in (4, 5):
            raise MaskError("an example needs (b) t c h w frames", found=shape, expected="4 or 5 dimensions")
        if mask_shape != (*shape[:-3], 1, *shape[-2:]):
            raise MaskError(
                "the mask does not fit the frames",
                found=f"mask {mask_shape}, frames {shape}",
                expected=f"mask {(*shape[:-3], 1, *shape[-2:])}",
            )
        if self.target is not None and tuple(self.target.shape) != shape:
            raise MaskError("the target does not fit the input", found=tuple(self.target.shape), expected=shape)

    def to(self, device: torch.device | str) -> Example:
        """The same example on another device."""
        return replace(
            self,
            input=self.input.to(device),
            mask=self.mask.to(device),
            target=None if self.target is None else self.target.to(device),
            condition={name: value.to(device) for name, value in self.condition.items()},
        )
