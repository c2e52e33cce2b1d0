"""Carrying known pixels from frame to frame along the flow, forward and backward."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interpositive.motion.window_motion import Boolean, Plane, WindowMotion


@dataclass(frozen=True)
class Carried:
    """What one sweep brought to a frame: the whole neighbour warped, where it is known, and how far it came.

    ``picture`` is ``h w 3``; ``known`` is ``h w``; ``age`` counts the frames since a pixel was last seen.
    """

    picture: Plane
    known: Boolean
    age: Plane


def sweep(motion: WindowMotion, *, backward: bool, wanted: range | None = None) -> dict[int, Carried]:
    """Fill every frame's hole from its predecessor (or successor) in one recursive pass over the window.

    A pixel is known where the frame itself shows it, or where it was read from
    a known pixel of the frame before along consistent flow. Only ``wanted`` frames are kept (all, if None).
    """
    order: Iterable[int] = range(motion.num_frames)
    if backward:
        order = reversed(range(motion.num_frames))
    carried: dict[int, Carried] = {}
    state: Plane | None = None
    known: Boolean = np.zeros(0, bool)
    age: Plane = np.zeros(0, np.float32)
    previous = -1
    for frame in order:
        hole = motion.holes[frame]
        if state is None:
            nothing = np.zeros(hole.shape, bool)
            brought_here = Carried(motion.prefilled(frame), nothing, np.zeros(hole.shape, np.float32))
            state, known, age = motion.prefilled(frame), ~hole, np.zeros(hole.shape, np.float32)
        else:
            flow = motion.flow(frame, previous)
            picture = motion.read(state, flow, cubic=True)
            brought = motion.read(known.astype(np.float32), flow) > 0.95
            brought &= motion.consistent(frame, previous)
            travelled = motion.read(age, flow) + 1.0
            brought_here = Carried(picture, brought, travelled)
            filled = hole & brought
            state = np.where(filled[..., None], picture, motion.prefilled(frame))
            known = ~hole | brought
            age = np.where(hole, travelled, 0.0).astype(np.float32)
        if wanted is None or frame in wanted:
            carried[frame] = brought_here
        previous = frame
    return carried


def merge_sweeps(forward: Carried, backward: Carried) -> tuple[Plane, NDArray[np.float32]]:
    """Both sweeps in one picture, the fresher weighing more; also the total weight (0 where neither knows)."""
    weights = [side.known / (1.0 + side.age) for side in (forward, backward)]
    total = weights[0] + weights[1]
    blend = weights[0][..., None] * forward.picture + weights[1][..., None] * backward.picture
    return (blend / np.maximum(total, 1e-6)[..., None]).astype(np.float32), total.astype(np.float32)
