"""What all fixes share that take something out of the picture: it is drawn over frames whose truth is known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.tasks.contract import Task
from interpositive.tasks.holding_out import PIXELS_PX, TryingOut
from interpositive.tasks.laying_out import Asked
from interpositive.tasks.objects import draw_objects
from interpositive.tasks.other_takes import AskedOfTakes
from interpositive.tasks.wires import coverage_to_mask


class Removal(Task):
    """Something drawn over a window, and the mask that an artist would paint over it.

    Masks are grown by ``mask_margin_px``, drawn between its two ends, as hand-painted ones are. A share of lessons,
    ``object_share``, shows things besides that are neither, masked to their very edge
    (:mod:`interpositive.tasks.objects`).
    """

    asks: ClassVar[type[Asked]] = AskedOfTakes
    can_be_found = True
    trying_out: ClassVar[TryingOut] = TryingOut(long_side_px=PIXELS_PX, tie_db=0.1)
    mask_margin_px: tuple[int, int]
    object_share: float

    @abstractmethod
    def draw_over(
        self, clean: NDArray[np.float32], random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Frames ``t h w 3`` with what is to be removed in every one of them, and its coverage ``t h w`` in [0, 1]."""

    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Draw over every frame of the window; see :class:`interpositive.tasks.contract.Task`."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        clean = rearrange(frames, "t c h w -> t h w c").numpy().astype(np.float32)
        damaged, coverage = self.draw_over(clean, random)
        margin = int(random.integers(self.mask_margin_px[0], self.mask_margin_px[1] + 1))
        drawn_mask = torch.from_numpy(coverage_to_mask(coverage, margin))[:, None]
        # Traces too faint for the mask to hold are taken back: what is not masked is true.
        damaged = np.where(drawn_mask[:, 0, :, :, None].numpy() > 0, damaged, clean)
        known_damage = torch.zeros_like(drawn_mask) if damage is None else (damage > 0).to(drawn_mask.dtype)
        return Example(
            input=rearrange(torch.from_numpy(damaged), "t h w c -> t c h w"),
            mask=torch.maximum(drawn_mask, known_damage),
            target=frames,
            condition={"judged": drawn_mask * (1.0 - known_damage)},
        )

    def lesson(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """As :meth:`example`, some with things in the way that are not what the task removes."""
        plain = self.example(frames, generator, damage)
        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        if random.random() >= self.object_share:
            return plain
        shown = rearrange(plain.input, "t c h w -> t h w c").numpy().astype(np.float32)
        drawn, coverage = draw_objects(shown, random)
        hidden = torch.from_numpy(coverage_to_mask(coverage, 0))[:, None]
        known_damage = torch.zeros_like(hidden) if damage is None else (damage > 0).to(hidden.dtype)
        return Example(
            input=torch.where(hidden > 0, rearrange(torch.from_numpy(drawn), "t h w c -> t c h w"), plain.input),
            mask=torch.maximum(plain.mask, hidden),
            target=frames,
            condition={"judged": torch.maximum(plain.condition["judged"], hidden * (1.0 - known_damage))},
        )


def ends_of(span: Sequence[float]) -> tuple[float, float]:
    """The two ends of a range of numbers."""
    low, high = span
    return float(low), float(high)
