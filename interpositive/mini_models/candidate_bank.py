"""Real pixels for a hole: every aligned view of it that the window holds, with how well each fits around the hole."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from interpositive.functional.examples import Example
from interpositive.functional.threads import in_turn
from interpositive.mini_models.view_comparing import (
    ERROR_WHERE_UNKNOWN,
    GRAIN_SIGMA_PX,
    LEAST_DETAIL,
    level_and_compare,
    level_and_compare_throughout,
    pool_sigma_px,
    shows_the_same,
)
from interpositive.motion.hole_regions import Box, Region, whole_frame
from interpositive.motion.lent_frames import LentFrames
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.propagation import Sweeps, sweep
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion, channel_mean

KINDS = ("spatial", "flow", "recursive", "camera")
_, FLOW, RECURSIVE, CAMERA = range(len(KINDS))

LOOKED_AT_PX, _COMPARED_PX = 16, 24
"""What a network sees around a hole, and how far around it views are compared at least."""
_MOST_CANDIDATES = 10
"""As many as training shows at a time. More of the shot's own, most of which are much alike, change nothing but the
time; what other takes lend is none of these."""
SPATIAL_ERROR = 0.03
_DEEPER_IS_WORSE = 0.5
_LEAST_LENT = 0.03
"""The share of a region's hole that another take must show."""
_FITS = 0.02
"""The error at which a view counts for a third of one without any, as to an untrained choice."""
_ENOUGH_FOR_A_MAJORITY = 3
NUM_SPATIAL = 2
"""The first candidates of a bank are bridged from the frame itself: stiff and along lines, then slack."""


@dataclass(frozen=True)
class BankRecipe:
    """Which views are gathered: flow and camera offsets in frames, and whether recursive sweeps and loans join."""

    flow_offsets: tuple[int, ...] = (1, 2, 4, 8)
    camera_offsets: tuple[int, ...] = (2, 4, 8, 16)
    recursive: bool = True
    lent: bool = True

    def few(self) -> BankRecipe:
        """The few views of this shot's frames that tell what of a plate is clean; the same in whatever window."""
        return BankRecipe(self.flow_offsets[:2][-1:], (), recursive=False, lent=False)

    @property
    def reach_frames(self) -> int:
        """The farthest frame that can lend a pixel directly."""
        return max((*self.flow_offsets, *self.camera_offsets, 1))

    @property
    def num_candidates(self) -> int:
        """Candidates a frame well inside its window has, the spatial ones included."""
        return NUM_SPATIAL + 2 * (len(self.flow_offsets) + len(self.camera_offsets)) + 2 * self.recursive


@dataclass(frozen=True)
class Bank:
    """The candidates for a part of a frame, ``n`` of them, padded with invalid ones to a fixed number.

    ``pictures`` is ``n h w 3``; ``valid`` and ``error`` are ``n h w`` (error: mean absolute
    difference around the hole, Gaussian-pooled, in [0, 1] code values); ``kinds`` and
    ``distances`` (in frames) are ``n``. The first ``NUM_SPATIAL`` are the spatial fills. ``lent`` (``n``) says which
    frame of other takes a candidate shows, -1 for those of the shot itself.
    """

    pictures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    error: NDArray[np.float32]
    kinds: NDArray[np.int64]
    distances: NDArray[np.float32]
    lent: NDArray[np.int64]

    def part(self, box: Box) -> Bank:
        """Some rows and columns of it."""
        everything = (slice(None), *box)
        return replace(
            self, pictures=self.pictures[everything], valid=self.valid[everything], error=self.error[everything]
        )

    def fitting(self, part: Box, hole: Boolean) -> NDArray[np.int64]:
        """Ten of its candidates, and all that are lent: the spatial ones, and those that fit best around a ``hole``.

        That is ``h w``, of a ``part`` of the bank.
        """
        is_lent = self.lent >= 0
        if np.count_nonzero(self.lent < 0) <= _MOST_CANDIDATES:
            return np.arange(len(is_lent))
        everywhere = (slice(None), *part)
        fit = np.exp(-self.error[everywhere][:, hole] / _FITS) * self.valid[everywhere][:, hole]
        share = (fit / fit.sum(0)).sum(1)
        share[:NUM_SPATIAL], share[is_lent] = np.inf, -np.inf
        best = np.argsort(-share, kind="stable")[:_MOST_CANDIDATES]
        return np.union1d(best, np.flatnonzero(is_lent))

    def only(self, which: NDArray[np.int64]) -> Bank:
        """Some of its candidates; itself, if all."""
        return self if len(which) == len(self.kinds) else Bank(*(each[which] for each in vars(self).values()))

    def coverage(self, hole: Boolean) -> float:
        """The share of the hole that any real view shows; 1 for an empty hole."""
        seen = np.logical_or.reduce(self.valid[NUM_SPATIAL:], axis=0)
        return float(seen[hole].mean()) if hole.any() else 1.0


