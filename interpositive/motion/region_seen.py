"""A region of a large frame as it is seen on a smaller raster, and the pixels of its hole at the frame's own size."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import carried_by
from interpositive.motion.hole_regions import Region
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.reading import inside, read_at
from interpositive.motion.window_motion import Boolean, FlowOf, Plane, WindowMotion

_HALF = 0.5


class Aim(NamedTuple):
    """Where pixels of the smaller raster (``h w``) and the hole's own (``m``) lie in another frame, in its pixels.

    Both with where that is to be trusted.
    """

    x: Plane
    y: Plane
    usable: Boolean
    own_x: Plane
    own_y: Plane
    own_usable: Boolean


class RegionSeen:
    """One of a frame's regions on a ``raster``: ``region`` there, and ``which`` pixels of the frame's hole are in it.

    These lie at ``x`` and ``y`` (``m``) of the region's box there.
    """

    def __init__(self, motion: WindowMotion, raster: MotionRaster, frame: int, place: int) -> None:
        self._motion, self.raster = motion, raster
        self.frame, self.place = frame, place
        whole = motion.regions(frame)[place]
        self._whole = whole.box
        self.region = Region(raster.covered(whole.core), raster.covered(whole.box))
        pixels = motion.pixels(frame)
        self.which = pixels.within(whole.core)
        self._own = pixels.xs[self.which].astype(np.float32), pixels.ys[self.which].astype(np.float32)
        x, y = raster.places(*self._own)
        rows, columns = self.region.box
        self.x, self.y = x - np.float32(columns.start), y - np.float32(rows.start)
        self._shape = rows.stop - rows.start, columns.stop - columns.start
        across, down = (np.arange(part.start, part.stop, dtype=np.float32) for part in (columns, rows))
        across, down = raster.picture_places(across, down)
        self._across, self._down = (np.ascontiguousarray(each) for each in np.meshgrid(across, down))

    def between(self, planes: Plane) -> Plane:
        """What planes ``h w`` or ``h w c`` (up to four) of the box have at the hole's own pixels, ``m`` or ``m c``."""
        return read_at(planes, self.x, self.y, self._shape)

    def by_flow(self, source: int) -> Aim:
        """By flow to another frame, where that is consistent."""
        flow, agreed = self._motion.found_way(self.frame, source, self.place)
        field = cv2.merge([*cv2.split(self._motion.raster.picture_px(flow)), agreed.astype(np.float32)])
        seen, own = self._of_motion(np.asarray(field, np.float32))
        return self._aim(seen[..., :2], seen[..., 2] > _HALF, own[..., :2], own[..., 2] > _HALF)

    def by_camera(self, source: int) -> Aim:
        """By the camera's motion and what that leaves, where it stays inside the frame."""
        motion = self._motion
        seen, own = self._of_motion(motion.raster.picture_px(motion.found_rest(self.frame, source, self.place)))
        camera, size = motion.camera(self.frame, source), (motion.height, motion.width)
        seen += carried_by(camera, self._across, self._down)
        own += carried_by(camera, *self._own)
        x, y = self._own
        return self._aim(
            seen,
            inside(self._across + seen[..., 0], self._down + seen[..., 1], *size),
            own,
            inside(x + own[:, 0], y + own[:, 1], *size),
        )

    def by_field(self, flow_of: FlowOf) -> Aim:
        """By flow that is known for any part of the frame, all of which is trusted."""
        flow = flow_of(self._whole)
        seen, own = self._read(flow, self.raster.full_from_own, (self._whole[0].start, self._whole[1].start), self._own)
        return self._aim(seen, np.ones(seen.shape[:2], bool), own, np.ones(len(own), bool))

    def _aim(self, seen: Plane, usable: Boolean, own: Plane, own_usable: Boolean) -> Aim:
        x, y = self._own
        return Aim(
            self._across + seen[..., 0], self._down + seen[..., 1], usable, x + own[:, 0], y + own[:, 1], own_usable
        )

    def _of_motion(self, field: Plane) -> tuple[Plane, Plane]:
        """A field of the region's footprint on the raster that motion is found on, as seen and at the own pixels."""
        rows, columns = self._motion.raster.footprint(self._whole)
        matrix = self.raster.reduced_matrix(np.eye(3), self._motion.raster)
        return self._read(field, matrix, (rows.start, columns.start), self._motion.raster.places(*self._own))

    def _read(
        self, field: Plane, matrix: NDArray[np.float64], start: tuple[int, int], own: tuple[Plane, Plane]
    ) -> tuple[Plane, Plane]:
        """A field that begins at ``start`` of a raster, where ``matrix`` places the smaller one's pixels."""
        rows, columns = self.region.box
        top, left = start
        placed = matrix[:2].copy()
        placed[:, 2] += placed[:, :2] @ (columns.start, rows.start) - (left, top)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        field = np.ascontiguousarray(field)
        seen = cv2.warpAffine(field, placed, self._shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        x, y = own[0] - np.float32(left), own[1] - np.float32(top)
        return np.asarray(seen, np.float32), read_at(field, x, y, (field.shape[0], field.shape[1]))
