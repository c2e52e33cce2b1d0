"""Fills that learn nothing: the baselines that every mini-model must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from interpositive.motion.propagation import Carried, merge_sweeps
from interpositive.motion.spatial_fill import telea_fill
from interpositive.motion.window_motion import Plane, WindowMotion

Sweeps = tuple[Mapping[int, Carried], Mapping[int, Carried]]
ClassicalFill = Callable[[WindowMotion, Sweeps, int], Plane]

FLOW_OFFSETS = (1, 2, 4, 8)


def telea(motion: WindowMotion, sweeps: Sweeps, frame: int) -> Plane:
    """Each frame by itself (Telea, 2004), radius 3."""
    del sweeps
    return telea_fill(motion.frames[frame], motion.holes[frame])


def first_valid_flow(motion: WindowMotion, sweeps: Sweeps, frame: int) -> Plane:
    """The nearest of frames +-1, 2, 4, 8 whose flow is consistent and lands off the mask; Telea on the rest."""
    filled = telea(motion, sweeps, frame).copy()
    missing = motion.holes[frame].copy()
    for offset in FLOW_OFFSETS:
        for source in (frame - offset, frame + offset):
            if not 0 <= source < motion.num_frames or not missing.any():
                continue
            flow = motion.flow(frame, source)
            usable = missing & motion.consistent(frame, source) & motion.clear(source, flow)
            filled[usable] = motion.read(motion.prefilled(source), flow)[usable]
            missing &= ~usable
    return filled


def recursive_flow(motion: WindowMotion, sweeps: Sweeps, frame: int) -> Plane:
    """Forward and backward recursive propagation, the fresher side weighing more; Telea where neither knows."""
    picture, weight = merge_sweeps(sweeps[0][frame], sweeps[1][frame])
    rest = telea(motion, sweeps, frame)
    hole = motion.holes[frame]
    merged = np.where((hole & (weight > 0))[..., None], picture, rest)
    return np.clip(merged, *motion.value_range).astype(np.float32)


CLASSICAL_FILLS: dict[str, ClassicalFill] = {
    "telea": telea,
    "first_valid_flow": first_valid_flow,
    "recursive_flow": recursive_flow,
}


def classical_fill(name: str, motion: WindowMotion, sweeps: Callable[[], Sweeps], frame: int) -> tuple[Plane, Plane]:
    """A frame ``h w 3`` filled by name, and how sure that is, ``h w``: half in the hole. Without one, the frame."""
    hole = motion.holes[frame]
    if not hole.any():
        return motion.frames[frame], np.ones(hole.shape, np.float32)
    return CLASSICAL_FILLS[name](motion, sweeps(), frame), np.where(hole, 0.5, 1.0).astype(np.float32)
