"""Fills that learn nothing: the baselines that every mini-model must beat."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from interpositive.motion.camera_motion import Homography
from interpositive.motion.propagation import Sweeps, merge_sweeps
from interpositive.motion.spatial_fill import navier_stokes_fill, telea_fill
from interpositive.motion.window_motion import Plane, WindowMotion

LazySweeps = Callable[[], Sweeps]
"""Gives the forward and the backward sweep of a window, made when first asked for."""
ClassicalFill = Callable[[WindowMotion, LazySweeps, int], Plane]

FLOW_OFFSETS = (1, 2, 4, 8)
PLATE_OFFSETS = (1, 2, 4, 8, 12, 16)


def telea(motion: WindowMotion, sweeps: LazySweeps, frame: int) -> Plane:
    """Each frame by itself (Telea, 2004), radius 3."""
    del sweeps
    hole = motion.holes[frame]

    def fill() -> Plane:
        return np.asarray(telea_fill(np.ascontiguousarray(motion.frames[frame]), hole)[hole], np.float32)

    # Other fills begin with it, and write over what they know better.
    return motion.once("telea", frame, fill).copy()


def navier_stokes(motion: WindowMotion, sweeps: LazySweeps, frame: int) -> Plane:
    """Each frame by itself (Bertalmio et al., 2001), radius 3."""
    del sweeps
    hole = motion.holes[frame]
    fill: Plane = navier_stokes_fill(np.ascontiguousarray(motion.frames[frame]), hole)[hole]
    return fill


def temporal_median(motion: WindowMotion, sweeps: LazySweeps, frame: int) -> Plane:
    """A clean plate: the median of frames +-1, 2, 4, 8, 12, 16 as the camera moves; Telea on the rest."""
    filled, hole = telea(motion, sweeps, frame), motion.holes[frame]
    views = []
    for offset in PLATE_OFFSETS:
        for source in (frame - offset, frame + offset):
            if not 0 <= source < motion.num_frames:
                continue
            # A border of NaN, and a hole that spreads to whatever touches it: only what is clear is looked at.
            picture = motion.prefilled(source)(motion.everywhere)
            picture[motion.holes[source]] = np.nan
            views.append(_brought(picture, motion.camera(frame, source))[hole])
    if views:
        stacked = np.stack(views)
        shown = np.isfinite(stacked).all(-1).any(0)
        filled[shown] = np.nanmedian(stacked[:, shown], axis=0)
    return filled


def _brought(picture: Plane, matrix: Homography) -> Plane:
    height, width = picture.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = (float("nan"),) * 3
    warped = cv2.warpPerspective(picture, matrix, (width, height), None, flags, cv2.BORDER_CONSTANT, border)
    return np.asarray(warped, np.float32)


def first_valid_flow(motion: WindowMotion, sweeps: LazySweeps, frame: int) -> Plane:
    """The nearest of frames +-1, 2, 4, 8 whose flow is consistent and lands off the mask; Telea on the rest."""
    filled = telea(motion, sweeps, frame)
    missing = np.ones(len(filled), bool)
    for offset in FLOW_OFFSETS:
        for source in (frame - offset, frame + offset):
            if not 0 <= source < motion.num_frames or not missing.any():
                continue
            x, y, consistent = motion.from_hole(frame, source)
            usable = missing & consistent & motion.clear_at(source, x, y)
            filled[usable] = motion.read_at(motion.prefilled(source), x[usable], y[usable])
            missing &= ~usable
    return filled


def recursive_flow(motion: WindowMotion, sweeps: LazySweeps, frame: int) -> Plane:
    """Forward and backward recursive propagation, the fresher side weighing more; Telea where neither knows."""
    hole, filled = motion.holes[frame], np.array(motion.frames[frame])
    filled[hole] = telea(motion, sweeps, frame)
    forward, backward = (side[frame] for side in sweeps())
    for region, one, other in zip(motion.regions(frame), forward, backward, strict=True):
        inner = region.within(region.core)
        picture, weight = (part[inner] for part in merge_sweeps(one, other))
        seen = hole[region.core] & (weight > 0)
        filled[region.core][seen] = picture[seen]
    return np.asarray(np.clip(filled[hole], *motion.value_range), np.float32)


CLASSICAL_FILLS: dict[str, ClassicalFill] = {
    "telea": telea,
    "navier_stokes": navier_stokes,
    "temporal_median": temporal_median,
    "first_valid_flow": first_valid_flow,
    "recursive_flow": recursive_flow,
}


def classical_fill(name: str, motion: WindowMotion, sweeps: LazySweeps, frame: int) -> tuple[Plane, Plane]:
    """The pixels ``m 3`` of a frame's hole filled by name, and how sure that is, ``m``: half."""
    if not motion.holes[frame].any():
        return np.zeros((0, 3), np.float32), np.zeros(0, np.float32)
    fill = CLASSICAL_FILLS[name](motion, sweeps, frame)
    return fill, np.full(len(fill), 0.5, np.float32)
