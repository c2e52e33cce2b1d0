"""Fills that learn nothing: the baselines that every mini-model must beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from interpositive.motion.camera_motion import Homography
from interpositive.motion.propagation import Carried, merge_sweeps
from interpositive.motion.spatial_fill import navier_stokes_fill, telea_fill
from interpositive.motion.window_motion import Plane, WindowMotion

Sweeps = Callable[[], tuple[Mapping[int, Carried], Mapping[int, Carried]]]
"""Gives the forward and the backward sweep of a window, made when first asked for."""
ClassicalFill = Callable[[WindowMotion, Sweeps, int], Plane]

FLOW_OFFSETS = (1, 2, 4, 8)
PLATE_OFFSETS = (1, 2, 4, 8, 12, 16)


def telea(motion: WindowMotion, sweeps: Sweeps, frame: int) -> Plane:
    """Each frame by itself (Telea, 2004), radius 3."""
    del sweeps
    return telea_fill(motion.frames[frame], motion.holes[frame])


def navier_stokes(motion: WindowMotion, sweeps: Sweeps, frame: int) -> Plane:
    """Each frame by itself (Bertalmio et al., 2001), radius 3."""
    del sweeps
    return navier_stokes_fill(motion.frames[frame], motion.holes[frame])


def temporal_median(motion: WindowMotion, sweeps: Sweeps, frame: int) -> Plane:
    """A clean plate: the median of frames +-1, 2, 4, 8, 12, 16 as the camera moves; Telea on the rest."""
    filled = telea(motion, sweeps, frame).copy()
    hole = motion.holes[frame]
    views = []
    for offset in PLATE_OFFSETS:
        for source in (frame - offset, frame + offset):
            if not 0 <= source < motion.num_frames:
                continue
            # A border of NaN, and a hole that spreads to whatever touches it: only what is clear is looked at.
            open_hole = np.where(motion.holes[source], np.nan, 0.0).astype(np.float32)
            picture = motion.prefilled(source) + open_hole[..., None]
            views.append(_brought(picture, motion.camera(frame, source))[hole])
    if views:
        stacked = np.stack(views)
        shown = np.isfinite(stacked).all(-1).any(0)
        stacked = stacked[:, shown]
        filled[tuple(axis[shown] for axis in np.nonzero(hole))] = np.nanmedian(stacked, axis=0)
    return filled


def _brought(picture: Plane, matrix: Homography) -> Plane:
    height, width = picture.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = (float("nan"),) * 3
    warped = cv2.warpPerspective(picture, matrix, (width, height), None, flags, cv2.BORDER_CONSTANT, border)
    return np.asarray(warped, np.float32)


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
    forward, backward = sweeps()
    picture, weight = merge_sweeps(forward[frame], backward[frame])
    rest = telea(motion, sweeps, frame)
    hole = motion.holes[frame]
    merged = np.where((hole & (weight > 0))[..., None], picture, rest)
    return np.clip(merged, *motion.value_range).astype(np.float32)


CLASSICAL_FILLS: dict[str, ClassicalFill] = {
    "telea": telea,
    "navier_stokes": navier_stokes,
    "temporal_median": temporal_median,
    "first_valid_flow": first_valid_flow,
    "recursive_flow": recursive_flow,
}


def classical_fill(name: str, motion: WindowMotion, sweeps: Sweeps, frame: int) -> tuple[Plane, Plane]:
    """A frame ``h w 3`` filled by name, and how sure that is, ``h w``: half in the hole. Without one, the frame."""
    hole = motion.holes[frame]
    if not hole.any():
        return motion.frames[frame], np.ones(hole.shape, np.float32)
    return CLASSICAL_FILLS[name](motion, sweeps, frame), np.where(hole, 0.5, 1.0).astype(np.float32)
