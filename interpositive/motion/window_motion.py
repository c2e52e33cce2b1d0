"""Everything that moves in one window of a damaged shot: prefilled frames, flows, camera.

Flow is computed on frames whose hole was bridged first, completed inside the
hole from around it, and kept where it is needed, in a memory of bounded size
that windows of one shot can share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.errors import MaskError
from interpositive.functional.luma import luma
from interpositive.motion.camera_motion import CameraPath, Homography, carried_by, fit_homography, homography_flow
from interpositive.motion.flow_completion import FlowCompletion, complete_flow
from interpositive.motion.hole_pixels import HolePixels, Look, Values
from interpositive.motion.hole_regions import Box, Region, around_all, hole_regions, whole_frame, within
from interpositive.motion.lent_frames import LentFrames
from interpositive.motion.line_pull import pull_along_lines
from interpositive.motion.motion_memory import MotionMemory, ShotMemory, fingerprint
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.optical_flow import COARSE, Preset, dis_flow, luma_codes
from interpositive.motion.reading import inside, places_of, read_at
from interpositive.motion.spatial_fill import thin_plate_values
from interpositive.motion.window_frames import CodedValues, Frames, MendedFrames, as_frames, value_range

Plane = NDArray[np.float32]
Boolean = NDArray[np.bool_]

Found = TypeVar("Found")

STIFF_TENSION = 0.02
SLACK_TENSION = 2.0
_FAR_APART = 2
"""Of frames so far apart large frames' flow is found coarsely."""
_FLOWS_MIB = 48.0
_CLEAR = 0.05


def channel_mean(picture: Plane) -> Plane:
    """Mean over the channels of ``h w c``; far faster than a numpy reduction over a short last axis."""
    channels = picture.shape[-1]
    return np.asarray(cv2.transform(picture, np.full((1, channels), 1.0 / channels, np.float32)), np.float32)


FlowOf = Callable[[Box], Plane]
"""Flow in pixels of any part of a frame."""


class Way(NamedTuple):
    """From a part of a frame to another frame: flow in pixels, and where it passes the forward-backward test."""

    flow: Plane
    consistent: Boolean


