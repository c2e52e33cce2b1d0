"""Fills of a hole from its own frame: Telea, Navier-Stokes and thin-plate interpolation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

Picture = NDArray[np.float32]
Hole = NDArray[np.bool_]

_BIHARMONIC = np.zeros((5, 5))
_BIHARMONIC[2, :] = _BIHARMONIC[:, 2] = (1.0, -8.0, 20.0, -8.0, 1.0)
_BIHARMONIC[1, 1] = _BIHARMONIC[1, 3] = _BIHARMONIC[3, 1] = _BIHARMONIC[3, 3] = 2.0
_LAPLACE = np.array([[0.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 0.0]])


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
    """Thin-plate interpolation across a hole: the biharmonic equation plus ``tension`` times Laplace's.

    ``picture`` is ``h w 3``. Little tension bridges with matching slopes on both sides; much makes a
    membrane, which cannot overshoot. The result stays within the range of the known pixels.
    """
    if not hole.any():
        return picture
    height, width = hole.shape
    if hole.all():
        return np.full_like(picture, 0.5)
    index = np.full((height, width), -1, np.int64)
    ys, xs = np.nonzero(hole)
    num_unknown = len(ys)
    index[ys, xs] = np.arange(num_unknown)
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    right = np.zeros((num_unknown, picture.shape[2]))
    stencil = _BIHARMONIC.copy()
    stencil[1:4, 1:4] += tension * _LAPLACE
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            weight = stencil[dy + 2, dx + 2]
            if weight == 0.0:
                continue
            y = _reflect(ys + dy, height)
            x = _reflect(xs + dx, width)
            neighbour = index[y, x]
            unknown = neighbour >= 0
            rows.append(np.nonzero(unknown)[0])
            columns.append(neighbour[unknown])
            weights.append(np.full(int(unknown.sum()), weight))
            known = ~unknown
            right[known] -= weight * picture[y[known], x[known]]
    system = sparse.csc_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))),
        shape=(num_unknown, num_unknown),
    )
    solution = np.asarray(spsolve(system, right, permc_spec="COLAMD")).reshape(num_unknown, -1)
    known_pixels = picture[~hole]
    filled = picture.copy()
    filled[ys, xs] = np.clip(solution, known_pixels.min(0), known_pixels.max(0))
    return filled


def _reflect(positions: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    positions = np.abs(positions)
    return np.where(positions >= length, 2 * (length - 1) - positions, positions).clip(0, length - 1)
