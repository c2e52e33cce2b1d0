"""Fills of a hole from its own frame: Telea, Navier-Stokes and thin-plate interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from interpositive.motion.nested_grid import NestedGrid

Picture = NDArray[np.float32]
Hole = NDArray[np.bool_]

_BIHARMONIC = np.zeros((5, 5))
_BIHARMONIC[2, :] = _BIHARMONIC[:, 2] = (1.0, -8.0, 20.0, -8.0, 1.0)
_BIHARMONIC[1, 1] = _BIHARMONIC[1, 3] = _BIHARMONIC[3, 1] = _BIHARMONIC[3, 3] = 2.0
_LAPLACE = np.zeros((5, 5))
_LAPLACE[1:4, 1:4] = ((0.0, -1.0, 0.0), (-1.0, 4.0, -1.0), (0.0, -1.0, 0.0))


def telea_fill(picture: Picture, hole: Hole, radius_px: int = 3) -> Picture:
    """Fast-marching inpainting (Telea, 2004) of ``h w 3`` RGB in [0, 1] by OpenCV, at 8 bits as published.

    Pixels outside the hole keep their full precision.
    """
    return _inpainted(picture, hole, radius_px, cv2.INPAINT_TELEA)


def navier_stokes_fill(picture: Picture, hole: Hole, radius_px: int = 3) -> Picture:
    """Inpainting along lines of equal light (Bertalmio et al., CVPR 2001) by OpenCV; else as :func:`telea_fill`."""
    return _inpainted(picture, hole, radius_px, cv2.INPAINT_NS)


def _inpainted(picture: Picture, hole: Hole, radius_px: int, method: int) -> Picture:
    if not hole.any():
        return picture
    codes = np.clip(np.rint(picture * 255.0), 0, 255).astype(np.uint8)
    if not hole.all():
        # Beside the hole's edge OpenCV reads what is still hidden; that must not be the wire's own colour.
        codes[hole] = np.rint(codes[~hole].mean(0)).astype(np.uint8)
    filled = cv2.inpaint(codes, hole.astype(np.uint8), radius_px, method).astype(np.float32) / 255.0
    return np.where(hole[..., None], filled, picture)


def thin_plate_fill(picture: Picture, hole: Hole, tension: float = 0.2) -> Picture:
    """A picture ``h w 3`` with its hole bridged by :func:`thin_plate_values`."""
    if not hole.any():
        return picture
    filled = picture.copy()
    filled[hole] = thin_plate_values(picture, hole, (tension,))[0]
    return filled


def thin_plate_values(
    picture: Picture, hole: Hole, tensions: Sequence[float], *, nested: bool = False
) -> list[Picture]:
    """Thin-plate interpolation across a hole: the biharmonic equation plus a tension times Laplace's.

    ``picture`` is ``h w 3``; the hole's pixels, ``m 3`` in the order of its rows, are given for each tension.
    Little tension bridges with matching slopes on both sides; much makes a membrane, which cannot overshoot.
    The result stays within the range of the known pixels. ``nested``: solved on a grid that is coarser further in.
    """
    height, width = hole.shape
    ys, xs = np.nonzero(hole)
    num_unknown, channels = len(ys), picture.shape[2]
    if num_unknown in (0, hole.size):
        return [np.full((num_unknown, channels), 0.5, np.float32) for _ in tensions]
    index = np.full((height, width), -1, np.int32)
    index[ys, xs] = np.arange(num_unknown, dtype=np.int32)
    grid = NestedGrid.of(hole) if nested else NestedGrid.full(num_unknown)
    ys, xs, num_points = ys[grid.points], xs[grid.points], len(grid.points)
    rows, columns, which = [], [], []
    pull = np.zeros((num_points, 2, channels))
    places = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if _BIHARMONIC[dy + 2, dx + 2]]
    for place, (dy, dx) in enumerate(places):
        y, x = _reflect(ys + dy * grid.steps, height), _reflect(xs + dx * grid.steps, width)
        neighbour = index[y, x]
        unknown = np.flatnonzero(neighbour >= 0).astype(np.int32)
        rows.append(unknown)
        columns.append(neighbour[unknown])
        which.append(np.full(len(unknown), place, np.int8))
        known = np.flatnonzero(neighbour < 0)
        seen = picture[y[known], x[known]]
        pull[known, 0] -= _BIHARMONIC[dy + 2, dx + 2] * seen
        pull[known, 1] -= _LAPLACE[dy + 2, dx + 2] * seen
    row, column, place_of = (np.concatenate(parts) for parts in (rows, columns, which))
    bending, pulling = (
        np.array([stencil[dy + 2, dx + 2] for dy, dx in places])[place_of] for stencil in (_BIHARMONIC, _LAPLACE)
    )
    # Where points are a step apart, all is multiplied by its fourth power, as differences of the fourth order are.
    pulling *= np.square(grid.steps)[row]
    lowest, highest = _range_of_known(picture, hole)
    values = []
    for tension in tensions:
        weights = bending + tension * pulling
        system = sparse.csc_matrix((weights, (row, column)), shape=(num_points, num_unknown))
        if grid.spread is not None:
            system = system @ grid.spread
        solution = np.asarray(spsolve(system, pull[:, 0] + tension * pull[:, 1], permc_spec="COLAMD"))
        solution = solution.reshape(num_points, -1)
        everywhere = solution if grid.spread is None else grid.spread @ solution
        values.append(everywhere.clip(lowest, highest).astype(np.float32))
    return values


def _range_of_known(picture: Picture, hole: Hole) -> tuple[Picture, Picture]:
    """Lowest and highest known value of each channel."""
    planes = [(picture[..., channel], hole) for channel in range(picture.shape[2])]
    lowest = [float(np.where(where, np.inf, plane).min()) for plane, where in planes]
    highest = [float(np.where(where, -np.inf, plane).max()) for plane, where in planes]
    return np.array(lowest, np.float32), np.array(highest, np.float32)


def _reflect(positions: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    positions = np.abs(positions)
    return np.where(positions >= length, 2 * (length - 1) - positions, positions).clip(0, length - 1)