@dataclass(frozen=True)
class View:
    """One way to see a region of a frame: its picture ``h w 3`` and where that is of use, ``h w``.

    ``lent`` is which frame of other takes it shows, -1 if none.
    """

    picture: Plane
    usable: Boolean
    kind: int
    distance: float
    lent: int = -1


class BankBuilder:
    """Builds the banks of a window's ``wanted`` frames (all, if None); the recursive sweeps are shared."""

    def __init__(self, motion: WindowMotion, recipe: BankRecipe, wanted: range | None = None) -> None:
        self.motion = motion
        self._wanted = wanted
        self.recipe = recipe
        self._sweeps: Sweeps | None = None
        self.lent = motion.lent if recipe.lent else None
        self.lent_ways = cache(motion.lent_ways)

    @property
    def sweeps(self) -> Sweeps:
        """The forward and the backward recursive sweep over the window."""
        if self._sweeps is None:
            ways = in_turn(lambda backward: sweep(self.motion, backward=backward, wanted=self._wanted), (False, True))
            forward, backward = ways
            self._sweeps = forward, backward
        return self._sweeps

    def find_shared(self) -> None:
        """Find what the banks of all frames share, so that these can be built side by side."""
        # Each by one thread: two that look at neighbours would both bridge the frame between them.
        deque(in_turn(self.motion.prefill, range(self.motion.num_frames)), maxlen=0)
        if self.recipe.recursive or self.recipe.camera_offsets:
            deque(in_turn(self.motion.link, range(self.motion.num_frames - 1)), maxlen=0)
        if self.recipe.camera_offsets:
            self.motion.camera(0, 0)
        if self.recipe.recursive:
            self._sweeps = self.sweeps

    def build(self, frame: int) -> Bank:
        """The bank of a whole frame."""
        whole = whole_frame((self.motion.height, self.motion.width))
        assert self.motion.regions(frame) == [whole], "its motion is found near holes alone"
        return self._assemble(frame, whole, list(self._views(frame, 0)))

    def places(self, frame: int, where: Boolean | None = None) -> Iterator[int]:
        """The regions of a frame that hold a pixel of its hole, or of ``where`` (``h w``)."""
        wanted = self.motion.holes[frame] if where is None else where
        for place, region in enumerate(self.motion.regions(frame)):
            if wanted[region.core].any():
                yield place

    def build_near(self, frame: int, where: Boolean | None = None) -> Iterator[tuple[Region, Bank]]:
        """Of each of a frame's :meth:`places` the bank of what shows a pixel of its hole, :meth:`Bank.fitting` best.

        One at a time, for what banks are made of is larger than the frame.
        """
        for place in self.places(frame, where):
            region = self.motion.regions(frame)[place]
            inner, hole = region.within(region.core), self.motion.holes[frame][region.core]
            shown = [view for view in self._views(frame, place) if (view.usable[inner] & hole).any()]
            bank = self._assemble(frame, region, shown, NUM_SPATIAL + len(shown))
            yield region, bank.only(bank.fitting(inner, hole))

    def _views(self, frame: int, place: int) -> Iterator[View]:
        """The views of one of a frame's regions."""
        recipe, lent = self.recipe, self.lent
        for offset in recipe.flow_offsets:
            for source in self.sources(frame, offset):
                flow, consistent = self.motion.way(frame, source, place)
                yield self._warped(frame, source, place, flow, consistent, FLOW, offset)
        if recipe.recursive:
            for side in self.sweeps:
                if (part := side.part(frame, place)).known.any():
                    yield View(part.picture, part.known, RECURSIVE, side.mean_age(frame) or 1.0)
        for offset in recipe.camera_offsets:
            for source in self.sources(frame, offset):
                flow = self.motion.way_by_camera(frame, source, place)
                inside = self.motion.inside(flow, self.motion.regions(frame)[place].box)
                yield self._warped(frame, source, place, flow, inside, CAMERA, offset)
        for number in [] if lent is None else lent.lent_to(frame):
            yield from self._by_loan(frame, number, place)

    def _warped(
        self, frame: int, source: int, place: int, flow: Plane, usable: Boolean, kind: int, offset: int
    ) -> View:
        motion, box = self.motion, self.motion.regions(frame)[place].box
        seen = motion.read(motion.prefilled(source), flow, box, cubic=True)
        return View(seen, usable & motion.clear(source, flow, box), kind, float(offset))

    def _by_loan(self, frame: int, number: int, place: int) -> Iterator[View]:
        """What a frame of another take shows. To a network it is a far view by the camera's motion, which it is."""
        motion, box = self.motion, self.motion.regions(frame)[place].box
        assert self.lent is not None
        picture, distance = self.lent.frames[number], float(max((*self.recipe.camera_offsets, 1)))
        for flow_of in self.lent_ways(frame, number):
            flow = flow_of(box)
            yield View(motion.read(picture, flow, box, cubic=True), motion.inside(flow, box), CAMERA, distance, number)

    def sources(self, frame: int, offset: int) -> list[int]:
        """The frames so far before and after one."""
        return [s for s in (frame - offset, frame + offset) if 0 <= s < self.motion.num_frames]

    def _assemble(self, frame: int, region: Region, views: list[View], num: int | None = None) -> Bank:
        motion, box = self.motion, region.box
        sigma_px = pool_sigma_px(min(motion.height, motion.width))
        num = max(self.recipe.num_candidates, NUM_SPATIAL + len(views)) if num is None else num
        target = np.ascontiguousarray(motion.frames[frame][box])
        around, hole = ~motion.distrusted(frame)[box], motion.holes[frame][box]
        return assembled(
            target, hole, around, [bridged(box) for bridged in motion.bridged(frame)], views, sigma_px, num
        )


