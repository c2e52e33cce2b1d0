"""What of a mini-model other programs can run: a module, its tensors by name, and what it is tried on."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Port:
    """A tensor that goes in or comes out; ``axes`` are its sizes in order, as in ``batch 3 height width``.

    A word is an axis of any size, the same wherever the word stands; a number is one of that size.
    """

    name: str
    axes: str
    meaning: str

    @property
    def free_axes(self) -> dict[int, str]:
        """The axes of any size, by place."""
        return {place: axis for place, axis in enumerate(self.axes.split()) if not axis.isdigit()}

    @property
    def num_channels(self) -> int:
        """Of a picture ``batch c height width``."""
        return int(self.axes.split()[1])


@dataclass(frozen=True)
class Exportable:
    """One file that another program runs.

    ``module`` takes the tensors of ``inputs`` and gives those of ``outputs``, a tuple, in this order. ``trials`` are
    sets of inputs: the file is made with the first, and must give what the module gives on all. They should differ in
    every free axis. ``is_node`` is for a compositing program: every tensor is a picture ``batch c height width`` of
    1 (matte), 3 (RGB) or 4 channels (RGBA).
    """

    name: str
    purpose: str
    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    trials: tuple[tuple[Tensor, ...], ...]
    is_node: bool = False
