"""Fills of a hole from its own frame: Telea, Navier-Stokes and thin-plate interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import solveh_banded
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from interpositive.functional.threads import blas_by_one_thread
from interpositive.motion.nested_grid import NestedGrid, nested_points

Picture = NDArray[np.float32]
Hole = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Tension = float | Picture
"""As strong all ways; or a tensor for each pixel, ``h w 3``: across, mixed, down. Mixed is 0 at the frame's edge."""

_BIHARMONIC = np.zeros((5, 5))
_BIHARMONIC[2, :] = _BIHARMONIC[:, 2] = (1.0, -8.0, 20.0, -8.0, 1.0)
_BIHARMONIC[1, 1] = _BIHARMONIC[1, 3] = _BIHARMONIC[3, 1] = _BIHARMONIC[3, 3] = 2.0
_FOUR_WAYS = ((0, -1), (0, 1), (-1, 0), (1, 0))
_CROSS = np.ones((3, 3), np.uint8)
_WIDEST = 256
"""Pieces with much wider bands take less time and memory by a sparse method."""
_LEAST_PIVOT = 0.001
"""A diagonal's number is a pivot unless it is a smaller share than that of the largest in its column."""
_THICK = 0.85
"""Above that share of pixels that are solved for, bands of all take less time."""


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


def thin_plate_fill(picture: Picture, hole: Hole, tension: Tension = 0.2) -> Picture:
    """A picture ``h w 3`` with its hole bridged by :func:`thin_plate_values`."""
    if not hole.any():
        return picture
    filled = picture.copy()
    filled[hole] = thin_plate_values(picture, hole, (tension,))[0]
    return filled


def thin_plate_values(
    picture: Picture, hole: Hole, tensions: Sequence[Tension], *, nested: bool = False
) -> list[Picture]:
    """Thin-plate interpolation across a hole: the biharmonic equation plus a tension times Laplace's.

    ``picture`` is ``h w 3``; the hole's pixels, ``m 3`` in the order of its rows, are given for each tension.
    Little tension bridges with matching slopes on both sides; much makes a membrane, which cannot overshoot; a tensor
    pulls straight along a direction of each pixel's own.
    The result stays within the range of the known pixels. ``nested``: what is thick is solved on a grid that is coarser
    further in.
    """
    num_unknown, channels = int(hole.sum()), picture.shape[2]
    if num_unknown in (0, hole.size):
        return [np.full((num_unknown, channels), 0.5, np.float32) for _ in tensions]
    thick = _thick_parts(hole) if nested else np.zeros_like(hole)
    lowest, highest = _range_of_known(picture, hole)
    values = [np.empty((num_unknown, channels), np.float32) for _ in tensions]
    for part, solved in ((hole & ~thick, _solved), (thick, _solved_nested)):
        if part.any():
            for whole, found in zip(values, solved(picture, part, tensions), strict=True):
                whole[part[hole]] = found.clip(lowest, highest)
    return values


def _thick_parts(hole: Hole) -> Hole:
    """Those of a hole's pieces of which a nested grid leaves more than it solves for."""
    solved_for = nested_points(hole)
    if solved_for.all():
        return np.zeros_like(hole)
    # Equations hold pixels together that have one between them.
    num, labels = cv2.connectedComponents(cv2.dilate(hole.astype(np.uint8), _CROSS), connectivity=4)
    of_pixels = np.asarray(labels)[hole]
    points, pixels = (np.bincount(each, minlength=num) for each in (of_pixels[solved_for], of_pixels))
    thick = points < _THICK * pixels
    thick[0] = False
    parts: Hole = thick[np.asarray(labels)] & hole
    return parts


