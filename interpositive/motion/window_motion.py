"""Everything that moves in one window of a damaged shot: prefilled frames, flows, camera.

Flow is computed on frames whose hole was bridged first, completed inside the
hole from around it, and kept where it is needed, in a memory of bounded size
that windows of one shot can share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.errors import MaskError
from interpositive.functional.luma import luma
from interpositive.motion.camera_motion import CameraPath, Homography, fit_homography, homography_flow
from interpositive.motion.flow_completion import FlowCompletion, complete_flow
from interpositive.motion.hole_pixels import HolePixels, Look
from interpositive.motion.hole_regions import Box, Region, hole_regions, whole_frame
from interpositive.motion.lent_frames import LentFrames
from interpositive.motion.motion_memory import MotionMemory, ShotMemory, fingerprint
from interpositive.motion.optical_flow import Preset, dis_flow, luma_codes, luma_u8
from interpositive.motion.spatial_fill import thin_plate_values

Plane = NDArray[np.float32]
Boolean = NDArray[np.bool_]


STIFF_TENSION = 0.02
SLACK_TENSION = 2.0
_FLOWS_MIB = 96.0
_CLEAR = 0.05
_ROW = 1024
_ONE_PIXEL = (slice(0, 1), slice(0, 1))
_TAPS_PX = 4
"""A cubic read looks that far, at most."""


def channel_mean(picture: Plane) -> Plane:
    """Mean over the channels of ``h w c``; far faster than a numpy reduction over a short last axis."""
    channels = picture.shape[-1]
    return np.asarray(cv2.transform(picture, np.full((1, channels), 1.0 / channels, np.float32)), np.float32)


def value_range(frames: Plane) -> tuple[float, float]:
    """Lowest and highest value that a fill of these frames may have: [0, 1], and as far beyond as they go."""
    return min(0.0, float(frames.min())), max(1.0, float(frames.max()))


class Way(NamedTuple):
    """From a part of a frame to another frame: flow in pixels, and where it passes the forward-backward test."""

    flow: Plane
    consistent: Boolean


class WindowMotion:
    """Flows and camera motion of a window, computed when first asked for.

    ``frames`` is ``t h w 3`` float RGB; flow is found in [0, 1], light beyond is
    carried along. ``masks`` is ``t h w``, above zero where the picture must not be trusted.
    With a ``margin_px``, what is asked of regions is found that far around holes, and else over whole frames.
    A ``memory`` that is given is shared with other windows. ``lent`` are frames of other takes.
    """

    def __init__(
        self,
        frames: Plane,
        masks: Plane,
        *,
        preset: Preset = "medium",
        margin_px: int | None = None,
        memory: ShotMemory | None = None,
        lent: LentFrames | None = None,
    ) -> None:
        if frames.shape[:3] != masks.shape:
            raise MaskError("masks do not fit their frames", found=masks.shape, expected=frames.shape[:3])
        self.frames = frames
        self.lent = lent
        self.holes: Boolean = masks > 0
        self.num_frames, self.height, self.width = masks.shape
        self._preset: Preset = preset
        self._margin_px = margin_px
        self._memory = memory if memory is not None else ShotMemory()
        self._shared = memory is not None
        self._flows = MotionMemory(_FLOWS_MIB)
        self.regions = cache(self._regions)
        self.pixels = cache(self._pixels)
        self._name = cache(self._make_name)
        self._completion = cache(self._make_completion)

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value that a fill may have."""
        return value_range(self.frames)

    @cached_property
    def distrusted(self) -> Boolean:
        """The holes, a pixel wider all around: what touches them is not compared, ``t h w``."""
        kernel = np.ones((3, 3), np.uint8)
        return np.stack([cv2.dilate(hole.view(np.uint8), kernel) > 0 for hole in self.holes])

    def _regions(self, frame: int) -> list[Region]:
        if self._margin_px is None:
            return [whole_frame(self.holes[frame].shape)]
        return hole_regions(self.holes[frame], self._margin_px)

    def _pixels(self, frame: int) -> HolePixels:
        return HolePixels(self.holes[frame])

    def _make_name(self, frame: int) -> bytes | int:
        return fingerprint(self.frames[frame], self.holes[frame]) if self._shared else frame

    def _make_completion(self, frame: int) -> FlowCompletion:
        return FlowCompletion(self.distrusted[frame])

    # -- the hole bridged from its own frame ------------------------------------------

    def bridged(self, frame: int) -> tuple[Look, Look]:
        """The hole bridged by a stiff surface, good on smooth picture, and by a slack one, good on texture."""
        pixels, picture = self.pixels(frame), self.frames[frame]
        stiff, slack = self._bridges(frame)
        return pixels.filling(picture, stiff), pixels.filling(picture, slack)

    def prefilled(self, frame: int) -> Look:
        """The frame with its hole bridged midway between the two."""
        return self.pixels(frame).filling(self.frames[frame], self.prefill(frame))

    def prefill(self, frame: int) -> Plane:
        """The pixels ``m 3`` of the hole bridged so."""
        stiff, slack = self._bridges(frame)
        return 0.5 * (stiff + slack)

    def _bridges(self, frame: int) -> tuple[Plane, Plane]:
        def bridge() -> tuple[Plane, Plane]:
            stiff, slack = thin_plate_values(self.frames[frame], self.holes[frame], (STIFF_TENSION, SLACK_TENSION))
            return stiff, slack

        return self._memory.frames.of(("bridges", self._name(frame)), bridge)

    def once(self, name: str, frame: int, find: Callable[[], Plane]) -> Plane:
        """What is found for a hole from its own frame alone, kept for who asks again; it is not to be written to."""
        return self._memory.frames.of((name, self._name(frame)), find)

    # -- reading ----------------------------------------------------------------------

    @property
    def everywhere(self) -> Box:
        """All of a frame."""
        return whole_frame((self.height, self.width)).box

    def read(self, picture: Look | Plane, flow: Plane, box: Box | None = None, *, cubic: bool = False) -> Plane:
        """Read a picture or plane through the flow of a part of a frame (all, if None); borders repeat."""
        x, y = places_of(flow, box or self.everywhere)
        return self.read_at(picture, x, y, cubic=cubic)

    def read_at(self, picture: Look | Plane, x: Plane, y: Plane, *, cubic: bool = False) -> Plane:
        """Read a picture or plane at points, in pixels, laid out as a picture ``h w`` or one by one, ``m``."""
        if not x.size:
            channels = picture(_ONE_PIXEL).shape[2:] if callable(picture) else picture.shape[2:]
            return np.zeros((*x.shape, *channels), np.float32)
        (top, bottom), (left, right) = _span(y, self.height), _span(x, self.width)
        box = (slice(top, bottom), slice(left, right))
        part = picture(box) if callable(picture) else np.ascontiguousarray(picture[box])
        at_x, at_y = (_as_picture(places - np.float32(start)) for places, start in ((x, left), (y, top)))
        mode = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        seen = np.asarray(cv2.remap(part, at_x, at_y, mode, borderMode=cv2.BORDER_REPLICATE), np.float32)
        return seen.reshape(-1, *seen.shape[2:])[: len(x)] if x.ndim == 1 else seen

    def inside(self, flow: Plane, box: Box | None = None) -> Boolean:
        """Where a read through the flow stays inside the frame."""
        x, y = places_of(flow, box or self.everywhere)
        inside: Boolean = (x >= 0) & (x <= self.width - 1) & (y >= 0) & (y <= self.height - 1)
        return inside

    def clear(self, source: int, flow: Plane, box: Box | None = None) -> Boolean:
        """Where a read of ``source`` through the flow touches no hole."""
        return self.clear_at(source, *places_of(flow, box or self.everywhere))

    def clear_at(self, source: int, x: Plane, y: Plane) -> Boolean:
        """Where a read of ``source`` at points touches no hole."""
        clear: Boolean = self.read_at(lambda part: self.holes[source][part].astype(np.float32), x, y) <= _CLEAR
        return clear

    # -- flow -------------------------------------------------------------------------

    def flow(self, target: int, source: int) -> Plane:
        """Flow on the grid of ``target`` pointing into ``source``, completed inside the target's hole."""
        return self._flows.of(
            (target, source),
            lambda: self._completion(target)(dis_flow(self._luma(target), self._luma(source), self._preset)),
        )

    def consistent(self, target: int, source: int, box: Box | None = None) -> Boolean:
        """Inside the frame and passing the forward-backward test (Sundaram et al., ECCV 2010, eq. 5)."""
        box = box or self.everywhere
        there = self.flow(target, source)[box]
        back = self.read(self.flow(source, target), there, box)
        gap = channel_mean(np.square(there + back))
        size = channel_mean(np.square(there)) + channel_mean(np.square(back))
        agreed: Boolean = self.inside(there, box) & (gap <= 0.01 * size + 0.25)
        return agreed

    def near(self, target: int, source: int) -> list[Way]:
        """The ways from each region of ``target`` to ``source``."""
        first, second = sorted((target, source))
        names = self._name(first), self._name(second)
        found = self._memory.regions.of(
            ("near", *names), lambda: (*self._ways(first, second), *self._ways(second, first))
        )
        skipped = 0 if target == first else 2 * len(self.regions(first))
        mine = found[skipped : skipped + 2 * len(self.regions(target))]
        return [Way(flow, agreed) for flow, agreed in zip(mine[::2], mine[1::2], strict=True)]

    def _ways(self, target: int, source: int) -> list[NDArray[Any]]:
        ways: list[NDArray[Any]] = []
        for region in self.regions(target):
            ways += [self.flow(target, source)[region.box].copy(), self.consistent(target, source, region.box)]
        return ways

    def from_hole(self, target: int, source: int) -> tuple[Plane, Plane, Boolean]:
        """Where the pixels ``m`` of a hole lie in ``source``, x and y, and whether the way there is consistent."""

        def find() -> tuple[Plane, Boolean]:
            flow = np.zeros((self.height, self.width, 2), np.float32)
            agreed = np.zeros((self.height, self.width), bool)
            for region, way in zip(self.regions(target), self.near(target, source), strict=True):
                inner = region.within(region.core)
                flow[region.core], agreed[region.core] = way.flow[inner], way.consistent[inner]
            hole = self.holes[target]
            return flow[hole], agreed[hole]

        flow, agreed = self._memory.frames.of(("from hole", self._name(target), self._name(source)), find)
        pixels = self.pixels(target)
        return pixels.xs.astype(np.float32) + flow[:, 0], pixels.ys.astype(np.float32) + flow[:, 1], agreed

    # -- the camera -------------------------------------------------------------------

    def step(self, frame: int) -> Homography:
        """The camera's motion from a frame to the next."""

        key = ("step", self._name(frame), self._name(frame + 1))
        return self._memory.frames.of(key, lambda: fit_homography(self.flow(frame, frame + 1), ~self.distrusted[frame]))

    def link(self, frame: int) -> None:
        """Find all that is asked of a frame and the next, while their flows are at hand."""
        self.from_hole(frame, frame + 1)
        self.from_hole(frame + 1, frame)
        self.step(frame)

    @cached_property
    def _path(self) -> CameraPath:
        return CameraPath([self.step(frame) for frame in range(self.num_frames - 1)])

    def camera(self, target: int, source: int) -> Homography:
        """The camera alone: from pixels of ``target`` to those of ``source``, by chained homographies."""
        return self._path.between(target, source)

    def camera_flow(self, target: int, source: int) -> Plane:
        """Flow of the camera alone from ``target`` to ``source``."""
        return homography_flow(self.camera(target, source), self.height, self.width)

    def refined_camera_flow(self, target: int, source: int, box: Box | None = None) -> Plane:
        """Camera flow plus what it leaves: parallax, lens, moving things; completed inside the target's hole."""
        box = box or self.everywhere
        rest = self._flows.of(("rest", target, source), lambda: self._rest(target, source))[box]
        x, y = places_of(rest, box)
        matrix = self.camera(target, source)
        over = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
        over = np.where(np.abs(over) < 1e-9, 1e-9, over)
        away = [(matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2]) / over - at for i, at in enumerate((x, y))]
        return rest + np.stack(away, -1).astype(np.float32)

    def near_by_camera(self, target: int, source: int) -> list[Plane]:
        """The refined camera flow of each region of ``target``."""
        key = ("camera", self._name(target), self._name(source))
        return list(
            self._memory.regions.of(
                key, lambda: tuple(self.refined_camera_flow(target, source, r.box) for r in self.regions(target))
            )
        )

    def _rest(self, target: int, source: int) -> Plane:
        """What is left when the source has been brought over by the camera's motion, found by dense flow."""
        # Rounded once: flow on flat picture hangs on single codes.
        exact = self._flows.of(("luma", source), lambda: luma(self.prefilled(source)(self.everywhere)))
        rest, _ = self._left_by(self.camera(target, source), target, exact)
        return self._completion(target)(rest)

    def lent_flows(self, target: int, number: int) -> tuple[Plane, Plane]:
        """Two ways from ``target`` into a lent frame: a homography alone, made exact by flow, and that flow itself.

        The first is right wherever the set is flat or the camera stood still, far into a hole too; the second where
        there is parallax, near the hole's edge.
        """
        assert self.lent is not None
        shown, homography = luma(self.lent.frames[number]), self.lent.homography(target, number)
        for _ in range(2):
            found = homography
            rest, inside = self._left_by(found, target, shown)
            known = inside & ~self.distrusted[target]
            homography = found @ fit_homography(rest, known)
        rest = complete_flow(rest, ~known)
        rigid = homography_flow(homography, self.height, self.width)
        return rigid, rest + self.read(homography_flow(found, self.height, self.width), rest)

    def _left_by(self, matrix: Homography, target: int, shown: Plane) -> tuple[Plane, Boolean]:
        """Flow from ``target`` to a picture brought over by a homography, and where that shows anything."""
        size = (self.width, self.height)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        brought = cv2.warpPerspective(shown, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        inside = cv2.warpPerspective(np.ones(size[::-1], np.uint8), matrix, size, flags=flags)
        own = self._luma(target)
        codes = np.where(inside > 0, luma_codes(np.asarray(brought, np.float32)), own)
        return dis_flow(own, codes, self._preset), np.asarray(inside > 0)

    def _luma(self, frame: int) -> NDArray[np.uint8]:
        return self._memory.frames.of(
            ("luma", self._name(frame)), lambda: luma_u8(self.prefilled(frame)(self.everywhere))
        )


def places_of(flow: Plane, box: Box) -> tuple[Plane, Plane]:
    """Where the pixels of a part of a frame point to: x and y in pixels."""
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in box)
    return columns[None] + flow[..., 0], rows[:, None] + flow[..., 1]


def _span(places: Plane, length: int) -> tuple[int, int]:
    """What reads at such places may look at, of so many pixels."""
    first = int(np.clip(np.floor(places.min()) - _TAPS_PX, 0, length - 1))
    last = int(np.clip(np.ceil(places.max()) + _TAPS_PX, first, length - 1))
    return first, last + 1


def _as_picture(places: Plane) -> Plane:
    """OpenCV takes points as a picture, and none of 32767 columns or more."""
    if places.ndim == 2:
        return places
    padded = np.zeros(-(-len(places) // _ROW) * _ROW, np.float32)
    padded[: len(places)] = places
    return padded.reshape(-1, _ROW)