class WindowMotion:
    """Flows and camera motion of a window, computed when first asked for.

    ``frames`` is ``t h w 3`` RGB, float or integer codes at full scale; flow is found in [0, 1], light beyond is
    carried along. ``masks`` is ``t h w``, above zero where the picture must not be trusted.
    With a ``margin_px``, what is asked of regions is found that far around holes, and else over whole frames.
    With ``motion_rows``, the motion of larger frames is found at that height; pixels are read at the frames' own.
    What is ``reduced`` from larger frames is bridged as coarsely as those.
    A ``memory`` that is given is shared with other windows. ``lent`` are frames of other takes.
    """

    def __init__(
        self,
        frames: NDArray[Any] | MendedFrames,
        masks: Plane | Boolean,
        *,
        preset: Preset = "medium",
        margin_px: int | None = None,
        motion_rows: int | None = None,
        reduced: bool = False,
        memory: ShotMemory | None = None,
        lent: LentFrames | None = None,
    ) -> None:
        if frames.shape[:3] != masks.shape:
            raise MaskError("masks do not fit their frames", found=masks.shape, expected=frames.shape[:3])
        self.frames: Frames = frames if isinstance(frames, MendedFrames) else as_frames(frames)
        self.lent = lent
        self.holes: Boolean = np.asarray(masks if masks.dtype == bool else masks > 0, bool)
        self.num_frames, self.height, self.width = masks.shape
        self.raster = MotionRaster(self.height, self.width, motion_rows)
        self._preset: Preset = preset
        self._margin_px, self._coarse = margin_px, reduced or not self.raster.is_full
        self._memory = memory if memory is not None else ShotMemory()
        self.is_shared = memory is not None
        self._flows = MotionMemory(_FLOWS_MIB)
        # With other frames and masks, and all else the same.
        alike = partial(WindowMotion, preset=preset, margin_px=margin_px, motion_rows=motion_rows, reduced=reduced)
        self.with_frames = partial(alike, memory=memory, lent=lent)
        self._of_frames: dict[tuple[str, int], Any] = {}

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value that a fill may have."""
        return value_range(self.frames)

    def distrusted(self, frame: int) -> Boolean:
        """A frame's hole, a pixel wider all around: what touches it is not compared, ``h w``."""
        return np.asarray(cv2.dilate(self.holes[frame].view(np.uint8), np.ones((3, 3), np.uint8)) > 0)

    def regions(self, frame: int) -> list[Region]:
        """Where what is asked of a frame is found."""

        def find() -> list[Region]:
            if self._margin_px is None:
                return [whole_frame(self.holes[frame].shape)]
            return hole_regions(self.holes[frame], self._margin_px)

        return self._of_frame("regions", frame, find)

    def pixels(self, frame: int) -> HolePixels:
        """The pixels of a frame's hole."""
        return self._of_frame("pixels", frame, lambda: HolePixels(self.holes[frame]))

    def _name(self, frame: int) -> bytes | int:
        name = partial(fingerprint, self.frames[frame], self.holes[frame])
        return self._of_frame("name", frame, name) if self.is_shared else frame

    def names_around(self, frame: int, reach: int) -> tuple[bytes | int, ...]:
        """Of the frames that may lend pixels over a ``reach``: they say what these look like if a memory is shared."""
        return tuple(map(self._name, range(max(0, frame - reach), min(self.num_frames, frame + reach + 1))))

    def _completion(self, frame: int) -> FlowCompletion:
        return self._of_frame("completion", frame, lambda: FlowCompletion(~self._trusted(frame), pooled=self._coarse))

    def _trusted(self, frame: int) -> Boolean:
        return self._of_frame("trusted", frame, lambda: ~self.raster.touched(self.distrusted(frame)))

    def _of_frame(self, name: str, frame: int, find: Callable[[], Found]) -> Found:
        # Not a cache of bound methods: a window that refers to itself stays, with all its frames, until the garbage
        # collector comes by, which arrays do not call.
        if (name, frame) not in self._of_frames:
            self._of_frames[name, frame] = find()
        return cast(Found, self._of_frames[name, frame])

    # -- the hole bridged from its own frame ------------------------------------------

    def bridged(self, frame: int) -> tuple[Look, Look]:
        """The hole bridged by a stiff surface that follows lines, and by a slack one, good on texture."""
        pixels, picture = self.pixels(frame), self.frames[frame]
        stiff, slack = self.bridges(frame)
        return pixels.filling(picture, stiff), pixels.filling(picture, slack)

    def prefilled(self, frame: int) -> Look:
        """The frame with its hole bridged midway between the two."""
        return self.pixels(frame).filling_midway(self.frames[frame], *self.bridges(frame))

    def prefill(self, frame: int) -> Plane:
        """The pixels ``m 3`` of the hole bridged so."""
        stiff, slack = self.bridges(frame)
        return np.asarray(0.5 * (stiff[:] + slack[:]), np.float32)

    def bridges(self, frame: int) -> tuple[Values, Values]:
        """The pixels ``m 3`` of the hole as either of the two has them; of large frames coded, to keep more of them."""

        def bridge() -> tuple[Values, Values]:
            picture, hole = np.asarray(self.frames[frame]), self.holes[frame]
            tensions = pull_along_lines(picture, hole, STIFF_TENSION), SLACK_TENSION
            stiff, slack = thin_plate_values(picture, hole, tensions, nested=self._coarse)
            return (stiff, slack) if self.raster.is_full else (CodedValues(stiff), CodedValues(slack))

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
        return read_at(picture, x, y, (self.height, self.width), cubic=cubic)

    def inside(self, flow: Plane, box: Box | None = None) -> Boolean:
        """Where a read through the flow stays inside the frame."""
        x, y = places_of(flow, box or self.everywhere)
        return inside(x, y, self.height, self.width)

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
        return self.raster.enlarged(self._flow(target, source), self.everywhere, self.everywhere)

    def _flow(self, target: int, source: int) -> Plane:
        """The same on the raster that motion is found on."""
        preset = self._preset if self.raster.is_full or abs(target - source) < _FAR_APART else COARSE
        return self._flows.of(
            (target, source),
            lambda: self._completion(target)(dis_flow(self._luma(target), self._luma(source), preset)),
        )

    def consistent(self, target: int, source: int, box: Box | None = None) -> Boolean:
        """Inside the frame and passing the forward-backward test (Sundaram et al., ECCV 2010, eq. 5)."""
        box = box or self.everywhere
        agreed = self._agreed(target, source, self.raster.footprint(box))
        return self.raster.enlarged_area(agreed, box, box)

    def _agreed(self, target: int, source: int, box: Box) -> Boolean:
        """The same for a part of the raster that motion is found on."""
        there, (height, width) = self._flow(target, source)[box], self.raster.shape
        x, y = places_of(there, box)
        back = read_at(self._flow(source, target), x, y, (height, width))
        gap = channel_mean(np.square(there + back))
        size = channel_mean(np.square(there)) + channel_mean(np.square(back))
        agreed: Boolean = inside(x, y, height, width) & (gap <= 0.01 * size + 0.25)
        return agreed

    def near(self, target: int, source: int) -> list[Way]:
        """The ways from each region of ``target`` to ``source``."""
        return [self.way(target, source, place) for place in range(len(self.regions(target)))]

    def way(self, target: int, source: int, place: int, part: Box | None = None) -> Way:
        """The way from one of the regions of ``target`` to ``source``: of its box, or a part of that."""
        flow, agreed = self.found_way(target, source, place)
        box = self.regions(target)[place].box
        part = part or box
        return Way(self.raster.enlarged(flow, box, part), self.raster.enlarged_area(agreed, box, part))

    def found_way(self, target: int, source: int, place: int) -> tuple[Plane, Boolean]:
        """The same as it was found: of the footprint of the region's box on the raster that motion is found on."""
        first, second = sorted((target, source))
        names = self._name(first), self._name(second)
        found = self._memory.regions.of(
            ("near", *names), lambda: (*self._ways(first, second), *self._ways(second, first))
        )
        at = 2 * (place if target == first else len(self.regions(first)) + place)
        return found[at].astype(np.float32, copy=False), found[at + 1]

    def _ways(self, target: int, source: int) -> list[NDArray[Any]]:
        boxes = [self.raster.footprint(region.box) for region in self.regions(target)]
        if not boxes:
            return []
        # They overlap.
        around = around_all(boxes)
        found = self.raster.kept(self._flow(target, source)[around]), self._agreed(target, source, around)
        return [each[within(around, box)].copy() for box in boxes for each in found]

    def from_hole(self, target: int, source: int) -> tuple[Plane, Plane, Boolean]:
        """Where the pixels ``m`` of a hole lie in ``source``, x and y, and whether the way there is consistent."""

        def find() -> tuple[NDArray[Any], ...]:
            parts: list[NDArray[Any]] = []
            for place, region in enumerate(self.regions(target)):
                around, core = (self.raster.footprint(box) for box in (region.box, region.core))
                flow, agreed = self.found_way(target, source, place)
                parts += [self.raster.kept(flow[within(around, core)]).copy(), agreed[within(around, core)].copy()]
            return tuple(parts)

        parts = self._memory.frames.of(("from hole", self._name(target), self._name(source)), find)
        pixels = self.pixels(target)
        flow, agreed = np.zeros((len(pixels), 2), np.float32), np.zeros(len(pixels), bool)
        for region, found, fits in zip(self.regions(target), parts[0::2], parts[1::2], strict=True):
            pixels.take(self.raster.enlarged(found, region.core, region.core), flow, region.core)
            pixels.take(self.raster.enlarged_area(fits, region.core, region.core), agreed, region.core)
        return pixels.xs.astype(np.float32) + flow[:, 0], pixels.ys.astype(np.float32) + flow[:, 1], agreed

    # -- the camera -------------------------------------------------------------------

    def step(self, frame: int) -> Homography:
        """The camera's motion from a frame to the next."""

        def find() -> Homography:
            return self.raster.full_matrix(fit_homography(self._flow(frame, frame + 1), self._trusted(frame)))

        return self._memory.frames.of(("step", self._name(frame), self._name(frame + 1)), find)

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

    def way_by_camera(self, target: int, source: int, place: int) -> Plane:
        """Camera flow of a region plus what it leaves: parallax, lens, moving things; completed in the hole."""
        box = self.regions(target)[place].box
        rest = self.raster.enlarged(self.found_rest(target, source, place), box, box)
        return rest + carried_by(self.camera(target, source), *places_of(rest, box))

    def found_rest(self, target: int, source: int, place: int) -> Plane:
        """What the camera's flow of a region leaves, as it was found: see :meth:`found_way`."""
        key = ("camera", self._name(target), self._name(source))

        def find() -> tuple[Plane, ...]:
            rest = self._rest(target, source)
            return tuple(rest[self.raster.footprint(region.box)].copy() for region in self.regions(target))

        return self._memory.camera.of(key, find)[place]

    def hole_share(self, raster: MotionRaster, frame: int) -> Plane:
        """How much of each pixel of a smaller raster is a frame's hole."""
        name = f"share of {raster.shape}"
        return self._of_frame(name, frame, lambda: raster.reduced(self.holes[frame].astype(np.float32)))

    def seen_on(self, raster: MotionRaster, frame: int) -> Plane:
        """The prefilled frame ``h w 3`` on a smaller raster, remembered; it is not to be written to."""
        return self._memory.seen.of(
            (raster.shape, self._name(frame)), lambda: raster.reduced(self.prefilled(frame)(self.everywhere))
        )

    def _rest(self, target: int, source: int) -> Plane:
        """What is left when the source has been brought over by the camera's motion, found by dense flow."""
        # Rounded once: flow on flat picture hangs on single codes.
        shown, preset = self._exact_luma(source), self._preset if self.raster.is_full else COARSE
        rest, _ = self._left_by(self.camera(target, source), target, shown, self.raster, preset)
        return self._completion(target)(rest)

    def lent_ways(self, target: int, number: int) -> tuple[FlowOf, FlowOf]:
        """Two ways from parts of ``target`` into a lent frame: a homography alone, made exact by flow, and that flow.

        The first is right wherever the set is flat or the camera stood still, far into a hole too; the second where
        there is parallax, near the hole's edge.
        """
        assert self.lent is not None
        frame, homography = self.lent.frames[number], self.lent.homography(target, number)
        raster = MotionRaster(frame.shape[0], frame.shape[1], round(len(frame) * self.raster.shape[0] / self.height))
        shown = raster.reduced(luma(frame))
        for _ in range(2):
            found = homography
            rest, shows = self._left_by(found, target, shown, raster, self._preset)
            known = shows & self._trusted(target)
            homography = found @ self.raster.full_matrix(fit_homography(rest, known))
        rest = complete_flow(rest, ~known)

        def exact(box: Box) -> Plane:
            left = self.raster.enlarged(rest[self.raster.footprint(box)], box, box)
            return left + carried_by(found, *places_of(left, box))

        def rigid(box: Box) -> Plane:
            return carried_by(homography, *places_of(np.zeros((1, 1, 2), np.float32), box))

        return rigid, exact

    def _left_by(
        self, matrix: Homography, target: int, shown: Plane, source: MotionRaster, preset: Preset
    ) -> tuple[Plane, Boolean]:
        """Flow from ``target`` to a luma brought over by a homography, and where that shows anything.

        Of rasters that motion is found on.
        """
        size, reduced = self.raster.shape[::-1], self.raster.reduced_matrix(matrix, source)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        brought = cv2.warpPerspective(shown, reduced, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        shows = cv2.warpPerspective(np.ones(shown.shape, np.uint8), reduced, size, flags=flags)
        own = self._luma(target)
        codes = np.where(shows > 0, luma_codes(np.asarray(brought, np.float32)), own)
        return dis_flow(own, codes, preset), np.asarray(shows > 0)

    def _luma(self, frame: int) -> NDArray[np.uint8]:
        return luma_codes(self._exact_luma(frame))

    def _exact_luma(self, frame: int) -> Plane:
        """Of the prefilled frame, on the raster that motion is found on."""
        return self._memory.frames.of(
            ("luma", self._name(frame)), lambda: self.raster.reduced(luma(self.prefilled(frame)(self.everywhere)))
        )