def assembled(
    target: Plane,
    hole: Boolean,
    around: Boolean,
    bridged: Sequence[Plane],
    views: list[View],
    sigma_px: float,
    num: int,
    shifts: NDArray[np.float32] | None = None,
) -> Bank:
    """A bank of ``num`` candidates for a part of a frame ``h w 3``: how it was ``bridged``, and ``views``.

    These are compared where ``around`` (``h w``) its ``hole`` the frame is to be trusted, and emptied. What brings each
    to the frame's level is written to ``shifts`` (``n h w 3``).
    """
    pictures = np.zeros((num, *hole.shape, 3), np.float32)
    valid = np.zeros((num, *hole.shape), bool)
    error = np.full((num, *hole.shape), ERROR_WHERE_UNKNOWN, np.float32)
    kinds = np.zeros(num, np.int64)
    distances = np.zeros(num, np.float32)
    lent = np.full(num, -1, np.int64)
    pictures[:NUM_SPATIAL] = bridged
    valid[:NUM_SPATIAL] = True
    error[:NUM_SPATIAL] = _bridge_error(hole, sigma_px)
    # Both are of the spatial kind; the distance tells the slack one from the stiff one.
    distances[1] = 1.0
    for index in range(NUM_SPATIAL, NUM_SPATIAL + len(views)):
        # Together they take as much as the bank: none stays once it is in.
        view = views.pop(0)
        kinds[index], distances[index], lent[index] = view.kind, view.distance, view.lent
        picture, usable = view.picture, view.usable
        if view.lent >= 0:
            # Whatever does not fit around the hole is of another place, or shows something else.
            usable = usable & shows_the_same(picture, target, around & usable, sigma_px)
            # A few specks of a hole fit any picture by chance.
            if (usable & hole).sum() < _LEAST_LENT * hole.sum():
                continue
        if not usable.any():
            continue
        compare = level_and_compare_throughout if view.kind == CAMERA else level_and_compare
        levelled, error[index] = compare(picture, target, around & usable, sigma_px)
        pictures[index] = levelled * usable[..., None]
        valid[index] = usable
        if shifts is not None:
            np.subtract(levelled, picture, out=shifts[index])
    _doubt_outsiders(pictures, valid, error, lent, hole)
    return Bank(pictures, valid, error, kinds, distances, lent)


