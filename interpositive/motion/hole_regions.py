"""Boxes around a hole, so that what is found for its pixels is found near them and not over the whole frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]
"""Rows and columns of a raster."""

_CELL_PX = 64
EACH_COSTS_PX = 4096
"""What is done once a box, whatever its size, takes about as long as so many of its pixels."""


@dataclass(frozen=True)
class Region:
    """A part of a frame: the pixels of the hole in ``core`` are repaired from what ``box`` around it shows."""

    core: Box
    box: Box

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the box."""
        return self.box[0].stop - self.box[0].start, self.box[1].stop - self.box[1].start

    def within(self, box: Box) -> Box:
        """Where ``box``, a part of this region's, lies in it."""
        return within(self.box, box)

    def around_core(self, margin_px: int, step_px: int) -> Box:
        """The core with a margin, as far as the box goes, that begins at a multiple of ``step_px`` of the raster."""
        rows, columns = (
            slice(
                min(core.start, -(-max(own.start, core.start - margin_px) // step_px) * step_px),
                min(own.stop, core.stop + margin_px),
            )
            for core, own in zip(self.core, self.box, strict=True)
        )
        return rows, columns

    def around(self, area: NDArray[np.bool_], margin_px: int, each_costs_px: int = 0) -> Iterator[Region]:
        """The same in parts whose cores hold what this one's has of an area ``h w``: see :func:`hole_regions`."""
        down, across = self.core
        for part in hole_regions(area[self.core], margin_px, each_costs_px):
            rows, columns = part.core
            core = (
                slice(down.start + rows.start, down.start + rows.stop),
                slice(across.start + columns.start, across.start + columns.stop),
            )
            yield Region(core, self.box)

    def tiles(self, hole: NDArray[np.bool_], side_px: int) -> Iterator[Region]:
        """The same in parts whose cores are ``side_px`` high and wide at most, no larger than what they hold of it."""
        down, across = self.core
        for top in range(down.start, down.stop, side_px):
            for left in range(across.start, across.stop, side_px):
                part = hole[top : min(top + side_px, down.stop), left : min(left + side_px, across.stop)]
                rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
                if len(rows):
                    core = (
                        slice(top + int(rows[0]), top + int(rows[-1]) + 1),
                        slice(left + int(columns[0]), left + int(columns[-1]) + 1),
                    )
                    yield Region(core, self.box)


def whole_frame(shape: Sequence[int]) -> Region:
    """One region that is all of a raster (height, width)."""
    everything = (slice(0, shape[0]), slice(0, shape[1]))
    return Region(everything, everything)


def within(whole: Box, part: Box) -> Box:
    """Where a ``part`` of a raster lies in a larger one, ``whole``."""
    rows, columns = (slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True))
    return rows, columns


def around_all(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds them all."""
    rows, columns = (slice(min(p.start for p in of), max(p.stop for p in of)) for of in zip(*boxes, strict=True))
    return rows, columns


def hole_regions(hole: NDArray[np.bool_], margin_px: int, each_costs_px: int = 0) -> list[Region]:
    """Regions whose cores hold every pixel of a hole ``h w`` and whose boxes show ``margin_px`` around these.

    Boxes are one where that is fewer pixels than several, each of which counts some beside its own:
    :data:`EACH_COSTS_PX` where all that follows from their number is what they take. There are none for an empty hole.
    """
    height, width = hole.shape
    cores: NDArray[np.int64] = np.zeros((0, 4), np.int64)
    for core in _cells(hole):
        cores = _with(core, cores, margin_px, each_costs_px)
    return [
        Region(
            (slice(top, bottom), slice(left, right)),
            (
                slice(max(0, top - margin_px), min(height, bottom + margin_px)),
                slice(max(0, left - margin_px), min(width, right + margin_px)),
            ),
        )
        for top, left, bottom, right in cores.tolist()
    ]


def _cells(hole: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """What each cell of a grid holds of the hole: (top, left, bottom, right), tight."""
    for top in np.flatnonzero(np.logical_or.reduceat(hole.any(1), np.arange(0, len(hole), _CELL_PX))) * _CELL_PX:
        band = hole[top : top + _CELL_PX]
        columns = np.flatnonzero(band.any(0))
        for cell in np.unique(columns // _CELL_PX):
            left = int(cell) * _CELL_PX
            across = columns[(columns >= left) & (columns < left + _CELL_PX)]
            down = np.flatnonzero(band[:, left : left + _CELL_PX].any(1))
            yield np.array([top + down[0], across[0], top + down[-1] + 1, across[-1] + 1])


def _with(core: NDArray[np.int64], cores: NDArray[np.int64], margin_px: int, each_costs_px: int) -> NDArray[np.int64]:
    """One more core, joined with those that together with it make no more pixels than apart."""
    while len(cores):
        joined = np.concatenate((np.minimum(cores[:, :2], core[:2]), np.maximum(cores[:, 2:], core[2:])), 1)
        saved = _area(cores, margin_px) + _area(core[None], margin_px) - _area(joined, margin_px) + each_costs_px
        best = int(saved.argmax())
        if saved[best] < 0:
            break
        core, cores = joined[best], np.delete(cores, best, 0)
    return np.concatenate((cores, core[None]))


def _area(cores: NDArray[np.int64], margin_px: int) -> NDArray[np.int64]:
    sides = cores[:, 2:] - cores[:, :2] + 2 * margin_px
    return np.asarray(sides.prod(1))
