"""Frames with something put into their hole, made for the part of the frame that is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpositive.motion.hole_regions import Box
from interpositive.motion.window_frames import CodedValues, Picture, as_pixels

Values = NDArray[Any] | CodedValues
"""Of the pixels of a hole, ``m`` or ``m c``."""
Look = Callable[[Box], NDArray[np.float32]]
"""A picture ``h w`` or ``h w c`` by its parts: rows and columns to an array that may be read, never written to."""


class HolePixels:
    """The pixels of a hole ``h w``, ``m`` of them in the order of its rows."""

    def __init__(self, hole: NDArray[np.bool_]) -> None:
        ys, xs = np.nonzero(hole)
        # Of all frames of a window they take as much as some of the frames.
        number = np.int16 if max(hole.shape) <= np.iinfo(np.int16).max else np.int32
        self.ys: NDArray[np.signedinteger] = ys.astype(number)
        self.xs: NDArray[np.signedinteger] = xs.astype(number)
        self._starts = np.searchsorted(self.ys, np.arange(len(hole) + 1))

    def __len__(self) -> int:
        return len(self.ys)

    def put(self, values: Values, part: NDArray[Any], box: Box) -> None:
        """Write the values ``m`` or ``m c`` of a whole hole into a part of a picture, where that shows the hole."""
        which, ys, xs = self._within(box)
        if isinstance(values, np.ndarray) and values.ndim == 1:
            part[ys, xs] = values[which]
        else:
            as_pixels(part)[ys, xs] = as_pixels(_picked(values, which, part.dtype))

    def take(self, part: NDArray[Any], values: NDArray[Any], box: Box) -> None:
        """The other way: what a part of a picture has for pixels of the hole, written to the values of all."""
        which, ys, xs = self._within(box)
        values[which] = part[ys, xs]

    def plate(self, picture: Picture, box: Box) -> NDArray[np.float32]:
        """What a picture ``h w c`` has itself for the pixels that lie in a box, ``m c``."""
        _, ys, xs = self._within(box)
        found: NDArray[np.float32] = picture[box][ys, xs]
        return found

    def within(self, box: Box) -> NDArray[np.int64]:
        """Which pixels lie in a box."""
        return self._within(box)[0]

    def _within(self, box: Box) -> tuple[NDArray[np.int64], NDArray[np.signedinteger], NDArray[np.signedinteger]]:
        """Which pixels lie in a box, and where in it."""
        rows, columns = box
        start, stop = self._starts[rows.start], self._starts[rows.stop]
        xs = self.xs[start:stop]
        which = start + np.flatnonzero((xs >= columns.start) & (xs < columns.stop))
        return which, self.ys[which] - rows.start, self.xs[which] - columns.start

    def filling(self, picture: Picture, values: Values) -> Look:
        """A picture ``h w c`` with values ``m c`` in the hole."""

        def look(box: Box) -> NDArray[np.float32]:
            part = picture[box]
            if isinstance(picture, np.ndarray):
                part = part.copy(order="C")
            self.put(values, part, box)
            return part

        return look

    def filling_midway(self, picture: Picture, values: Values, others: Values) -> Look:
        """The same with what lies midway between two values."""

        def look(box: Box) -> NDArray[np.float32]:
            part = picture[box]
            if isinstance(picture, np.ndarray):
                part = part.copy(order="C")
            which, ys, xs = self._within(box)
            one, other = (_picked(each, which, np.dtype(np.float32)) for each in (values, others))
            as_pixels(part)[ys, xs] = as_pixels((0.5 * (one + other)).astype(part.dtype, copy=False))
            return part

        return look

    def over(self, outside: float, values: NDArray[Any]) -> Look:
        """A plane that is ``outside`` beyond the hole, with values ``m`` in it."""

        def look(box: Box) -> NDArray[np.float32]:
            part = np.full((box[0].stop - box[0].start, box[1].stop - box[1].start), outside, np.float32)
            self.put(values, part, box)
            return part

        return look


def _picked(values: Values, which: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Those of some pixels, ``n c``."""
    if isinstance(values, CodedValues):
        return values[which].astype(dtype, copy=False)
    pixels = as_pixels(np.ascontiguousarray(values))[which]
    return pixels.view(values.dtype).reshape(len(which), values.shape[-1]).astype(dtype, copy=False)
