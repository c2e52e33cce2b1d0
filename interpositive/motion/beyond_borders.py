"""What other frames of a window show beyond the border of one: the camera's motion, measured on what is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma
from interpositive.functional.threads import in_turn
from interpositive.motion.camera_motion import CameraPath, Homography, fit_homography, homography_flow
from interpositive.motion.hole_regions import Box
from interpositive.motion.lent_frames import LentFrames
from interpositive.motion.motion_memory import BorderMemory, MotionMemory, fingerprint
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.optical_flow import COARSE, dis_flow, luma_codes
from interpositive.motion.window_frames import CodedFrames, Picture
from interpositive.motion.window_motion import Boolean, Plane

_ERODED_PX = 5
_LEAST_OVERLAP_PX = 256
_MOST_UNLIKE = 0.5
_TAPS_PX = 3


class Seen(NamedTuple):
    """A frame as another's camera would see it, ``h w 3``; where it is known, ``h w``; and the way there.

    The two are of a smaller raster where frames are looked at on one, the way of their own.
    """

    picture: Plane
    known: Boolean
    way: Homography


class BorderMotion:
    """The camera over a window ``t h w 3`` whose ``holes`` (``t h w``) lie along the borders.

    ``frames`` are float, or integer codes at full scale. Of frames of more than ``motion_rows`` motion is found at that
    height; those of more than ``shown_rows`` are seen at that one, except by :meth:`read_part`. A ``memory`` that is
    given is shared with other windows. ``lent`` are frames of other takes.
    """

    def __init__(
        self,
        frames: NDArray[Any],
        holes: Boolean,
        lent: LentFrames | None = None,
        *,
        motion_rows: int | None = None,
        shown_rows: int | None = None,
        memory: BorderMemory | None = None,
    ) -> None:
        self.frames: Plane | CodedFrames = CodedFrames(frames) if frames.dtype.kind == "u" else frames
        self.holes, self.lent = holes, lent
        _, height, width = holes.shape
        self.raster, self.shown = MotionRaster(height, width, motion_rows), MotionRaster(height, width, shown_rows)
        self.is_shared = memory is not None
        self._memory = BorderMemory(320.0) if memory is None else memory
        self._of_window = MotionMemory()
        self._names: dict[int, bytes] = {}

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Lowest and highest value that a fill may have: [0, 1], and as far beyond as what is known goes."""
        low, high = 0.0, 1.0
        if not isinstance(self.frames, CodedFrames):
            for frame, hole in zip(self.frames, self.holes, strict=True):
                if not hole.all():
                    known = frame[~hole]
                    low, high = min(low, float(known.min())), max(high, float(known.max()))
        return low, high

    def find_shared(self) -> None:
        """Find the camera's steps, which all frames ask for, so that these can be looked at side by side."""
        deque(in_turn(self._compared, range(len(self.holes))), maxlen=0)
        deque(in_turn(self._step, range(len(self.holes) - 1)), maxlen=0)
        _ = self._camera, self.value_range

    def names_around(self, frame: int, reach: int) -> tuple[bytes | int, ...]:
        """Of the frames that may lend over a ``reach``: they say what these look like if a memory is shared."""
        return tuple(map(self._name, range(max(0, frame - reach), min(len(self.holes), frame + reach + 1))))

    def picture(self, frame: int) -> Plane:
        """A frame ``h w 3`` as it is seen, whose hole takes the nearest known pixel."""
        return self._memory.pictures.of(
            ("picture", self._name(frame), self.shown.shape),
            lambda: _seen_on(self.shown, self.frames[frame], self.holes[frame]),
        )

    def hole(self, frame: int) -> Boolean:
        """Where a frame's picture is not known, ``h w``."""
        return self.shown.touched(self.holes[frame])

    def brought(self, target: int, source: int) -> Seen:
        """Frame ``source`` as the camera of ``target`` would see it."""
        return self._seen(self.picture(source), self.hole(source), self._way(target, source), self.shown)

    def brought_whole(self, target: int, source: int, shown: Plane, hole: Boolean) -> Seen:
        """Frame ``source`` as ``shown``, with more of it than the window has; see :meth:`brought`."""
        assert self.raster.is_full and self.shown.is_full
        found = self._exact(target, shown, hole, self._camera.between(target, source), self.raster)
        return self._seen(shown, hole, found, self.shown)

    def lent_to(self, target: int) -> Iterator[tuple[int, Seen]]:
        """Frames of other takes as the camera of ``target`` would see them, with their numbers; see :meth:`brought`.

        Those are left out that differ from what ``target`` shows by more than half of its own variance, unless it is
        known that they may lend.
        """
        for number in () if self.lent is None else self.lent.lent_to(target):
            compared, seen = (self._raster_of_lent(number, raster) for raster in (self.raster, self.shown))
            shown = self._lent(number, compared, as_picture=self.raster.is_full)
            nothing = np.zeros(compared.shape, bool)
            assert self.lent is not None
            found = self._exact(target, shown, nothing, self.lent.homography(target, number), compared)
            nothing = np.zeros(seen.shape, bool)
            brought = self._seen(self._lent(number, seen, as_picture=True), nothing, found, seen)
            if self.lent.are_known:
                yield number, brought
                continue
            overlap = brought.known & _well_inside(self.hole(target))
            if overlap.sum() > _LEAST_OVERLAP_PX:
                own = self.picture(target)[overlap]
                if (brought.picture[overlap] - own).var(0).sum() < _MOST_UNLIKE * own.var(0).sum():
                    yield number, brought

    def read_part(self, way: Homography, box: Box, source: int, lent: int | None = None) -> tuple[Plane, Boolean]:
        """A part of a frame as ``source`` shows it, or a lent frame, at its own size; and where that is known."""
        rows, columns = box
        picture: Picture
        if lent is None:
            picture, hole = self.frames[source], self.holes[source]
        else:
            assert self.lent is not None
            picture, hole = self.lent.frames[lent], None
        corners = np.array(
            [[x, y, 1.0] for x in (columns.start, columns.stop - 1) for y in (rows.start, rows.stop - 1)]
        )
        places = corners @ way.T
        shape = rows.stop - rows.start, columns.stop - columns.start
        seen_by = [_span(places[:, axis] / places[:, 2], picture.shape[1 - axis]) for axis in (1, 0)]
        if (places[:, 2] <= 0).any() or any(first >= last for first, last in seen_by):
            return np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
        (top, bottom), (left, right) = seen_by
        part = (slice(top, bottom), slice(left, right))
        to_frame, from_part = np.eye(3), np.eye(3)
        to_frame[:2, 2], from_part[:2, 2] = (columns.start, rows.start), (-left, -top)
        matrix = from_part @ way @ to_frame
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        unknown = np.zeros((bottom - top, right - left), np.uint8)
        if hole is not None:
            # Cubic reads look a pixel further than linear ones, at what stands in the hole.
            cv2.dilate(np.ascontiguousarray(hole[part]).view(np.uint8), np.ones((3, 3), np.uint8), dst=unknown)
        missing = cv2.warpPerspective(
            unknown.astype(np.float32),
            matrix,
            shape[::-1],
            flags=flags,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=1,
        )
        known = np.asarray(missing <= 0.02)
        if not known.any():
            return np.zeros((*shape, 3), np.float32), known
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        shown = np.ascontiguousarray(picture[part])
        read = cv2.warpPerspective(shown, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(read, np.float32), known

    # -- how it is found --------------------------------------------------------------

    def _name(self, frame: int) -> bytes | int:
        if not self.is_shared:
            return frame
        if frame not in self._names:
            self._names[frame] = fingerprint(self.frames[frame], self.holes[frame])
        return self._names[frame]

    def _compared(self, frame: int) -> Plane:
        """What motion is measured on, on the raster for that: the picture, or of a smaller one its luma."""
        if self.raster.is_full and self.shown.is_full:
            return self.picture(frame)
        return self._memory.pictures.of(
            ("luma", self._name(frame)),
            lambda: _luma(_seen_on(self.raster, self.frames[frame], self.holes[frame])),
        )

    @cached_property
    def _camera(self) -> CameraPath:
        return CameraPath([self._step(frame) for frame in range(len(self.holes) - 1)])

    def _step(self, frame: int) -> Homography:
        def find() -> Homography:
            before, after = (luma_codes(_luma(self._compared(one))) for one in (frame, frame + 1))
            return self.raster.full_matrix(fit_homography(dis_flow(before, after), self._trusted(frame)))

        return self._memory.ways.of(("step", self._name(frame), self._name(frame + 1)), find)

    def _way(self, target: int, source: int) -> Homography:
        """The camera's way between two frames.

        A chain of steps drifts; what is left is measured once more, over the whole way. Of large frames once for both
        directions, from the earlier one.
        """
        if self.raster.is_full:
            return self._measured(target, source)
        first, second = sorted((target, source))
        found = self._memory.ways.of(
            ("way", self._name(first), self._name(second)), lambda: self._measured(first, second)
        )
        return found if target == first else np.asarray(np.linalg.inv(found), np.float64)

    def _measured(self, target: int, source: int) -> Homography:
        shown, hole = self._compared(source), self.raster.touched(self.holes[source])
        return self._exact(target, shown, hole, self._camera.between(target, source), self.raster)

    def _trusted(self, frame: int) -> Boolean:
        return _well_inside(self.raster.touched(self.holes[frame]))

    def _exact(self, target: int, shown: Plane, hole: Boolean, matrix: Homography, source: MotionRaster) -> Homography:
        """The way from ``target`` to a picture, given one that is nearly right."""
        reduced, smaller = self.raster.reduced_matrix(matrix, source), not self.raster.is_full
        picture, known = _read(shown, hole, reduced, self.raster.shape, smaller=smaller)
        own = luma_codes(_luma(self._compared(target)))
        codes = np.where(known, luma_codes(_luma(picture)), own).astype(np.uint8)
        overlap = known & self._trusted(target)
        if overlap.sum() > _LEAST_OVERLAP_PX:
            left = dis_flow(own, codes, "medium" if self.raster.is_full else COARSE)
            matrix = matrix @ self.raster.full_matrix(fit_homography(left, overlap))
        return matrix

    def _seen(self, shown: Plane, hole: Boolean, way: Homography, source: MotionRaster) -> Seen:
        matrix, smaller = self.shown.reduced_matrix(way, source), not self.shown.is_full
        return Seen(*_read(shown, hole, matrix, self.shown.shape, smaller=smaller), way)

    def _raster_of_lent(self, number: int, raster: MotionRaster) -> MotionRaster:
        assert self.lent is not None
        height, width = self.lent.frames[number].shape[:2]
        return MotionRaster(height, width, round(height * raster.shape[0] / raster.full[0]))

    def _lent(self, number: int, raster: MotionRaster, *, as_picture: bool) -> Plane:
        """A lent frame on a raster, as a picture, or else as its luma."""
        assert self.lent is not None
        frame = self.lent.frames[number]
        if raster.is_full:
            return frame if as_picture else luma(frame)

        def find() -> Plane:
            seen = _seen_on(raster, frame, np.zeros(frame.shape[:2], bool))
            return seen if as_picture else luma(seen)

        return self._of_window.of(("lent", number, raster.shape, as_picture), find)


def _seen_on(raster: MotionRaster, picture: Picture, hole: Boolean) -> Plane:
    """A picture on a raster, its hole filled with the nearest known pixel."""
    if raster.is_full:
        return np.ascontiguousarray(edge_extended(np.asarray(picture), hole))
    return edge_extended(raster.reduced(np.ascontiguousarray(picture[:])), raster.touched(hole))


def _luma(shown: Plane) -> Plane:
    return shown if shown.ndim == 2 else luma(shown)


def _well_inside(hole: Boolean) -> Boolean:
    """What is known some way from a hole ``h w``; of a frame that has almost nothing, all there is."""
    eroded = cv2.erode((~hole).astype(np.uint8), np.ones((2 * _ERODED_PX + 1,) * 2, np.uint8)) > 0
    return np.asarray(eroded if eroded.any() else ~hole)


def _span(places: NDArray[np.float64], length: int) -> tuple[int, int]:
    """First and last of so many pixels that cubic reads between such places look at."""
    first, last = np.floor(places.min()) - _TAPS_PX, np.ceil(places.max()) + _TAPS_PX + 1
    return int(np.clip(first, 0, length)), int(np.clip(last, 0, length))


def _read(
    shown: Plane, hole: Boolean, matrix: Homography, shape: tuple[int, int], *, smaller: bool
) -> tuple[Plane, Boolean]:
    """A picture as a homography shows it on a raster, and where it is known."""
    if smaller:
        # As below, but for the last bits of places, in a third of the time.
        size, by = shape[::-1], cv2.WARP_INVERSE_MAP
        picture = cv2.warpPerspective(shown, matrix, size, flags=cv2.INTER_CUBIC | by, borderMode=cv2.BORDER_REPLICATE)
        unknown = cv2.warpPerspective(
            hole.astype(np.float32),
            matrix,
            size,
            flags=cv2.INTER_LINEAR | by,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=1,
        )
        return np.asarray(picture, np.float32), np.asarray(unknown <= 0.02)
    flow = homography_flow(matrix, *shape)
    ys, xs = (grid.astype(np.float32) for grid in np.mgrid[0 : shape[0], 0 : shape[1]])
    x, y = xs + flow[..., 0], ys + flow[..., 1]
    picture = cv2.remap(shown, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    unknown = cv2.remap(hole.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=1)
    return np.asarray(picture, np.float32), np.asarray(unknown <= 0.02)


def smoothly_filled(picture: Plane, known: Boolean) -> Plane:
    """A picture ``h w 3`` whose unknown pixels are interpolated from all that is known, coarser the further off.

    Averages over ever larger cells, and back (the pull and push of Gortler et al., SIGGRAPH 1996).
    """
    weight = known.astype(np.float32)
    if known.all() or not known.any() or min(known.shape) < 2:
        return picture
    height, width = known.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(picture * weight[..., None], half, interpolation=cv2.INTER_AREA)
    small = small / np.maximum(small_weight, 1e-6)[..., None]
    coarse = smoothly_filled(np.asarray(small, np.float32), np.asarray(small_weight > 0))
    raised = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    filled: Plane = np.where(known[..., None], picture, raised)
    return filled


def edge_extended(picture: Plane, hole: Boolean) -> Plane:
    """A picture ``h w 3`` whose hole takes the nearest known pixel; grey if there is none."""
    if not hole.any():
        return picture
    if hole.all():
        return np.full_like(picture, 0.5)
    _, labels = cv2.distanceTransformWithLabels(hole.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours: NDArray[np.float32] = np.zeros((int(labels.max()) + 1, picture.shape[2]), np.float32)
    known = ~hole
    colours[labels[known]] = picture[known]
    extended: Plane = np.where(hole[..., None], colours[labels], picture)
    return extended
