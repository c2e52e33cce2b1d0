"""Holes made as small as what they hide: what their own frames show clean is taken out, and counts as known."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from interpositive.functional.threads import in_turn
from interpositive.mini_models.candidate_bank import BankBuilder, BankRecipe, motion_margin_px
from interpositive.mini_models.chosen_once import weights_digest
from interpositive.mini_models.fusing import network_factor
from interpositive.mini_models.kept_finely import KNOWN, NUM_EVIDENCE, Judged, LargePlate
from interpositive.mini_models.kept_plate import LEARNED_ROWS, KeptPlate, thin_parts
from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.reading import read_at
from interpositive.motion.window_frames import CodedFrames, MendedFrames
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion

_FINE_PX = 11
"""What is thicker in pixels of a large frame is judged better on the smaller raster, where it is as thick as taught."""
_MOSTLY, _SURELY = 0.5, 0.8
"""What is kept, of a pixel itself and of one of a smaller raster: there, clean and covered are often one."""


class Looked(NamedTuple):
    """How much of the plate to keep at the pixels ``m`` of a hole, what to add to it there (``m 3``), how surely.

    ``evidence`` (``m 7``) is what that is judged by: what is filled, spread, certainty, how unlike views are and
    whether there is any.
    """

    kept: Plane
    added: Plane
    sure: Plane
    evidence: Plane

    @classmethod
    def nothing(cls, num_pixels: int) -> Looked:
        """Nothing to be kept."""
        kept, added = np.zeros(num_pixels, np.float32), np.zeros((num_pixels, 3), np.float32)
        return cls(kept, added, kept.copy(), np.zeros((num_pixels, NUM_EVIDENCE), np.float32))


class CleanPart(NamedTuple):
    """The ``pixels`` of a hole whose picture is known, ``m`` of them, what they show (``m 3``), and how surely."""

    pixels: HolePixels
    values: Plane
    sure: Plane


Look = Callable[[BankBuilder, int, Boolean], Looked]
"""What is found of a frame's plate, by its banks, where its hole is thin (``h w``)."""
Thin = Callable[[Boolean, int], Boolean]
"""Where a hole ``h w`` is as thin as what may be looked at in frames of so many rows."""


def clean_parts(
    motion: WindowMotion,
    wanted: range,
    recipe: BankRecipe,
    thin_part: Thin,
    look: Look,
    networks: nn.Module,
    keeper: KeptPlate,
    memory: ShotMemory,
) -> dict[int, CleanPart]:
    """What is clean of the holes of a window's ``wanted`` frames, by frame: all that lend, or else windows differ.

    What is left of a hole is narrower to bridge, is compared nearer by, and shows in more of the other frames. Large
    frames are looked at as networks see them, and each beside two neighbours alone, so that the same is found in
    whatever window of a shot by the same ``networks`` if these are in it; the ``memory`` is for that. What of a large
    frame's hole is no thicker than 11 of its own pixels is judged at that size by their ``keeper``: on a smaller
    raster, what is clean of it and what is covered are one pixel.
    """
    seen = _as_networks_see(motion, memory)
    raster = MotionRaster(motion.height, motion.width, seen.height)
    thin = {frame: part for frame in wanted if (part := thin_part(seen.holes[frame], seen.height)).any()}
    if not thin:
        return {}
    builder = BankBuilder(seen, recipe.few())
    builder.find_shared()
    digest, reach = weights_digest(networks), builder.recipe.reach_frames
    device = next(networks.parameters()).device

    def find(frame: int) -> Clean:
        if raster.is_full:
            return _clean(motion, frame, look(builder, frame, thin[frame]))
        fine = thin_part(motion.holes[frame], LEARNED_ROWS) & thin_parts(motion.holes[frame], _FINE_PX)
        looked = look(builder, frame, thin[frame] | raster.touched(fine))
        evidence = _evidence(seen, frame, looked)
        judged = LargePlate(motion.frames[frame], motion.holes[frame], fine, raster, evidence).judged(keeper, device)
        return _joined(motion, frame, fine, judged, _clean_coarsely(motion, seen, raster, frame, looked))

    def once(frame: int) -> Clean:
        if not motion.is_shared:
            return find(frame)
        key = digest, builder.recipe, motion.names_around(frame, reach), min(frame, reach)
        return memory.choices.of(key, lambda: find(frame))

    parts = {}
    for frame, (which, values, sure) in zip(thin, in_turn(once, thin), strict=True):
        if len(which):
            pixels, area = motion.pixels(frame), np.zeros((motion.height, motion.width), bool)
            area[pixels.ys[which], pixels.xs[which]] = True
            parts[frame] = CleanPart(HolePixels(area), values, sure)
    return parts


def some_of(motion: WindowMotion, frames: range) -> WindowMotion:
    """Some frames of a window, one after the other, as a window of their own."""
    assert not isinstance(motion.frames, MendedFrames), "what is narrowed is not cut any more"
    if len(frames) == motion.num_frames:
        return motion
    which = slice(frames.start, frames.stop)
    stored = motion.frames.codes if isinstance(motion.frames, CodedFrames) else motion.frames
    lent = motion.lent and replace(motion.lent, homographies=motion.lent.homographies[which])
    return motion.with_frames(stored[which], motion.holes[which], lent=lent)


