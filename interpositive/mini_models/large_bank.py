"""Candidates for the holes of large frames: seen and compared on a smaller raster, copied at the frames' own size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from interpositive.mini_models.candidate_bank import (
    CAMERA,
    FLOW,
    NUM_SPATIAL,
    RECURSIVE,
    Bank,
    BankBuilder,
    View,
    assembled,
)
from interpositive.mini_models.view_comparing import pool_sigma_px
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.reading import inside, read_at
from interpositive.motion.region_seen import Aim, RegionSeen
from interpositive.motion.window_motion import Boolean, Plane

_MOSTLY = 0.5


@dataclass(frozen=True)
class LargeBank:
    """The candidates for a region of a large frame, ``n`` of them.

    ``seen`` is their bank on a smaller raster, beside the ``plate`` and how it is ``prefilled`` (``h w 3``); ``hole``
    is where any of that raster's pixels is the frame's hole (``h w`` of all of it). ``copied`` (``n m 3``) are their
    pixels of the hole at the frame's own size, of which they show those ``valid`` (``n m``); ``error`` (``n m``) is
    that of ``seen``, enlarged. Which pixels these are, ``at`` says.
    """

    at: RegionSeen
    plate: Plane
    prefilled: Plane
    hole: Boolean
    seen: Bank
    copied: NDArray[np.float32]
    valid: NDArray[np.bool_]
    error: NDArray[np.float32]


class _LargeView(NamedTuple):
    """A view on the smaller raster, and which of the hole's pixels it shows at the frame's own size (``m``).

    ``copied`` reads those (``m 3``), which is left until it is known which views are candidates.
    """

    seen: View
    copied: Callable[[], Plane]
    shows: Boolean


def build_large(builder: BankBuilder, frame: int, raster: MotionRaster) -> Iterator[LargeBank]:
    """The bank of each region of a large frame, whose views are seen on a raster: the candidates of ``build_near``."""
    shown = _FrameSeen(builder, frame, raster)
    for place in builder.places(frame):
        yield _Region(builder, shown, RegionSeen(builder.motion, raster, frame, place)).bank()


class _FrameSeen:
    """What all regions of a frame share on the smaller raster."""

    def __init__(self, builder: BankBuilder, frame: int, raster: MotionRaster) -> None:
        motion = builder.motion
        self.plate = raster.reduced(np.asarray(motion.frames[frame]))
        self.prefilled = motion.seen_on(raster, frame)
        self.stiff = raster.reduced(motion.bridged(frame)[0](motion.everywhere))
        self.hole = raster.touched(motion.holes[frame])
        self.around = ~raster.touched(motion.distrusted(frame))
        self.before = [side.seen_before(frame, raster) for side in builder.sweeps] if builder.recipe.recursive else []


class _Region:
    """How the bank of a region is built."""

    def __init__(self, builder: BankBuilder, shown: _FrameSeen, at: RegionSeen) -> None:
        self._builder, self._motion, self._shown, self._at = builder, builder.motion, shown, at

    def bank(self) -> LargeBank:
        """The candidates that show a pixel of the region's hole, the spatial ones before them."""
        at, shown, box = self._at, self._shown, self._at.region.box
        views = [view for view in self._views() if view.shows.any()]
        num, prefilled, stiff = NUM_SPATIAL + len(views), shown.prefilled[box], shown.stiff[box]
        plate, hole = np.ascontiguousarray(shown.plate[box]), shown.hole[box]
        levels = np.zeros((num, *hole.shape, 4), np.float32)
        # What is filled in lies midway between the two bridges.
        bridged, seen_views = [stiff, 2.0 * prefilled - stiff], [view.seen for view in views]
        sigma_px = pool_sigma_px(min(at.raster.shape))
        seen = assembled(plate, hole, shown.around[box], bridged, seen_views, sigma_px, num, levels[..., :3])
        levels[..., 3] = seen.error
        core = at.region.core
        chosen = seen.fitting(at.region.within(core), shown.hole[core])
        seen = seen.only(chosen)
        copied = np.zeros((len(chosen), len(at.which), 3), np.float32)
        valid = np.ones((len(chosen), len(at.which)), bool)
        error = np.empty((len(chosen), len(at.which)), np.float32)
        for index, values in enumerate(self._motion.bridges(at.frame)):
            copied[index], error[index] = values[at.which], at.between(seen.error[index])
        for index, number in enumerate(chosen[NUM_SPATIAL:], NUM_SPATIAL):
            view, added = views[number - NUM_SPATIAL], at.between(levels[number])
            copied[index], error[index], valid[index] = view.copied() + added[:, :3], added[:, 3], view.shows
            if view.seen.lent >= 0:
                valid[index] &= at.between(seen.valid[index].astype(np.float32)) > _MOSTLY
        copied[~valid] = 0.0
        return LargeBank(at, plate, prefilled, shown.hole, seen, copied, valid, error)

    def _views(self) -> Iterator[_LargeView]:
        recipe, motion, frame = self._builder.recipe, self._motion, self._at.frame
        for offset in recipe.flow_offsets:
            for source in self._builder.sources(frame, offset):
                yield from self._by_aim(source, self._at.by_flow(source), FLOW, offset)
        if recipe.recursive:
            for number in range(len(self._shown.before)):
                yield from self._by_sweep(number)
        for offset in recipe.camera_offsets:
            for source in self._builder.sources(frame, offset):
                yield from self._by_aim(source, self._at.by_camera(source), CAMERA, offset)
        for lent in () if motion.lent is None else motion.lent.lent_to(frame):
            yield from self._by_loan(lent)

    def _by_aim(self, source: int, aim: Aim, kind: int, offset: int) -> Iterator[_LargeView]:
        motion, at = self._motion, self._at
        shows = aim.own_usable & motion.clear_at(source, aim.own_x, aim.own_y)
        if not shows.any():
            return
        x, y = at.raster.places(aim.x, aim.y)
        picture = read_at(motion.seen_on(at.raster, source), x, y, at.raster.shape, cubic=True)
        # Of what is seen most is to be clear; of what is copied all.
        clear = read_at(motion.hole_share(at.raster, source), x, y, at.raster.shape) < _MOSTLY
        copy = partial(self._own_pixels, source, aim)
        yield _LargeView(View(picture, aim.usable & clear, kind, float(offset)), copy, shows)

    def _own_pixels(self, source: int, aim: Aim) -> Plane:
        return self._motion.read_at(self._motion.prefilled(source), aim.own_x, aim.own_y, cubic=True)

    def _by_sweep(self, number: int) -> Iterator[_LargeView]:
        at, side = self._at, self._builder.sweeps[number]
        before, (values, known) = self._shown.before[number], side.brought(at.frame)
        if before is None or not known[at.which].any():
            return
        source, filled, share = before
        aim = at.by_flow(source)
        x, y = at.raster.places(aim.x, aim.y)
        picture = read_at(filled, x, y, at.raster.shape, cubic=True)
        usable = aim.usable & (read_at(share, x, y, at.raster.shape) > _MOSTLY)
        view = View(picture, usable, RECURSIVE, side.mean_age(at.frame) or 1.0)
        yield _LargeView(view, partial(values.__getitem__, at.which), known[at.which])

    def _by_loan(self, number: int) -> Iterator[_LargeView]:
        """What a frame of another take shows. To a network it is a far view by the camera's motion, which it is."""
        lent, at = self._motion.lent, self._at
        assert lent is not None
        distance = float(max((*self._builder.recipe.camera_offsets, 1)))
        picture = lent.frames[number]
        height, width = picture.shape[:2]
        raster = MotionRaster(height, width, round(height * at.raster.shape[0] / at.raster.full[0]))
        smaller = raster.reduced(picture)
        for flow_of in self._builder.lent_ways(at.frame, number):
            aim = at.by_field(flow_of)
            shows = inside(aim.own_x, aim.own_y, height, width)
            copy = partial(read_at, picture, aim.own_x, aim.own_y, (height, width), cubic=True)
            x, y = raster.places(aim.x, aim.y)
            seen = read_at(smaller, x, y, raster.shape, cubic=True)
            yield _LargeView(View(seen, inside(x, y, *raster.shape), CAMERA, distance, number), copy, shows)
