"""Real pixels for a hole: every aligned view of it that the window holds, with how well each fits around the hole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from interpositive.functional.examples import Example
from interpositive.motion.propagation import Carried, sweep
from interpositive.motion.window_motion import Boolean, Plane, WindowMotion, channel_mean

KINDS = ("spatial", "flow", "recursive", "camera")

_POOL_SIGMA_OF_HEIGHT = 4.0 / 216.0
_SMALLEST_POOL_SIGMA_PX = 3.0
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
    """The candidates for one frame, ``n`` of them, padded with invalid ones to a fixed number.

    ``pictures`` is ``n h w 3``; ``valid`` and ``error`` are ``n h w`` (error: mean absolute
    difference around the hole, Gaussian-pooled, in [0, 1] code values); ``kinds`` and
    ``distances`` (in frames) are ``n``. The first ``NUM_SPATIAL`` are the spatial fills.
    """

    pictures: NDArray[np.float32]
    valid: NDArray[np.bool_]
    error: NDArray[np.float32]
    kinds: NDArray[np.int64]
    distances: NDArray[np.float32]

    def showing(self, hole: Boolean) -> Bank:
        """The candidates that show at least one pixel of the hole; the spatial ones always stay."""
        useful = np.asarray((self.valid & hole).any((1, 2)))
        useful[:NUM_SPATIAL] = True
        return Bank(
            self.pictures[useful], self.valid[useful], self.error[useful], self.kinds[useful], self.distances[useful]
        )

    def coverage(self, hole: Boolean) -> float:
        """The share of the hole that any real view shows; 1 for an empty hole."""
        seen = np.logical_or.reduce(self.valid[NUM_SPATIAL:], axis=0)
        return float(seen[hole].mean()) if hole.any() else 1.0


class BankBuilder:
    """Builds the banks of a window's ``wanted`` frames (all, if None); the recursive sweeps are shared."""

    def __init__(self, motion: WindowMotion, recipe: BankRecipe, wanted: range | None = None) -> None:
        self.motion = motion
        self._wanted = wanted
        self.recipe = recipe
        self._sweeps: tuple[Mapping[int, Carried], Mapping[int, Carried]] | None = None

    @property
    def sweeps(self) -> tuple[Mapping[int, Carried], Mapping[int, Carried]]:
        """The forward and the backward recursive sweep over the window."""
        if self._sweeps is None:
            self._sweeps = (
                sweep(self.motion, backward=False, wanted=self._wanted),
                sweep(self.motion, backward=True, wanted=self._wanted),
            )
        return self._sweeps

    def build(self, frame: int) -> Bank:
        """The bank of one frame of the window."""
        motion, recipe = self.motion, self.recipe
        views: list[tuple[Plane, Boolean, int, float]] = []
        for offset in recipe.flow_offsets:
            for source in self._sources(frame, offset):
                flow = motion.flow(frame, source)
                valid = motion.consistent(frame, source) & motion.clear(source, flow)
                views.append((motion.read(motion.prefilled(source), flow, cubic=True), valid, 1, float(offset)))
        if recipe.recursive:
            for side in self.sweeps:
                carried = side[frame]
                if carried.known.any():
                    hole = motion.holes[frame] & carried.known
                    age = float(carried.age[hole].mean()) if hole.any() else 1.0
                    views.append((carried.picture, carried.known, 2, age))
        for offset in recipe.camera_offsets:
            for source in self._sources(frame, offset):
                flow = motion.refined_camera_flow(frame, source)
                valid = motion.inside(flow) & motion.clear(source, flow)
                views.append((motion.read(motion.prefilled(source), flow, cubic=True), valid, 3, float(offset)))
        return self._assemble(frame, views)

    def _sources(self, frame: int, offset: int) -> list[int]:
        return [s for s in (frame - offset, frame + offset) if 0 <= s < self.motion.num_frames]

    def _assemble(self, frame: int, views: list[tuple[Plane, Boolean, int, float]]) -> Bank:
        motion = self.motion
        num = self.recipe.num_candidates
        shape = (motion.height, motion.width)
        prefill = motion.prefilled(frame)
        pictures = np.broadcast_to(prefill, (num, *shape, 3)).copy()
        valid = np.zeros((num, *shape), bool)
        error = np.full((num, *shape), ERROR_WHERE_UNKNOWN, np.float32)
        kinds = np.zeros(num, np.int64)
        distances = np.zeros(num, np.float32)
        for index, bridged in enumerate(motion.bridged(frame)):
            pictures[index] = bridged
        valid[:NUM_SPATIAL] = True
        error[:NUM_SPATIAL] = SPATIAL_ERROR
        # Both are of the spatial kind; the distance tells the slack one from the stiff one.
        distances[1] = 1.0
        around = ~motion.distrusted[frame]
        for index, (picture, usable, kind, distance) in enumerate(views, start=NUM_SPATIAL):
            kinds[index], distances[index] = kind, distance
            if not usable.any():
                continue
            pictures[index], error[index] = level_and_compare(picture, motion.frames[frame], around & usable)
            valid[index] = usable
        pictures[~valid] = 0.0
        return Bank(pictures, valid, error, kinds, distances)


def level_and_compare(candidate: Plane, target: Plane, known: Boolean) -> tuple[Plane, Plane]:
    """Match a candidate's level to the frame around the hole, and say how well it fits there.

    The difference outside the hole is Gaussian-pooled (sigma 1/54 of the shorter side, at least 3 px)
    into the hole and added
    (at most 0.08 a channel), which takes exposure drift and slow shading out.
    Returns the levelled candidate ``h w 3`` and its pooled error ``h w``.
    """
    weight = known.astype(np.float32)
    sigma = pool_sigma_px(min(known.shape))
    support = _pool(weight, sigma) + 1e-3
    difference = (target - candidate) * weight[..., None]
    shift = _pool(difference, sigma) / support[..., None]
    confidence = np.clip(support / 0.05, 0.0, 1.0)
    remaining = _pool(channel_mean(np.abs(target - candidate - shift)) * weight, sigma) / support
    error = remaining + 0.25 * channel_mean(np.abs(shift))
    error = np.where(confidence > 0.2, error, ERROR_WHERE_UNKNOWN).astype(np.float32)
    levelled = candidate + np.clip(shift, -MAX_LEVEL_SHIFT, MAX_LEVEL_SHIFT) * confidence[..., None]
    return levelled.astype(np.float32), error


def pool_sigma_px(shorter_side: int) -> float:
    """How wide the surroundings of a hole are that a view is compared in."""
    return max(_SMALLEST_POOL_SIGMA_PX, _POOL_SIGMA_OF_HEIGHT * shorter_side)


def _pool(plane: Plane, sigma_px: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma_px), np.float32)


def motion_of(example: Example) -> WindowMotion:
    """The motion of a window ``t c h w``."""
    frames = rearrange(example.input, "t c h w -> t h w c").cpu().numpy().astype(np.float32)
    return WindowMotion(np.ascontiguousarray(frames), np.ascontiguousarray(example.mask[:, 0].cpu().numpy()))
