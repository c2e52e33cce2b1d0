"""A smaller raster that motion is found on, and the way between it and a picture's own."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.motion.camera_motion import Homography, area_scale
from interpositive.motion.hole_regions import Box, within

Plane = NDArray[np.float32]
Boolean = NDArray[np.bool_]

_BESIDE_PX = 2
"""Between pixels of the smaller raster its neighbours are read."""


class MotionRaster:
    """The raster of a picture of ``height`` rows and ``width`` columns, brought to ``rows`` rows if it has more.

    Pixels are areas: the centre of the first lies half a pixel in on either raster. Where nothing is brought to
    another size, everything is given as it came.
    """

    def __init__(self, height: int, width: int, rows: int | None = None) -> None:
        share = 1.0 if rows is None else min(1.0, rows / height)
        self.full = height, width
        self.shape = (max(1, round(height * share)), max(1, round(width * share)))
        self.is_full = self.shape == self.full
        self._scale = width / self.shape[1], height / self.shape[0]
        self._to_full = area_scale(*self._scale)

    def reduced(self, plane: Plane) -> Plane:
        """A plane ``h w``, or picture ``h w c``, of the picture's raster, by area."""
        if self.is_full:
            return plane
        return np.asarray(cv2.resize(plane, self.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)

    def touched(self, hole: Boolean) -> Boolean:
        """Where a hole ``h w`` of the picture's raster covers any of a pixel."""
        if self.is_full:
            return hole
        return self.reduced(hole.astype(np.float32)) > 1e-6

    def reduced_matrix(self, matrix: Homography, source: MotionRaster | None = None) -> Homography:
        """A homography from this raster's picture to another's (of the same raster, if None), on the smaller ones."""
        if self.is_full:
            return matrix
        return np.asarray(np.linalg.inv((source or self)._to_full) @ matrix @ self._to_full)

    def full_matrix(self, matrix: Homography) -> Homography:
        """A homography of the smaller raster, on the picture's own."""
        if self.is_full:
            return matrix
        return np.asarray(self._to_full @ matrix @ np.linalg.inv(self._to_full))

    def places(self, x: Plane, y: Plane) -> tuple[Plane, Plane]:
        """Where pixels of the picture's raster lie on the smaller one."""
        across, down = (np.float32(scale) for scale in self._scale)
        half = np.float32(0.5)
        return (x + half) / across - half, (y + half) / down - half

    def picture_places(self, x: Plane, y: Plane) -> tuple[Plane, Plane]:
        """The other way."""
        across, down = (np.float32(scale) for scale in self._scale)
        half = np.float32(0.5)
        return (x + half) * across - half, (y + half) * down - half

    @property
    def full_from_own(self) -> Homography:
        """From pixels of the smaller raster to the picture's own."""
        return self._to_full

    def covered(self, box: Box) -> Box:
        """The pixels of the smaller raster that a part of the picture touches."""
        rows, columns = (
            slice(int(part.start / scale), min(size, int(np.ceil(part.stop / scale))))
            for part, scale, size in zip(box, self._scale[::-1], self.shape, strict=True)
        )
        return rows, columns

    def picture_px(self, flow: Plane) -> Plane:
        """Flow ``... 2`` in pixels of the smaller raster as it is in pixels of the picture."""
        return np.asarray(flow * np.asarray(self._scale, np.float32), np.float32)

    def footprint(self, box: Box) -> Box:
        """What of the smaller raster a part of the picture is enlarged from."""
        if self.is_full:
            return box
        rows, columns = (
            slice(
                max(0, int(part.start / scale) - _BESIDE_PX),
                min(size, int(np.ceil(part.stop / scale)) + _BESIDE_PX),
            )
            for part, scale, size in zip(box, self._scale[::-1], self.shape, strict=True)
        )
        return rows, columns

    def kept(self, flow: Plane) -> NDArray[Any]:
        """Flow of the smaller raster as it is kept; of large pictures in half floats, so that twice as many stay.

        Of a flow of eight pixels these keep 1/256.
        """
        return flow if self.is_full else flow.astype(np.float16)

    def enlarged(self, flow: NDArray[Any], whole: Box, part: Box) -> Plane:
        """Flow ``h w 2``, cut to the footprint of ``whole``, as a part of that has it: in its own pixels."""
        if self.is_full:
            return flow[within(whole, part)]
        return self.picture_px(self._read(flow.astype(np.float32, copy=False), whole, part))

    def enlarged_area(self, area: Boolean, whole: Box, part: Box) -> Boolean:
        """An area ``h w``, cut to the footprint of ``whole``, as a part of that has it."""
        if self.is_full:
            return area[within(whole, part)]
        return self._read(area.astype(np.float32), whole, part) > 0.5

    def enlarged_plane(self, plane: Plane, part: Box) -> Plane:
        """A plane ``h w`` or picture ``h w c`` of the whole smaller raster, as a part of the full one has it."""
        if self.is_full:
            return plane[part]
        return self._read(plane, (slice(0, self.full[0]), slice(0, self.full[1])), part)

    def _read(self, field: Plane, whole: Box, part: Box) -> Plane:
        rows, columns = part
        beside = self.footprint(whole)
        matrix = np.linalg.inv(self._to_full)[:2]
        matrix[:, 2] += matrix[:, :2] @ (columns.start, rows.start) - (beside[1].start, beside[0].start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        read = cv2.warpAffine(np.ascontiguousarray(field), matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(read, np.float32)
