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
from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.reading import read_at
from interpositive.motion.window_frames import CodedFrames, MendedFrames
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion

_MOSTLY, _SURELY = 0.5, 0.8
"""What is kept, of a pixel itself and of one of a smaller raster: there, clean and covered are often one."""


class Looked(NamedTuple):
    """How much of the plate to keep at the pixels ``m`` of a hole, what to add to it there (``m 3``), how surely."""

    kept: Plane
    added: Plane
    sure: Plane

    @classmethod
    def nothing(cls, num_pixels: int) -> Looked:
        """Nothing to be kept."""
        kept, added = np.zeros(num_pixels, np.float32), np.zeros((num_pixels, 3), np.float32)
        return cls(kept, added, kept.copy())


class CleanPart(NamedTuple):
    """The ``pixels`` of a hole whose picture is known, ``m`` of them, what they show (``m 3``), and how surely."""

    pixels: HolePixels
    values: Plane
    sure: Plane


Look = Callable[[BankBuilder, int, Boolean], Looked]
"""What is found of a frame's plate, by its banks, where its hole is thin (``h w``)."""


def clean_parts(
    motion: WindowMotion,
    wanted: range,
    recipe: BankRecipe,
    thin_part: Callable[[Boolean], Boolean],
    look: Look,
    networks: nn.Module,
    memory: ShotMemory,
) -> dict[int, CleanPart]:
    """What is clean of the holes of a window's ``wanted`` frames, by frame: all that lend, or else windows differ.

    What is left of a hole is narrower to bridge, is compared nearer by, and shows in more of the other frames. Large
    frames are looked at as networks see them, and each beside two neighbours alone, so that the same is found in
    whatever window of a shot by the same ``networks`` if these are in it; the ``memory`` is for that.
    """
    seen = _as_networks_see(motion, memory)
    raster = MotionRaster(motion.height, motion.width, seen.height)
    thin = {frame: part for frame in wanted if (part := thin_part(seen.holes[frame])).any()}
    if not thin:
        return {}
    builder = BankBuilder(seen, recipe.few())
    builder.find_shared()
    digest, reach = weights_digest(networks), builder.recipe.reach_frames

    def once(frame: int) -> Looked:
        if not seen.is_shared:
            return look(builder, frame, thin[frame])
        key = digest, builder.recipe, seen.names_around(frame, reach), min(frame, reach)
        return memory.choices.of(key, lambda: look(builder, frame, thin[frame]))

    parts = (_clean(motion, seen, raster, frame, found) for frame, found in zip(thin, in_turn(once, thin), strict=True))
    return {frame: part for frame, part in zip(thin, parts, strict=True) if len(part.pixels)}


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


def _clean(motion: WindowMotion, seen: WindowMotion, raster: MotionRaster, frame: int, looked: Looked) -> CleanPart:
    """What was found on a smaller raster, at the pixels of the hole itself."""
    pixels, (kept, added, sure) = motion.pixels(frame), looked
    if raster.is_full:
        which = kept > _MOSTLY
    else:
        # What lies outside of the hole is known, and a pixel between is as near to that as it is to the hole. What is
        # added is that of pixels that are kept: of others it is the whole way from what covers them to their filling.
        planes = np.zeros((*raster.shape, 4), np.float32)
        planes[..., 0] = 1.0
        seen.pixels(frame).put(np.column_stack((kept, kept[:, None] * added)), planes, seen.everywhere)
        certainty = np.ones(raster.shape, np.float32)
        seen.pixels(frame).put(sure, certainty, seen.everywhere)
        places = raster.places(pixels.xs.astype(np.float32), pixels.ys.astype(np.float32))
        found = read_at(planes, *places, raster.shape)
        kept, sure = found[:, 0], read_at(certainty, *places, raster.shape)
        which = kept > _SURELY
        added = found[:, 1:] / np.maximum(kept, _SURELY)[:, None]
    area: NDArray[np.bool_] = np.zeros((motion.height, motion.width), bool)
    area[pixels.ys[which], pixels.xs[which]] = True
    values = pixels.plate(motion.frames[frame], motion.everywhere)[which] + added[which]
    return CleanPart(HolePixels(area), np.clip(values, *motion.value_range).astype(np.float32), sure[which])