class _Equations(NamedTuple):
    """One for each point: for each tension weights by ``row`` and ``column``, and what known pixels say."""

    row: NDArray[Any]
    column: NDArray[Any]
    weights: list[NDArray[np.float64]]
    known: list[NDArray[np.float64]]

    @classmethod
    def of(cls, picture: Picture, hole: Hole, grid: NestedGrid, tensions: Sequence[Tension]) -> _Equations:
        """Of the points of a grid; columns are the hole's pixels."""
        height, width = hole.shape
        ys, xs = np.nonzero(hole)
        index = np.full((height, width), -1, np.int32)
        index[ys, xs] = np.arange(len(ys), dtype=np.int32)
        ys, xs, num_points = ys[grid.points], xs[grid.points], len(grid.points)
        rows, columns = [], []
        weights: list[list[NDArray[np.float64]]] = [[] for _ in tensions]
        known_says = [np.zeros((num_points, picture.shape[2])) for _ in tensions]
        # Where points are a step apart, all is multiplied by its fourth power, as differences of the fourth order are.
        squared = np.square(grid.steps)

        def beside(way: tuple[int, int]) -> tuple[Numbers, Numbers]:
            dy, dx = way
            return _reflect(ys + dy * grid.steps, height), _reflect(xs + dx * grid.steps, width)

        for way in ((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if _BIHARMONIC[dy + 2, dx + 2]):
            y, x = beside(way)
            neighbour = index[y, x]
            unknown = np.flatnonzero(neighbour >= 0).astype(np.int32)
            rows.append(unknown)
            columns.append(neighbour[unknown])
            known = np.flatnonzero(neighbour < 0)
            seen = picture[y[known], x[known]]
            for tension, own, says in zip(tensions, weights, known_says, strict=True):
                if any(way):
                    pulling = _pulling(tension, (ys, xs), (y, x), way)
                else:
                    pulling = -sum(_pulling(tension, (ys, xs), beside(each), each) for each in _FOUR_WAYS)
                weight = _BIHARMONIC[way[0] + 2, way[1] + 2] + squared * pulling
                own.append(weight[unknown])
                says[known] -= weight[known, None] * seen
        return cls(np.concatenate(rows), np.concatenate(columns), [np.concatenate(own) for own in weights], known_says)


def _pulling(
    tension: Tension, here: tuple[Numbers, Numbers], there: tuple[Numbers, Numbers], way: tuple[int, int]
) -> NDArray[np.float64] | float:
    """The weight of a neighbour one ``way`` in ``-div(T grad u)``.

    It follows from the sum over a pixel's four corners of what one-sided differences give there, whose matrix is
    symmetric, and as definite as ``T``.
    """
    dy, dx = way
    if max(abs(dy), abs(dx)) > 1:
        return 0.0
    if not isinstance(tension, np.ndarray):
        return 0.0 if dy and dx else -tension
    (ys, xs), (y, x) = here, there
    if dy and dx:
        mixed = tension[..., 1]
        return np.asarray(-0.25 * dy * dx * (mixed[ys, x] + mixed[y, xs]), np.float64)
    part = tension[..., 0 if dx else 2]
    return np.asarray(-0.5 * (part[ys, xs] + part[y, x]), np.float64)


def _solved(picture: Picture, hole: Hole, tensions: Sequence[Tension]) -> list[NDArray[np.float64]]:
    """By Cholesky, in bands: pixels in an order in which a thin hole has narrow ones (Cuthill and McKee, 1969).

    Bands are many times fewer numbers than a sparse method finds out about. The matrix is symmetric once pixels at the
    frame's edge, beyond which it is mirrored, count half.
    """
    blas_by_one_thread()
    ys, xs = np.nonzero(hole)
    num, (height, width) = len(ys), hole.shape
    equations = _Equations.of(picture, hole, NestedGrid.full(num), tensions)
    share = np.where((ys == 0) | (ys == height - 1), 0.5, 1.0) * np.where((xs == 0) | (xs == width - 1), 0.5, 1.0)
    graph = sparse.csr_matrix((np.ones(len(equations.row), np.int8), (equations.row, equations.column)), (num, num))
    order = reverse_cuthill_mckee(graph, symmetric_mode=True)
    place = np.empty(num, np.int64)
    place[order] = np.arange(num)
    row, column = place[equations.row], place[equations.column]
    lower = row >= column
    row, column = row[lower], column[lower]
    share_of_row = share[equations.row[lower]]
    farthest = np.zeros(num, np.int64)
    np.maximum.at(farthest, column, row)
    # Where nothing reaches beyond, another piece of the hole begins, with a band of its own.
    ends = 1 + np.flatnonzero(np.maximum.accumulate(farthest) == np.arange(num))
    starts = np.concatenate(([0], ends[:-1]))
    bands = np.maximum.reduceat(farthest - np.arange(num), starts)
    piece = np.repeat(np.arange(len(starts)), ends - starts)
    is_wide = bands > _WIDEST
    sizes = np.where(is_wide, 0, (ends - starts) * (bands + 1))
    begins = np.concatenate(([0], np.cumsum(sizes)))
    narrow = ~is_wide[piece[column]]
    at = column[narrow]
    flat = begins[piece[at]] + (at - starts[piece[at]]) * (bands[piece[at]] + 1) + row[narrow] - at
    values = []
    for weights, known in zip(equations.weights, equations.known, strict=True):
        weights, said = weights[lower] * share_of_row, (known * share[:, None])[order]
        found = np.empty((num, picture.shape[2]))
        banded = np.bincount(flat, weights[narrow], minlength=begins[-1])
        for number, (start, end, begin, band) in enumerate(zip(starts, ends, begins, bands, strict=False)):
            if is_wide[number]:
                own = piece[column] == number
                places = row[own] - start, column[own] - start
                half = sparse.csc_matrix((weights[own], places), shape=(end - start, end - start))
                system = half + sparse.tril(half, -1).T
                found[order[start:end]], _ = _solved_sparsely(system, said[start:end])
                continue
            bands_of_piece = banded[begin : begin + (end - start) * (band + 1)].reshape(end - start, band + 1).T
            found[order[start:end]] = solveh_banded(
                bands_of_piece, said[start:end], overwrite_ab=True, lower=True, check_finite=False
            )
        values.append(found)
    return values


def _solved_nested(picture: Picture, hole: Hole, tensions: Sequence[Tension]) -> list[NDArray[np.float64]]:
    """On a nested grid, and between its points as that says."""
    grid = NestedGrid.of(hole)
    equations = _Equations.of(picture, hole, grid, tensions)
    shape = (len(grid.points), int(hole.sum()))
    values, order = [], None
    for weights, said in zip(equations.weights, equations.known, strict=True):
        system = sparse.csr_matrix((weights, (equations.row, equations.column)), shape=shape)
        found, order = _solved_sparsely(grid.solved_for(system), said, order)
        values.append(grid.spread(found))
    return values


def _solved_sparsely(
    system: sparse.spmatrix, said: NDArray[np.float64], order: Numbers | None = None
) -> tuple[NDArray[np.float64], Numbers]:
    """By sparse factors of a matrix ``n n`` that is symmetric, or as good as that in what it is filled by; ``n c``.

    In the order of least degree of such a matrix (Liu, 1985), whose pivots are then its diagonal's: a quarter less time
    than in one for any matrix, and fewer numbers. That order is given as well: another matrix filled by the same things
    is solved in it. Columns are too short to be worth gathering into panels.
    """
    if order is not None:
        system, said = system.tocsr()[order][:, order], said[order]
    factors = splu(
        system.tocsc(),
        permc_spec="MMD_AT_PLUS_A" if order is None else "NATURAL",
        diag_pivot_thresh=_LEAST_PIVOT,
        relax=1,
        panel_size=1,
        options={"SymmetricMode": True},
    )
    found = np.asarray(factors.solve(said))
    if order is None:
        return found, np.argsort(factors.perm_c)
    unordered = np.empty_like(found)
    unordered[order] = found
    return unordered, order


def _range_of_known(picture: Picture, hole: Hole) -> tuple[Picture, Picture]:
    """Lowest and highest known value of each channel."""
    known = (~hole).view(np.uint8)
    ends = [cv2.minMaxLoc(cv2.extractChannel(picture, number), known)[:2] for number in range(picture.shape[2])]
    lowest, highest = np.array(ends, np.float32).T
    return lowest, highest


def _reflect(positions: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """As an even function goes on beyond both ends."""
    period = max(1, 2 * (length - 1))
    positions = positions % period
    return np.minimum(positions, period - positions)
