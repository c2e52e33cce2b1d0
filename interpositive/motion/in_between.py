"""Frames between two frames: where each pixel of a moment in between is read from on either side.

Flow from one side to the other is moved along itself to the moment that is wanted, and splatted there (as Niklaus and
Liu splat, CVPR 2020), with what fits both sides weighing more; holes are carried in from around. With one frame
more on each side the motion may speed up or slow down (Xu et al., NeurIPS 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import fit_homography, homography_flow
from interpositive.motion.flow_completion import complete_flow
from interpositive.motion.optical_flow import dis_flow, luma_u8
from interpositive.motion.window_motion import Boolean, Plane, channel_mean

_FIT_SCALE = 0.03
_LEAST_SUPPORT = 0.05
_LARGEST_BEND = 0.5
HYPOTHESES = ("steady", "bent", "mixed", "camera")


@dataclass(frozen=True)
class Reading:
    """For a moment in between, the flows ``h w 2`` that read it from the frame before and from the frame after."""

    before: Plane
    after: Plane


class Surroundings:
    """The frames about a gap: ``frames`` (``n h w 3``, two to four) at ``times``; ``before`` is the last before it.

    Flows are found once, for as many moments in between as are wanted.
    """

    def __init__(self, frames: Plane, times: list[float], before: int) -> None:
        self.frames, self.times, self.before = frames, times, before
        self._luma = [luma_u8(frame) for frame in frames]
        height, width = frames.shape[1:3]
        self._ys, self._xs = (grid.astype(np.float32) for grid in np.mgrid[0:height, 0:width])
        first, second = before, before + 1
        self.forward, self.backward = self._aligned(first, second), self._aligned(second, first)
        self.plain = dis_flow(self._luma[first], self._luma[second]), dis_flow(self._luma[second], self._luma[first])
        self.seen_after = self._consistent(self.forward, self.backward)
        self.seen_before = self._consistent(self.backward, self.forward)
        self._earlier = self._aligned(first, first - 1) if first > 0 else None
        self._later = self._aligned(second, second + 1) if second + 1 < len(frames) else None

    @property
    def sides(self) -> tuple[Plane, Plane]:
        """The last frame before and the first after."""
        return self.frames[self.before], self.frames[self.before + 1]

    @property
    def length(self) -> float:
        """From the frame before to the frame after, in frames."""
        return self.times[self.before + 1] - self.times[self.before]

    def share(self, time: float) -> float:
        """Where a moment lies between the two sides, 0 to 1."""
        return (time - self.times[self.before]) / self.length

    def read(self, picture: Plane, flow: Plane, *, cubic: bool = False) -> Plane:
        """Read a picture or plane through a flow; borders repeat."""
        mode = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        x, y = self._xs + flow[..., 0], self._ys + flow[..., 1]
        return np.asarray(cv2.remap(picture, x, y, mode, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def inside(self, flow: Plane) -> Boolean:
        """Where a read stays inside the frame."""
        height, width = self._xs.shape
        x, y = self._xs + flow[..., 0], self._ys + flow[..., 1]
        inside: Boolean = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        return inside

    def readings(self, share: float) -> dict[str, Reading]:
        """How a moment is read by each hypothesis; ``mixed`` needs no splatting (Jiang et al., CVPR 2018)."""
        forward, backward = self.plain
        mixed = Reading(
            -(1 - share) * share * forward + share * share * backward,
            (1 - share) ** 2 * forward - share * (1 - share) * backward,
        )
        return {
            "steady": self._splatted(share, share * self.forward, (1 - share) * self.backward),
            "bent": self._splatted(share, *self._bent(share)),
            "mixed": mixed,
            "camera": self._camera(share),
        }

    def _bent(self, share: float) -> tuple[Plane, Plane]:
        """How far pixels of either side have come, if they go on speeding up or slowing down as around the gap."""
        moved = []
        for flow, beyond, other, part in (
            (self.forward, self._earlier, self.before - 1, share),
            (self.backward, self._later, self.before + 2, 1 - share),
        ):
            travelled = part * flow
            if beyond is not None:
                near = self.before if other < self.before else self.before + 1
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
        height, width = self._xs.shape
        sums = np.zeros((5, height * width))
        sides = (
            (self.forward, from_before, self.before, self.before + 1, self.seen_after, 1 - share, False),
            (self.backward, from_after, self.before + 1, self.before, self.seen_before, share, True),
        )
        for flow, travelled, here, there, seen, nearness, reverse in sides:
            gap = channel_mean(np.abs(self.read(self.frames[there], flow) - self.frames[here]))
            weight = (nearness + 0.05) * np.exp(-np.minimum(gap / _FIT_SCALE, 6.0)) * np.where(seen, 1.0, 0.1)
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
        height, width = self._xs.shape
        there = fit_homography(self.forward, self.seen_after)
        across = homography_flow(there, height, width)
        returning = homography_flow(np.asarray(np.linalg.inv(there), np.float64), height, width)
        # A camera between two frames moves so little that its homography may be mixed as its flow is.
        return Reading(share * returning, (1 - share) * across)

    def _aligned(self, target: int, source: int) -> Plane:
        """Flow by way of the camera's motion, which may be larger than dense flow finds."""
        height, width = self._xs.shape
        rough = dis_flow(self._luma[target], self._luma[source], "fine")
        camera = homography_flow(fit_homography(rough, np.ones((height, width), bool)), height, width)
        brought = self.read(self.frames[source], camera)
        luma, inside = luma_u8(brought), self.inside(camera)
        luma[~inside] = self._luma[target][~inside]
        rest = dis_flow(self._luma[target], luma, "fine")
        by_camera = rest + self.read(camera, rest)
        errors = []
        for flow in (rough, by_camera):
            miss = channel_mean(np.abs(self.read(self.frames[source], flow) - self.frames[target]))
            errors.append(cv2.GaussianBlur(miss, (0, 0), 2.0))
        return np.where((errors[1] < errors[0])[..., None], by_camera, rough).astype(np.float32)

    def _consistent(self, there: Plane, back: Plane) -> Boolean:
        returned = self.read(back, there)
        gap = channel_mean(np.square(there + returned))
        size = channel_mean(np.square(there)) + channel_mean(np.square(returned))
        return self.inside(there) & (gap <= 0.01 * size + 0.25)


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
