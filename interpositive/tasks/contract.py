"""What a fix must say: how it damages clean frames, and how a request for it lays out the plate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.media.contract import FrameReader
from interpositive.media.plate_colour import PlateColour
from interpositive.tasks.holding_out import AS_PLANNED, TryingOut, hide_elsewhere
from interpositive.tasks.laying_out import Asked, Condition, LaidOut

Lack = Literal["pixels", "frames", "borders", "light", "look"]


class Task(ABC):
    """One kind of fix, taught by the production's own clean frames.

    ``lacks`` is what a shot lacks that this fix gives it: pixels within frames, whole frames, what lies beyond their
    borders, the right light, or another shot's look. Only mini-models that supply it can learn the task. ``asks`` is
    what may be asked at apply time. ``can_be_found`` is whether what it repairs shows, so that a finder can learn to
    see it (``mask=auto``), and ``hangs_any_way`` whether that could as well lie, and be bright for dark.
    ``trying_out`` is what its methods must see where they are tried on the shot.
    """

    name: str
    lacks: ClassVar[Lack] = "pixels"
    asks: ClassVar[type[Asked]] = Asked
    can_be_found: ClassVar[bool] = False
    hangs_any_way: ClassVar[bool] = False
    trying_out: ClassVar[TryingOut] = AS_PLANNED

    @abstractmethod
    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Damage a window of clean frames ``t c h w`` and keep the truth.

        ``damage`` (``t 1 h w``) marks pixels of the window that are themselves
        damaged in the footage: they join the mask, and are never a target.
        ``condition["judged"]`` is where the target is both hidden and true. Everything in ``condition`` is by
        frame, ``t`` first, so that it can be cut into windows.
        """

    def lesson(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """An example to learn from, where that is to show more than what the task is judged on; see :meth:`example`."""
        return self.example(frames, generator, damage)

    def lay_out(self, reader: FrameReader, asked: Asked, colour: PlateColour) -> LaidOut:
        """The plate as it will be delivered, with the mask and the condition that the request implies.

        ``asked`` is of the class ``asks``; ``colour`` gives the values that conditions are in. By
        default it is the plate as it is, and the user's mask. ``ConfigError`` for what does not fit this plate.
        """
        del asked, colour
        return LaidOut(reader)

    def tell(self, frames: Tensor) -> Condition:
        """What laying out would tell of a whole shot ``t c h w`` beside what a request says of it, by frame."""
        del frames
        return {}

    def hold_out(
        self, request: Example, keep: range, generator: torch.Generator, shift_share: tuple[float, float]
    ) -> Example | None:
        """A window of the shot itself with truth, to choose a method on; None where nothing can be held out.

        ``request`` has the window's own mask and condition, and the choice is for the frames ``keep``; the frames
        that ``condition["judged"]`` marks are restored and judged.
        """
        return hide_elsewhere(request, keep, generator, shift_share)
