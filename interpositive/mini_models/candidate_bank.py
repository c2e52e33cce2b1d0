"""Real pixels for a hole: every aligned view of it that the window holds, with how well each fits around the hole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from interpositive.functional.examples import Example
from interpositive.motion.hole_regions import Box, Region, whole_frame
from interpositive.motion.motion_memory import MotionMemory
from interpositive.motion.propagation import Carried, Sweeps, sweep
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion, channel_mean

KINDS = ("spatial", "flow", "recursive", "camera")

_POOL_SIGMA_OF_HEIGHT = 4.0 / 216.0
_SMALLEST_POOL_SIGMA_PX = 3.0
_POOLED_SIGMA_PX = 4.0
"""Wider pools are taken on a raster so much smaller that theirs is at least that: nothing finer is left of them."""
LOOKED_AT_PX = 24
"""What a network sees around a hole."""
MAX_LEVEL_SHIFT = 0.08
ERROR_WHERE_UNKNOWN = 0.05
SPATIAL_ERROR = 0.03
NUM_SPATIAL = 2
"""The first candidates of a bank are bridged from the frame itself: stiff, then slack."""


@dataclass(frozen=True)
class BankRecipe:
    """Which views are gathered: flow and camera offsets in frames, and whether recursive sweeps join."""

    flow_offsets: tuple[int, ...] = (1, 2, 4, 8)
    camera_offsets: tuple[int, ...] = (2, 4, 8, 16)
    recursive: bool = True

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
    ``distances`` (in frames) are ``n``. The first ``NUM_SPATIAL`` are the spatial fills.
    """

    pictures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    error: NDArray[np.float32]
    kinds: NDArray[np.int64]
    distances: NDArray[np.float32]

    def part(self, box: Box) -> Bank:
        """Some rows and columns of it."""
        everything = (slice(None), *box)
        return Bank(
            self.pictures[everything], self.valid[everything], self.error[everything], self.kinds, self.distances
        )

    def coverage(self, hole: Boolean) -> float:
        """The share of the hole that any real view shows; 1 for an empty hole."""
        seen = np.logical_or.reduce(self.valid[NUM_SPATIAL:], axis=0)
        return float(seen[hole].mean()) if hole.any() else 1.0


@dataclass(frozen=True)
class _View:
    """One way to see a frame's regions: pictures ``h w 3`` and where they are of use, ``h w``."""

    pictures: list[Plane]
    usable: list[Boolean]
    kind: int
    distance: float


class BankBuilder:
    """Builds the banks of a window's ``wanted`` frames (all, if None); the recursive sweeps are shared."""

    def __init__(self, motion: WindowMotion, recipe: BankRecipe, wanted: range | None = None) -> None:
        self.motion = motion
        self._wanted = wanted
        self.recipe = recipe
        self._sweeps: Sweeps | None = None

    @property
    def sweeps(self) -> Sweeps:
        """The forward and the backward recursive sweep over the window."""
        if self._sweeps is None:
            self._sweeps = (
                sweep(self.motion, backward=False, wanted=self._wanted),
                sweep(self.motion, backward=True, wanted=self._wanted),
            )
        return self._sweeps

    def build(self, frame: int) -> Bank:
        """The bank of a whole frame."""
        whole = whole_frame((self.motion.height, self.motion.width))
        assert self.motion.regions(frame) == [whole], "its motion is found near holes alone"
        return self._assemble(frame, whole, self._views(frame), 0)

    def build_near(self, frame: int) -> list[tuple[Region, Bank]]:
        """The bank of each region of a frame: the spatial candidates, and those that show a pixel of its hole."""
        views = self._views(frame)
        banks = []
        for place, region in enumerate(self.motion.regions(frame)):
            inner, hole = region.within(region.core), self.motion.holes[frame][region.core]
            shown = [view for view in views if (view.usable[place][inner] & hole).any()]
            banks.append((region, self._assemble(frame, region, shown, place, NUM_SPATIAL + len(shown))))
        return banks

    def _views(self, frame: int) -> list[_View]:
        recipe = self.recipe
        views = [
            self._by_flow(frame, source, offset)
            for offset in recipe.flow_offsets
            for source in self._sources(frame, offset)
        ]
        if recipe.recursive:
            views += [view for side in self.sweeps if (view := self._carried(frame, side)) is not None]
        views += [
            self._by_camera(frame, source, offset)
            for offset in recipe.camera_offsets
            for source in self._sources(frame, offset)
        ]
        return views

    def _by_flow(self, frame: int, source: int, offset: int) -> _View:
        ways = self.motion.near(frame, source)
        return self._warped(frame, source, [w.flow for w in ways], [w.consistent for w in ways], 1, offset)

    def _by_camera(self, frame: int, source: int, offset: int) -> _View:
        flows = self.motion.near_by_camera(frame, source)
        boxes = [region.box for region in self.motion.regions(frame)]
        inside = [self.motion.inside(flow, box) for flow, box in zip(flows, boxes, strict=True)]
        return self._warped(frame, source, flows, inside, 3, offset)

    def _warped(
        self, frame: int, source: int, flows: list[Plane], usable: list[Boolean], kind: int, offset: int
    ) -> _View:
        motion, prefilled = self.motion, self.motion.prefilled(source)
        seen, clear = [], []
        for region, flow, able in zip(motion.regions(frame), flows, usable, strict=True):
            clear.append(able & motion.clear(source, flow, region.box))
            seen.append(motion.read(prefilled, flow, region.box, cubic=True))
        return _View(seen, clear, kind, float(offset))

    def _carried(self, frame: int, side: Mapping[int, list[Carried]]) -> _View | None:
        parts = side[frame]
        if not any(part.known.any() for part in parts):
            return None
        ages = []
        for region, part in zip(self.motion.regions(frame), parts, strict=True):
            inner = region.within(region.core)
            ages.append(part.age[inner][self.motion.holes[frame][region.core] & part.known[inner]])
        age = np.concatenate(ages)
        distance = float(age.mean()) if age.size else 1.0
        return _View([part.picture for part in parts], [part.known for part in parts], 2, distance)

    def _sources(self, frame: int, offset: int) -> list[int]:
        return [s for s in (frame - offset, frame + offset) if 0 <= s < self.motion.num_frames]

    def _assemble(self, frame: int, region: Region, views: list[_View], place: int, num: int | None = None) -> Bank:
        motion, box = self.motion, region.box
        num = self.recipe.num_candidates if num is None else num
        pictures = np.zeros((num, *region.shape, 3), np.float32)
        valid = np.zeros((num, *region.shape), bool)
        error = np.full((num, *region.shape), ERROR_WHERE_UNKNOWN, np.float32)
        kinds = np.zeros(num, np.int64)
        distances = np.zeros(num, np.float32)
        for index, bridged in enumerate(motion.bridged(frame)):
            pictures[index] = bridged(box)
        valid[:NUM_SPATIAL] = True
        error[:NUM_SPATIAL] = SPATIAL_ERROR
        # Both are of the spatial kind; the distance tells the slack one from the stiff one.
        distances[1] = 1.0
        around = ~motion.distrusted[frame][box]
        target = np.ascontiguousarray(motion.frames[frame][box])
        sigma_px = pool_sigma_px(min(motion.height, motion.width))
        for index, view in enumerate(views, start=NUM_SPATIAL):
            kinds[index], distances[index] = view.kind, view.distance
            usable = view.usable[place]
            if not usable.any():
                continue
            levelled, error[index] = level_and_compare(view.pictures[place], target, around & usable, sigma_px)
            pictures[index] = levelled * usable[..., None]
            valid[index] = usable
        return Bank(pictures, valid, error, kinds, distances)


