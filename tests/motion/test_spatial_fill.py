"""Fills from a frame's own pixels: exact where exactness is possible, quiet outside the hole."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.motion.nested_grid import NestedGrid, nested_points
from interpositive.motion.spatial_fill import navier_stokes_fill, telea_fill, thin_plate_fill, thin_plate_values

HEIGHT, WIDTH = 40, 56
Picture = NDArray[np.float32]
Hole = NDArray[np.bool_]


def smooth_picture() -> Picture:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    waves = [0.5 + 0.2 * np.sin(xs / 9 + c) + 0.2 * np.cos(ys / 7 + xs / 30 + 2 * c) for c in range(3)]
    return np.stack(waves, -1).astype(np.float32)


def ramp() -> Picture:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([(xs + 2 * ys) / 200, (WIDTH - xs) / WIDTH, ys / HEIGHT], -1).astype(np.float32)


def wire_hole(width_px: int = 4) -> Hole:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    hole: Hole = np.abs(xs - WIDTH / 2 - 0.4 * (ys - HEIGHT / 2)) < width_px / 2
    return hole


def block_hole() -> Hole:
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[14:22, 20:30] = True
    return hole


def psnr(a: Picture, b: Picture, where: Hole) -> float:
    return float(-10 * np.log10(np.mean(np.square(a - b)[where])))


@pytest.mark.parametrize("tension", [0.0, 0.05, 1.0])
def test_a_linear_ramp_is_continued_across_a_hole(tension: float) -> None:
    # A plane solves the biharmonic equation and the Laplace equation both.
    picture, hole = ramp(), block_hole()
    damaged = np.where(hole[..., None], 0.7, picture).astype(np.float32)
    np.testing.assert_allclose(thin_plate_fill(damaged, hole, tension), picture, atol=2e-6)


@pytest.mark.parametrize("hole", [wire_hole(), wire_hole(9), block_hole()], ids=["wire", "cable", "block"])
def test_it_beats_telea_on_a_smooth_picture(hole: Hole) -> None:
    picture = smooth_picture()
    damaged = np.where(hole[..., None], 0.0, picture).astype(np.float32)
    ours = psnr(thin_plate_fill(damaged, hole), picture, hole)
    assert ours > psnr(telea_fill(damaged, hole), picture, hole) + 6
    assert ours > 35


FILLS = {"thin_plate": thin_plate_fill, "telea": telea_fill, "navier_stokes": navier_stokes_fill}


@pytest.mark.parametrize("method", FILLS)
def test_pixels_outside_the_hole_keep_every_bit(method: Any) -> None:
    picture = np.random.default_rng(0).random((HEIGHT, WIDTH, 3), np.float32)
    hole = wire_hole()
    filled = FILLS[method](picture, hole)
    assert filled.dtype == np.float32
    assert np.array_equal(filled[~hole], picture[~hole])
    assert not np.array_equal(filled[hole], picture[hole])


def test_what_is_under_the_hole_does_not_matter() -> None:
    picture, hole = smooth_picture(), wire_hole() | block_hole()
    other = np.where(hole[..., None], np.float32(1.0) - picture, picture)
    for fill in FILLS.values():
        assert np.array_equal(fill(picture, hole), fill(other, hole))


def test_a_frame_that_is_all_hole_is_grey() -> None:
    filled = thin_plate_fill(smooth_picture(), np.ones((HEIGHT, WIDTH), bool))
    assert np.all(filled == 0.5)


def test_a_frame_without_a_hole_is_given_back() -> None:
    picture = smooth_picture()
    nothing = np.zeros((HEIGHT, WIDTH), bool)
    assert np.array_equal(thin_plate_fill(picture, nothing), picture)
    assert np.array_equal(telea_fill(picture, nothing), picture)


@pytest.mark.parametrize(
    "box",
    [
        np.s_[:5, :],
        np.s_[-5:, :],
        np.s_[:, :5],
        np.s_[:, -5:],
        np.s_[:4, :4],
        np.s_[-4:, -4:],
        np.s_[1:, :],
        np.s_[:, :-1],
    ],
)
def test_a_hole_at_the_border_is_filled_within_the_range_of_what_is_known(box: tuple[slice, slice]) -> None:
    picture = smooth_picture()
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[box] = True
    filled = thin_plate_fill(np.where(hole[..., None], 9.0, picture).astype(np.float32), hole)
    assert np.isfinite(filled).all()
    known = picture[~hole]
    assert (filled[hole] >= known.min(0) - 1e-6).all() and (filled[hole] <= known.max(0) + 1e-6).all()


def test_a_border_hole_continues_what_is_beside_it() -> None:
    picture, hole = smooth_picture(), np.zeros((HEIGHT, WIDTH), bool)
    hole[:, :4] = True
    damaged = np.where(hole[..., None], 0.0, picture).astype(np.float32)
    assert psnr(thin_plate_fill(damaged, hole), picture, hole) > 24


def dense_solution(picture: Picture, hole: Hole, tension: float) -> NDArray[np.float64]:
    """The same equations pixel by pixel, by elimination."""
    height, width = hole.shape
    number = {tuple(place): i for i, place in enumerate(np.argwhere(hole))}
    bending = {(0, 0): 20.0, **dict.fromkeys([(0, 1), (1, 0), (0, -1), (-1, 0)], -8.0)}
    bending |= dict.fromkeys([(1, 1), (1, -1), (-1, 1), (-1, -1)], 2.0)
    bending |= dict.fromkeys([(0, 2), (2, 0), (0, -2), (-2, 0)], 1.0)
    pulling = {(0, 0): 4.0, **dict.fromkeys([(0, 1), (1, 0), (0, -1), (-1, 0)], -1.0)}
    matrix, said = np.zeros((len(number), len(number))), np.zeros((len(number), 3))
    for (y, x), row in number.items():
        for (dy, dx), weight in bending.items():
            total = weight + tension * pulling.get((dy, dx), 0.0)
            there = _mirrored(y + dy, height), _mirrored(x + dx, width)
            if there in number:
                matrix[row, number[there]] += total
            else:
                said[row] -= total * picture[there]
    return np.linalg.solve(matrix, said)


def _mirrored(place: int, length: int) -> int:
    place = abs(place)
    return 2 * (length - 1) - place if place >= length else place


@pytest.mark.parametrize("tension", [0.02, 2.0])
def test_pieces_of_a_hole_are_solved_for_exactly_at_edges_and_corners_too(tension: float) -> None:
    hole = wire_hole(3)
    hole[:4, :3] = hole[-2:, 20:] = hole[10:13, -1] = hole[30, 3] = hole[28, 4] = True
    picture = np.random.default_rng(1).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    known = picture[~hole]
    wanted = dense_solution(picture, hole, tension).clip(known.min(0), known.max(0))
    np.testing.assert_allclose(thin_plate_values(picture, hole, (tension,))[0], wanted, atol=1e-6)


def test_a_piece_too_wide_for_bands_is_solved_for_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = wire_hole(3) | block_hole()
    hole[30:38, 40:] = True
    picture = np.random.default_rng(3).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    in_bands = thin_plate_values(picture, hole, (0.02,))[0]
    monkeypatch.setattr("interpositive.motion.spatial_fill._WIDEST", 8)
    np.testing.assert_allclose(thin_plate_values(picture, hole, (0.02,))[0], in_bands, atol=1e-6)


SIDE_BY_SIDE = """
import time
import numpy as np
from interpositive.motion.spatial_fill import thin_plate_values
ys, xs = np.mgrid[0:216, 0:384]
hole = np.zeros((216, 384), bool)
for middle, width in ((20, 9), (60, 30), (130, 60), (280, 110)):
    hole |= np.abs(xs - middle) <= width / 2
