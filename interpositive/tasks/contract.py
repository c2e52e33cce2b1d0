"""What a fix must say: how it damages clean frames, and how a request for it becomes an example."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from interpositive.functional.examples import Example


class Task(ABC):
    """One kind of fix, taught by the production's own clean frames."""

    name: str

    @abstractmethod
    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Damage a window of clean frames ``t c h w`` and keep the truth.

        ``damage`` (``t 1 h w``) marks pixels of the window that are themselves
        damaged in the footage: they join the mask, and are never a target.
        ``condition["judged"]`` is where the target is both hidden and true.
        """

    def request(self, frames: Tensor, mask: Tensor) -> Example:
        """A window of a real shot and its mask, as the same kind of example without a target."""
        return Example(input=frames, mask=mask)