def narrowed(motion: WindowMotion, clean: Mapping[int, CleanPart]) -> WindowMotion:
    """The same window with the clean parts of holes put into its frames, by frame, and taken out of the holes."""
    assert not isinstance(motion.frames, MendedFrames), "a window is narrowed once"
    holes = motion.holes.copy()
    for frame, part in clean.items():
        holes[frame, part.pixels.ys, part.pixels.xs] = False
    mended = {frame: (part.pixels, part.values) for frame, part in clean.items()}
    return motion.with_frames(MendedFrames(motion.frames, mended), holes)


def _as_networks_see(motion: WindowMotion, memory: ShotMemory) -> WindowMotion:
    factor = network_factor(motion.height)
    if factor == 1:
        return motion
    raster = MotionRaster(motion.height, motion.width, round(motion.height / factor))
    frames = np.empty((motion.num_frames, *raster.shape, 3), np.float32)
    holes = np.empty((motion.num_frames, *raster.shape), bool)

    def reduce(frame: int) -> None:
        frames[frame] = raster.reduced(np.asarray(motion.frames[frame]))
        holes[frame] = raster.touched(motion.holes[frame])

    deque(in_turn(reduce, range(motion.num_frames)), maxlen=0)
    margin_px = motion_margin_px(*raster.shape)
    shared = memory if motion.is_shared else None
    return WindowMotion(frames, holes, margin_px=margin_px, reduced=True, memory=shared)


Clean = tuple[NDArray[np.int64], Plane, Plane]
"""Which pixels of a hole are clean, what they show (``m 3``), and how surely."""


def _clean(motion: WindowMotion, frame: int, looked: Looked) -> Clean:
    which = np.flatnonzero(looked.kept > _MOSTLY)
    values = motion.pixels(frame).plate(motion.frames[frame], motion.everywhere)[which] + looked.added[which]
    return which, _in_range(motion, values), looked.sure[which]


def _clean_coarsely(
    motion: WindowMotion, seen: WindowMotion, raster: MotionRaster, frame: int, looked: Looked
) -> Clean:
    """What was found on a smaller raster, at the pixels of the hole itself."""
    pixels, (kept, added, sure, _) = motion.pixels(frame), looked
    # What lies outside of the hole is known, and a pixel between is as near to that as it is to the hole. What is added
    # is that of pixels that are kept: of others it is the whole way from what covers them to their filling.
    planes = np.zeros((*raster.shape, 4), np.float32)
    planes[..., 0] = 1.0
    seen.pixels(frame).put(np.column_stack((kept, kept[:, None] * added)), planes, seen.everywhere)
    certainty = np.ones(raster.shape, np.float32)
    seen.pixels(frame).put(sure, certainty, seen.everywhere)
    places = raster.places(pixels.xs.astype(np.float32), pixels.ys.astype(np.float32))
    found = read_at(planes, *places, raster.shape)
    which = np.flatnonzero(found[:, 0] > _SURELY)
    plate = pixels.plate(motion.frames[frame], motion.everywhere)[which]
    values = plate + found[which, 1:] / found[which, :1]
    return which, _in_range(motion, values), read_at(certainty, *places, raster.shape)[which]


def _evidence(seen: WindowMotion, frame: int, looked: Looked) -> Plane:
    """How a hole is bridged and what its plate is judged by, ``h w c`` on the raster that it was looked at on."""
    evidence = np.empty((seen.height, seen.width, 3 + NUM_EVIDENCE), np.float32)
    evidence[..., :3] = evidence[..., 3:6] = seen.frames[frame]
    evidence[..., 6:] = KNOWN
    of_hole = np.column_stack((seen.prefill(frame), looked.evidence))
    seen.pixels(frame).put(of_hole, evidence, seen.everywhere)
    return evidence


def _joined(motion: WindowMotion, frame: int, thin: Boolean, found: Judged, coarsely: Clean) -> Clean:
    """What is clean at the picture's own size where its hole is thin (``h w``), and else as it was found coarsely."""
    pixels = motion.pixels(frame)
    at = pixels.ys, pixels.xs
    is_thin, (which, values, sure) = thin[at], coarsely
    of_coarse, of_fine = ~is_thin[which], np.flatnonzero(is_thin & (found.kept[at] > _MOSTLY))
    order = np.argsort(both := np.concatenate((which[of_coarse], of_fine)), kind="stable")
    fine_values = _in_range(motion, found.values[at][of_fine])
    return (
        both[order],
        np.concatenate((values[of_coarse], fine_values))[order],
        np.concatenate((sure[of_coarse], found.sure[at][of_fine]))[order],
    )


def _in_range(motion: WindowMotion, values: Plane) -> Plane:
    return np.clip(values, *motion.value_range).astype(np.float32)
