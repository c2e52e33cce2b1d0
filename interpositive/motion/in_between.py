"""Frames between two frames: where each pixel of a moment in between is read from on either side.

Flow from one side to the other is moved along itself to the moment that is wanted, and splatted there (as Niklaus and
Liu splat, CVPR 2020), with what fits both sides weighing more; holes are carried in from around. With one frame
more on each side the motion may speed up or slow down (Xu et al., NeurIPS 2019), and what moves further than flow
finds is looked for (`movers`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import fit_homography, homography_flow
from interpositive.motion.flow_completion import complete_flow
from interpositive.motion.movers import Mover, Side, find_movers
from interpositive.motion.optical_flow import dis_flow, luma_u8
from interpositive.motion.window_frames import value_range
from interpositive.motion.window_motion import Boolean, Plane, channel_mean

_FIT_SCALE = 0.03
_LEAST_SUPPORT = 0.05
_LARGEST_BEND = 0.5
_MOSTLY = 0.5
HYPOTHESES = ("steady", "bent", "mixed", "camera")


@dataclass(frozen=True)
class Reading:
    """For a moment in between, the flows ``h w 2`` that read it from the frame before and from the frame after."""

    before: Plane
    after: Plane


class Surroundings:
    """The frames about a gap: ``frames`` (``h w 3`` each, two to four) at ``times``; ``before`` is the last before it.

    Motion is looked for in ``small``, the same frames at no more than ``most_rows``, and all flows are on that grid.
    Each is found when it is first asked for, once for as many moments in between as are wanted.
    """

    def __init__(self, frames: Sequence[Plane], times: list[float], before: int, most_rows: int) -> None:
        self.frames, self.times, self.before = list(frames), times, before
        self._height, self._width = frames[0].shape[:2]
        rows = min(self._height, most_rows)
        self._small_size = max(1, round(self._width * rows / self._height)), rows
        self._flows: dict[tuple[int, int], Plane] = {}

    @cached_property
    def small(self) -> list[Plane]:
        """The frames at the size that motion is looked for in; themselves where they are no larger."""
        if self._small_size == (self._width, self._height):
            return self.frames
        return [np.asarray(cv2.resize(f, self._small_size, interpolation=cv2.INTER_AREA)) for f in self.frames]

    @cached_property
    def _luma(self) -> list[NDArray[np.uint8]]:
        return [luma_u8(frame) for frame in self.small]

    @property
    def sides(self) -> tuple[Plane, Plane]:
        """The last frame before and the first after."""
        return self.frames[self.before], self.frames[self.before + 1]

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value that a frame in between may have."""
        lows, highs = zip(*(value_range(side) for side in self.sides), strict=True)
        return min(lows), max(highs)

    @property
    def length(self) -> float:
        """From the frame before to the frame after, in frames."""
        return self.times[self.before + 1] - self.times[self.before]

    @property
    def forward(self) -> Plane:
        """Flow from the frame before to the frame after."""
        return self._aligned(self.before, self.before + 1)

    @property
    def backward(self) -> Plane:
        """Flow from the frame after to the frame before."""
        return self._aligned(self.before + 1, self.before)

    def onward(self, near: int, further: int) -> Plane | None:
        """Flow from a frame on one side to the one further out; None if there is none."""
        return self._aligned(near, further) if 0 <= further < len(self.frames) else None

    @cached_property
    def plain(self) -> tuple[Plane, Plane]:
        """Both flows as they are found without the camera's help."""
        first, second = self._luma[self.before], self._luma[self.before + 1]
        return dis_flow(first, second), dis_flow(second, first)

    @cached_property
    def seen_after(self) -> Boolean:
        """Which pixels of the frame before the frame after shows too."""
        return _consistent(self.forward, self.backward)

    @cached_property
    def seen_before(self) -> Boolean:
        """Which pixels of the frame after the frame before shows too."""
        return _consistent(self.backward, self.forward)

    def share(self, time: float) -> float:
        """Where a moment lies between the two sides, 0 to 1."""
        return (time - self.times[self.before]) / self.length

    def enlarged(self, plane: Plane) -> Plane:
        """A plane ``h w`` or picture ``h w c`` on the grid of ``small``, at the frames' own size."""
        if self._small_size == (self._width, self._height):
            return plane
        return np.asarray(cv2.resize(plane, (self._width, self._height), interpolation=cv2.INTER_LINEAR), np.float32)

    def enlarged_flow(self, flow: Plane) -> Plane:
        """A flow on the grid of ``small`` as one that reads the frames at their own size."""
        large = self.enlarged(flow)
        if large is flow:
            return flow
        width, height = self._small_size
        return large * np.asarray((self._width / width, self._height / height), np.float32)

    def mixed(self, share: float) -> Reading:
        """How a moment is read by flows that are mixed for it, without splatting (Jiang et al., CVPR 2018, eq. 4)."""
        forward, backward = self.plain
        return Reading(
            -(1 - share) * share * forward + share * share * backward,
            (1 - share) ** 2 * forward - share * (1 - share) * backward,
        )

    def readings(self, share: float) -> dict[str, Reading]:
        """How a moment is read by each hypothesis; all of them have the movers where these are by then."""
        found = {
            "steady": self._splatted(share, share * self.forward, (1 - share) * self.backward),
            "bent": self._splatted(share, *self._bent(share)),
            "mixed": self.mixed(share),
            "camera": self._camera(share),
        }
        for mover in self.movers:
            there = mover.at(share)
            for reading in found.values():
                reading.before[there] = -mover.come(share)
                reading.after[there] = mover.moved - mover.come(share)
        return found

    @cached_property
    def movers(self) -> list[Mover]:
        """What moves across the gap further than dense flow finds; none where a side has no frame further out."""
        sides = []
        for near, other, further in (
            (self.before, self.before + 1, self.before - 1),
            (self.before + 1, self.before, self.before + 2),
        ):
            leaving = self.onward(near, further)
            if leaving is None:
                return []
            scale = np.float32(self.length / abs(self.times[near] - self.times[further]))
            missed = np.asarray(read(self.small[other], self._aligned(near, other)) - self.small[near], np.float32)
            sides.append(Side(self.small[near], leaving * scale, missed))
        return find_movers(*sides)

    def has_left(self, share: float, source: int, flow: Plane | None) -> Boolean:
        """Where a side, read through a flow, shows a mover that is elsewhere by then, or hides one."""
        there, shown = np.zeros(self.small[0].shape[:2], bool), np.zeros(self.small[0].shape[:2], np.float32)
        for mover in self.movers:
            there |= mover.at(share)
            shown[mover.before if source <= self.before else mover.after] = 1.0
        return there if flow is None else (read(shown, flow) > _MOSTLY) & ~there

    def _bent(self, share: float) -> tuple[Plane, Plane]:
        """How far pixels of either side have come, if they go on speeding up or slowing down as around the gap."""
        moved = []
        for flow, near, other, part in (
            (self.forward, self.before, self.before - 1, share),
            (self.backward, self.before + 1, self.before + 2, 1 - share),
        ):
            travelled = part * flow
            beyond = self.onward(near, other)
            if beyond is not None:
                past = abs(self.times[near] - self.times[other]) / self.length
                # Through x(0) = 0, x(1) = flow and x(-past) = beyond.
                bend = (past * flow + beyond) / (past * (1 + past))
                size = np.linalg.norm(bend, axis=-1, keepdims=True)
                limit = _LARGEST_BEND * np.linalg.norm(flow, axis=-1, keepdims=True) + 0.25
                damped = np.where(size > 4 * limit, 0.0, bend * np.minimum(1.0, limit / np.maximum(size, 1e-6)))
                smooth = cv2.GaussianBlur(damped.astype(np.float32), (0, 0), 2.0)
                travelled = np.asarray(travelled + smooth * (part * part - part), np.float32)
            moved.append(np.asarray(travelled, np.float32))
        return moved[0], moved[1]

    def _splatted(self, share: float, from_before: Plane, from_after: Plane) -> Reading:
        height, width = self.small[0].shape[:2]
        sums = np.zeros((5, height * width))
        sides = (
            (self.forward, from_before, self.before, self.before + 1, self.seen_after, 1 - share, False),
            (self.backward, from_after, self.before + 1, self.before, self.seen_before, share, True),
        )
        for flow, travelled, here, there, seen, nearness, reverse in sides:
            gap = channel_mean(np.abs(read(self.small[there], flow) - self.small[here]))
            weight = (nearness + 0.05) * np.exp(-np.minimum(gap / _FIT_SCALE, 6.0)) * np.where(seen, 1.0, 0.1)
            for mover in self.movers:
                weight[mover.after if reverse else mover.before] = 0.0
            rest = flow - travelled
            before, after = (rest, -travelled) if reverse else (-travelled, rest)
            payload = np.concatenate((before, after), -1)
            _splat(sums, travelled, payload, weight.astype(np.float32))
        support = sums[4].reshape(height, width)
        flows = (sums[:4] / np.maximum(sums[4], 1e-9)).reshape(4, height, width).transpose(1, 2, 0).astype(np.float32)
        lost = support < _LEAST_SUPPORT * float(np.median(support))
        flows = np.concatenate([complete_flow(np.ascontiguousarray(flows[..., i : i + 2]), lost) for i in (0, 2)], -1)
        return Reading(np.ascontiguousarray(flows[..., :2]), np.ascontiguousarray(flows[..., 2:]))

    def _camera(self, share: float) -> Reading:
        height, width = self.small[0].shape[:2]
        there = fit_homography(self.forward, self.seen_after)
        across = homography_flow(there, height, width)
        returning = homography_flow(np.asarray(np.linalg.inv(there), np.float64), height, width)
        # A camera between two frames moves so little that its homography may be mixed as its flow is.
        return Reading(share * returning, (1 - share) * across)

    def _aligned(self, target: int, source: int) -> Plane:
        if (target, source) not in self._flows:
            self._flows[target, source] = self._find_aligned(target, source)
        return self._flows[target, source]

    def _find_aligned(self, target: int, source: int) -> Plane:
        """Flow by way of the camera's motion, which may be larger than dense flow finds."""
        wanted, given = self.small[target], self.small[source]
        height, width = wanted.shape[:2]
        rough = dis_flow(self._luma[target], self._luma[source], "fine")
        camera = homography_flow(fit_homography(rough, np.ones((height, width), bool)), height, width)
        luma, within = luma_u8(read(given, camera)), inside(camera)
        luma[~within] = self._luma[target][~within]
        rest = dis_flow(self._luma[target], luma, "fine")
        by_camera = rest + read(camera, rest)
        errors = []
        for flow in (rough, by_camera):
            miss = channel_mean(np.abs(read(given, flow) - wanted))
            errors.append(cv2.GaussianBlur(miss, (0, 0), 2.0))
        return np.where((errors[1] < errors[0])[..., None], by_camera, rough).astype(np.float32)