def _bridge_error(hole: Boolean, sigma_px: float) -> Plane:
    """What is expected of a bridge, ``h w``: more, the deeper it lies in the hole."""
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    deeper = np.maximum(0.0, depth - sigma_px) / sigma_px
    return np.asarray(SPATIAL_ERROR * (1.0 + _DEEPER_IS_WORSE * deeper), np.float32)


def _doubt_outsiders(
    pictures: NDArray[np.float32],
    valid: NDArray[np.bool_],
    error: NDArray[np.float32],
    lent: NDArray[np.int64],
    hole: Boolean,
) -> None:
    """Add to the error of what other takes lend how far it is from what most of them show.

    Where somebody walks through one of them, right where the hole is, the others show the set.
    """
    ys, xs = np.nonzero(hole)
    lending = np.flatnonzero(lent >= 0)
    if len(set(lent[lending].tolist())) < _ENOUGH_FOR_A_MAJORITY or not len(ys):
        return
    box = (slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1))
    known = valid[lending][:, *box]
    shown = np.where(known[..., None], pictures[lending][:, *box], np.nan)
    # Where none of them shows anything there is no median.
    shown[:, ~known.any(0)] = 0.0
    middle = np.nanmedian(shown, axis=0)
    for index, picture in zip(lending, shown, strict=True):
        apart = channel_mean(np.nan_to_num(np.abs(picture - middle)).astype(np.float32))
        apart = np.asarray(cv2.GaussianBlur(apart, (0, 0), GRAIN_SIGMA_PX), np.float32)
        error[index][box] += np.maximum(0.0, apart - LEAST_DETAIL)


def motion_of(example: Example) -> WindowMotion:
    """The motion of a window ``t c h w``, found over whole frames."""
    return WindowMotion(*_frames_and_masks(example), lent=lent_frames_of(example))


def motion_near_holes(example: Example, memory: ShotMemory, motion_rows: int | None = None) -> WindowMotion:
    """The motion of a window ``t c h w``, found around its holes, as far as views are compared and looked at.

    The frames are not copied; windows share the memory, which this one begins to ask. Of frames of more than
    ``motion_rows`` it is found at that height.
    """
    margin_px = motion_margin_px(*example.input.shape[-2:])
    frames, masks = _frames_and_masks(example)
    lent = lent_frames_of(example)
    memory.begin_window()
    return WindowMotion(frames, masks, margin_px=margin_px, motion_rows=motion_rows, memory=memory, lent=lent)


def motion_margin_px(height: int, width: int) -> int:
    """How far around holes of frames of a size views are compared and looked at."""
    return max(_COMPARED_PX, round(2.0 * pool_sigma_px(min(height, width))))


def lent_frames_of(example: Example) -> LentFrames | None:
    """What other takes lend to a window, as :class:`~interpositive.tasks.other_takes.LentByTakes` tells it."""
    if "lent_frames" not in example.condition:
        return None
    pictures = rearrange(example.condition["lent_frames"].cpu(), "m c h w -> m h w c").numpy()
    are_known = "lent_are_known" in example.condition
    return LentFrames(pictures, example.condition["lent_homographies"].cpu().numpy(), are_known)


def _frames_and_masks(example: Example) -> tuple[NDArray[Any], Plane | Boolean]:
    frames = example.input.cpu()
    if frames.is_floating_point():
        frames = frames.float().contiguous()
    return rearrange(frames.numpy(), "t c h w -> t h w c"), example.mask[:, 0].cpu().numpy()