picture = np.random.default_rng(0).random((216, 384, 3)).astype(np.float32)
began = time.process_time()
for _ in range(4):
    thin_plate_values(picture, hole, (0.02, 1.0))
print(time.process_time() - began)
"""


def test_processes_that_bridge_side_by_side_do_not_hinder_each_other() -> None:
    # As users run it, who say nothing of threads.
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", SIDE_BY_SIDE]
    both = [subprocess.Popen(command, env=free, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert all(float(each.communicate(timeout=300)[0]) < 10.0 for each in both)


def test_what_is_thin_beside_something_thick_is_solved_for_in_full() -> None:
    hole = thick_hole()
    picture = np.random.default_rng(2).random((*hole.shape, 3)).astype(np.float32)
    full, nested = (thin_plate_values(picture, hole, (0.02,), nested=each)[0] for each in (False, True))
    thin = (np.mgrid[0:120, 0:160][1] < 30)[hole]
    np.testing.assert_array_equal(nested[thin], full[thin])
    assert not np.array_equal(nested, full)


def thick_hole() -> Hole:
    ys, xs = np.mgrid[0:120, 0:160]
    hole: Hole = ((ys - 60) ** 2 + (xs - 85) ** 2 < 45**2) | (np.abs(xs - 20) < 3)
    return hole


def test_between_its_points_a_nested_grid_reads_cubics() -> None:
    hole = thick_hole()
    grid = NestedGrid.of(hole)
    assert grid.levels and set(grid.steps) == {1, 2, 4, 8}
    ys, xs = (each / 100 for each in np.nonzero(hole))
    cubic = 0.3 + ys - 2 * xs**2 + ys**2 * xs**3 - ys**3
    np.testing.assert_allclose(grid.spread(cubic[grid.points]), cubic, atol=1e-12)
    assert len(grid.points) < 0.5 * hole.sum()
    np.testing.assert_array_equal(np.flatnonzero(nested_points(hole)), grid.points)


def test_a_nested_grid_of_a_thin_hole_has_all_of_its_pixels() -> None:
    hole = wire_hole(9)
    grid = NestedGrid.of(hole)
    assert not grid.levels and len(grid.points) == hole.sum()


@pytest.mark.parametrize("tension", [0.02, 2.0])
def test_a_thick_hole_on_a_nested_grid_is_bridged_as_on_the_full_one(tension: float) -> None:
    hole = thick_hole()
    ys, xs = np.mgrid[0:120, 0:160].astype(np.float32)
    waves = [0.5 + 0.2 * np.sin(xs / 5 + c) + 0.2 * np.cos(ys / 4 + xs / 20 + 2 * c) for c in range(3)]
    noisy = np.stack(waves, -1) + 0.02 * np.random.default_rng(0).standard_normal((120, 160, 3))
    picture = noisy.astype(np.float32)
    (full,), (nested,) = (thin_plate_values(picture, hole, (tension,), nested=each) for each in (False, True))
    apart, wrong = (np.sqrt(np.mean(np.square(each))) for each in (nested - full, full - picture[hole]))
    assert 0.0 < apart < 0.03 * wrong


def test_tensions_that_are_solved_for_together_are_as_each_alone() -> None:
    hole, picture = thick_hole(), np.random.default_rng(1).random((120, 160, 3), np.float32)
    together = thin_plate_values(picture, hole, (0.02, 2.0), nested=True)
    for tension, found in zip((0.02, 2.0), together, strict=True):
        np.testing.assert_allclose(found, thin_plate_values(picture, hole, (tension,), nested=True)[0], atol=1e-6)