def read(picture: Plane, flow: Plane, *, cubic: bool = False) -> Plane:
    """Read a picture or plane through a flow of the same size; borders repeat."""
    mode = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    x, y = _places(flow)
    return np.asarray(cv2.remap(picture, x, y, mode, borderMode=cv2.BORDER_REPLICATE), np.float32)


def inside(flow: Plane) -> Boolean:
    """Where a read stays inside the frame."""
    height, width = flow.shape[:2]
    x, y = _places(flow)
    within: Boolean = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return within


def _places(flow: Plane) -> tuple[Plane, Plane]:
    height, width = flow.shape[:2]
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(flow[..., 0] + columns, np.float32), np.asarray(flow[..., 1] + rows, np.float32)


def _consistent(there: Plane, back: Plane) -> Boolean:
    returned = read(back, there)
    gap = channel_mean(np.square(there + returned))
    size = channel_mean(np.square(there)) + channel_mean(np.square(returned))
    return inside(there) & (gap <= 0.01 * size + 0.25)


def _splat(sums: NDArray[np.float64], travelled: Plane, payload: Plane, weight: Plane) -> None:
    """Add ``payload`` (``h w c``) and its weight to ``sums`` (``c + 1`` by pixels), bilinearly where it travels to."""
    height, width = weight.shape
    ys, xs = np.mgrid[0:height, 0:width]
    x, y = xs + travelled[..., 0], ys + travelled[..., 1]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            part = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * weight
            lands = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (part > 0)
            place, share = (row * width + column)[lands], part[lands]
            for channel in range(payload.shape[-1]):
                sums[channel] += np.bincount(place, share * payload[..., channel][lands], minlength=height * width)
            sums[-1] += np.bincount(place, share, minlength=height * width)