def level_and_compare(
    candidate: Plane, target: Plane, known: Boolean, sigma_px: float | None = None
) -> tuple[Plane, Plane]:
    """Match a candidate's level to the frame around the hole, and say how well it fits there.

    The difference outside the hole is Gaussian-pooled (sigma 1/54 of the shorter side, at least 3 px, or as given)
    into the hole and added
    (at most 0.08 a channel), which takes exposure drift and slow shading out.
    Returns the levelled candidate ``h w 3`` and its pooled error ``h w``.
    """
    weight = known.astype(np.float32)
    sigma = pool_sigma_px(min(known.shape)) if sigma_px is None else sigma_px
    apart = target - candidate
    pooled = _pool(np.dstack((apart * weight[..., None], weight)), sigma)
    support = pooled[..., 3] + 1e-3
    shift = pooled[..., :3] / support[..., None]
    confidence = np.clip(support / 0.05, 0.0, 1.0)
    remaining = _pool(channel_mean(np.abs(apart - shift)) * weight, sigma) / support
    error = remaining + 0.25 * channel_mean(np.abs(shift))
    error = np.where(confidence > 0.2, error, ERROR_WHERE_UNKNOWN).astype(np.float32)
    levelled = candidate + np.clip(shift, -MAX_LEVEL_SHIFT, MAX_LEVEL_SHIFT) * confidence[..., None]
    return levelled.astype(np.float32), error


def pool_sigma_px(shorter_side: int) -> float:
    """How wide the surroundings of a hole are that a view is compared in."""
    return max(_SMALLEST_POOL_SIGMA_PX, _POOL_SIGMA_OF_HEIGHT * shorter_side)


def _pool(plane: Plane, sigma_px: float) -> Plane:
    factor = 1
    while sigma_px >= 2 * factor * _POOLED_SIGMA_PX:
        factor *= 2
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)
    height, width = plane.shape[:2]
    small_size = (-(-width // factor), -(-height // factor))
    small = cv2.resize(plane, small_size, interpolation=cv2.INTER_AREA)
    # The mean over an area and the way back between pixels blur too.
    rest = sigma_px**2 - (factor**2 - 1) / 12.0 - factor**2 / 6.0
    small = cv2.GaussianBlur(small, (0, 0), rest**0.5 / factor)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def motion_of(example: Example) -> WindowMotion:
    """The motion of a window ``t c h w``, found over whole frames."""
    return WindowMotion(*_frames_and_masks(example))


def motion_near_holes(example: Example, memory: MotionMemory) -> WindowMotion:
    """The motion of a window ``t c h w``, found around its holes, as far as views are compared and looked at.

    The frames are not copied; windows share the memory.
    """
    margin_px = max(LOOKED_AT_PX, round(2.0 * pool_sigma_px(min(example.input.shape[-2:]))))
    return WindowMotion(*_frames_and_masks(example), margin_px=margin_px, memory=memory)


def _frames_and_masks(example: Example) -> tuple[Plane, Plane]:
    frames = example.input.cpu().float().contiguous()
    return rearrange(frames, "t c h w -> t h w c").numpy(), example.mask[:, 0].cpu().numpy()
