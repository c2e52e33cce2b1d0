"""Carrying known pixels from frame to frame along the flow, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.reading import places_of
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion

_KNOWN = 0.95


@dataclass(frozen=True)
class Carried:
    """What one sweep brought to a part of a frame: the neighbour warped, where it is known, and how far it came.

    ``picture`` is ``h w 3``; ``known`` is ``h w``; ``age`` counts the frames since a pixel was last seen.
    """

    picture: Plane
    known: Boolean
    age: Plane


class Swept:
    """What one sweep brought to the ``wanted`` frames, read from the frame before whenever it is asked for."""

    def __init__(self, motion: WindowMotion, before: dict[int, _State | None], own: dict[int, _State]) -> None:
        self._motion, self._before, self._own = motion, before, own

    def __getitem__(self, frame: int) -> list[Carried]:
        """By regions."""
        return [self.part(frame, place) for place in range(len(self._motion.regions(frame)))]

    def __iter__(self) -> Iterator[int]:
        return iter(self._own)

    def part(self, frame: int, place: int) -> Carried:
        """One of the frame's regions."""
        state, region = self._before[frame], self._motion.regions(frame)[place]
        if state is not None:
            return state.brought_to(frame, place)
        picture = self._motion.prefilled(frame)(region.box)
        return Carried(picture, np.zeros(region.shape, bool), np.zeros(region.shape, np.float32))

    def seen_before(self, frame: int, raster: MotionRaster) -> tuple[int, Plane, Plane] | None:
        """The neighbour that a frame reads, as it is filled, and how much of it is known, on a raster; None if none."""
        state = self._before[frame]
        if state is None:
            return None
        pixels, everywhere = self._motion.pixels(state.frame), self._motion.everywhere
        filled = pixels.filling(self._motion.frames[state.frame], state.values)
        known = pixels.over(1.0, state.known)
        return state.frame, raster.reduced(filled(everywhere)), raster.reduced(known(everywhere))

    def brought(self, frame: int) -> tuple[Plane, Boolean]:
        """What was brought to the pixels ``m`` of the frame's hole, and which of them are known."""
        return self._own[frame].values, self._own[frame].known

    def mean_age(self, frame: int) -> float | None:
        """Of the pixels of the frame's hole that are known; None if none is."""
        own = self._own[frame]
        return float(own.age[own.known].mean()) if own.known.any() else None


Sweeps = tuple[Swept, Swept]
"""A window swept forward and backward."""


def sweep(motion: WindowMotion, *, backward: bool, wanted: range | None = None) -> Swept:
    """Fill every frame's hole from its predecessor (or successor) in one recursive pass over the window.

    A pixel is known where the frame itself shows it, or where it was read from
    a known pixel of the frame before along consistent flow. Only what ``wanted`` frames ask for is kept (all, if None).
    """
    order: Sequence[int] = range(motion.num_frames)
    if backward:
        order = order[::-1]
    before: dict[int, _State | None] = {}
    own: dict[int, _State] = {}
    state: _State | None = None
    for frame in order:
        last, state = state, _State.first(motion, frame) if state is None else state.next(frame)
        if wanted is None or frame in wanted:
            before[frame], own[frame] = last, state
    return Swept(motion, before, own)


@dataclass(frozen=True)
class _State:
    """Where a sweep stands: what it has for the pixels ``m`` of a frame's hole."""

    motion: WindowMotion
    frame: int
    values: Plane
    known: Boolean
    age: Plane

    @classmethod
    def first(cls, motion: WindowMotion, frame: int) -> _State:
        num = len(motion.pixels(frame))
        return cls(motion, frame, motion.prefill(frame), np.zeros(num, bool), np.zeros(num, np.float32))

    def brought_to(self, frame: int, place: int) -> Carried:
        """What a region of the next frame reads here."""
        box, way = self.motion.regions(frame)[place].box, self.motion.way(frame, self.frame, place)
        return self._read(*places_of(way.flow, box), way.consistent)

    def next(self, frame: int) -> _State:
        """The same for the next frame."""
        x, y, consistent = self.motion.from_hole(frame, self.frame)
        brought = self._read(x, y, consistent)
        values = np.where(brought.known[:, None], brought.picture, self.motion.prefill(frame))
        return _State(self.motion, frame, values, brought.known, brought.age)

    def _read(self, x: Plane, y: Plane, consistent: Boolean) -> Carried:
        motion, pixels = self.motion, self.motion.pixels(self.frame)
        picture = motion.read_at(pixels.filling(motion.frames[self.frame], self.values), x, y, cubic=True)
        known = motion.read_at(pixels.over(1.0, self.known), x, y) > _KNOWN
        age = motion.read_at(pixels.over(0.0, self.age), x, y) + 1.0
        return Carried(picture, known & consistent, age)


def merge_sweeps(forward: Carried, backward: Carried) -> tuple[Plane, NDArray[np.float32]]:
    """Both sweeps in one picture, the fresher weighing more; also the total weight (0 where neither knows)."""
    weights = [side.known / (1.0 + side.age) for side in (forward, backward)]
    total = weights[0] + weights[1]
    blend = weights[0][..., None] * forward.picture + weights[1][..., None] * backward.picture
    return (blend / np.maximum(total, 1e-6)[..., None]).astype(np.float32), total.astype(np.float32)
