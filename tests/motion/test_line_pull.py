"""Lines go on through a hole; where there are none it is bridged as smoothly as ever."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.motion.line_pull import pull_along_lines
from interpositive.motion.nested_grid import NestedGrid
from interpositive.motion.spatial_fill import _Equations, telea_fill, thin_plate_values

HEIGHT, WIDTH = 120, 160
STIFF = 0.02
Picture = NDArray[np.float32]
Hole = NDArray[np.bool_]


def stripes(degrees: float, period_px: float, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = np.deg2rad(degrees)
    wave = np.sin(2 * np.pi * (xs * np.cos(angle) + ys * np.sin(angle)) / period_px)
    return np.stack([0.5 + share * wave for share in (0.3, 0.2, 0.1)], -1).astype(np.float32)


def cable(width_px: float = 12, height: int = HEIGHT, width: int = WIDTH) -> Hole:
    ys, xs = np.mgrid[0:height, 0:width]
    hole: Hole = np.abs(ys - height / 2 - 0.2 * (xs - width / 2)) < width_px / 2
    return hole


def lined(picture: Picture, hole: Hole, *, nested: bool = False) -> Picture:
    damaged = np.where(hole[..., None], 0.0, picture).astype(np.float32)
    return thin_plate_values(damaged, hole, (pull_along_lines(damaged, hole, STIFF),), nested=nested)[0]


def psnr(values: Picture, picture: Picture, hole: Hole) -> float:
    return float(-10 * np.log10(np.mean(np.square(values - picture[hole]))))


@pytest.mark.parametrize("degrees", [0, 30, -60])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_lines_go_on_through_a_hole(degrees: float, noise: float) -> None:
    clean, hole = stripes(degrees, 9.0), cable()
    picture = clean + noise * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    ours = psnr(lined(picture, hole), clean, hole)
    stiff = psnr(thin_plate_values(picture, hole, (STIFF,))[0], clean, hole)
    telea = psnr(telea_fill(picture, hole)[hole], clean, hole)
    assert ours > max(stiff, telea) + 4


def test_where_there_are_no_lines_it_is_as_good_as_a_stiff_surface() -> None:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    hills = [0.5 + 0.2 * np.sin(xs / 9 + c) * np.cos(ys / 7 + c) for c in range(3)]
    picture, hole = np.stack(hills, -1).astype(np.float32), cable(8)
    assert psnr(lined(picture, hole), picture, hole) > 40
    noisy = (0.5 + 0.02 * np.random.default_rng(1).standard_normal((HEIGHT, WIDTH, 3))).astype(np.float32)
    flat = np.full_like(noisy, 0.5)
    assert psnr(lined(noisy, hole), flat, hole) > psnr(thin_plate_values(noisy, hole, (STIFF,))[0], flat, hole) - 1.0


def test_a_frame_that_is_twice_as_large_is_bridged_alike() -> None:
    small, hole = stripes(30, 9.0, 216, 240), cable(12, 216, 240)
    large, wide = stripes(30, 18.0, 432, 480), cable(24, 432, 480)
    one, two = psnr(lined(small, hole), small, hole), psnr(lined(large, wide), large, wide)
    # Between smaller pixels less is lost.
    assert one - 0.5 < two < one + 4.0


def test_lines_go_on_on_a_nested_grid_too() -> None:
    picture, hole = stripes(20, 30.0, 240, 320), cable(60, 240, 320)
    assert NestedGrid.of(hole).levels
    stiff = psnr(thin_plate_values(picture, hole, (STIFF,), nested=True)[0], picture, hole)
    assert psnr(lined(picture, hole, nested=True), picture, hole) > stiff + 6


def test_its_weights_are_those_of_the_energy_that_it_stands_for() -> None:
    rng = np.random.default_rng(2)
    hole = np.zeros((20, 24), bool)
    hole[6:12, 7:15] = hole[10:14, 12:17] = True
    roots = rng.standard_normal((20, 24, 2, 2))
    tensors = roots @ roots.swapaxes(-1, -2)
    tension = np.stack((tensors[..., 0, 0], tensors[..., 0, 1], tensors[..., 1, 1]), -1).astype(np.float32)
    picture = rng.random((20, 24, 1)).astype(np.float32)
    number = {tuple(place): i for i, place in enumerate(np.argwhere(hole))}
    wanted = np.zeros((len(number), len(number)))
    for y, x in np.argwhere(cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0):
        for s in (-1, 1):
            for t in (-1, 1):
                # How the two one-sided differences at this corner hang on the three pixels.
                rows = np.zeros((2, len(number)))
                for row, (there, sign) in enumerate((((y, x + s), s), ((y + t, x), t))):
                    for place, by in ((there, sign), ((y, x), -sign)):
                        if place in number:
                            rows[row, number[place]] += by
                wanted += 0.25 * rows.T @ tensors[y, x] @ rows
    with_it, without = (_matrix(picture, hole, each) for each in (tension, 0.0))
    np.testing.assert_allclose(with_it - without, wanted, atol=1e-5)


@pytest.mark.parametrize("where", ["inside", "at the edge"])
def test_bands_solve_the_equations_at_the_frame_s_edge_too(where: str) -> None:
    picture = np.random.default_rng(3).random((40, 56, 3)).astype(np.float32)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.0), np.float32)
    hole = cable(6, 40, 56) if where == "at the edge" else np.zeros((40, 56), bool)
    hole[18:24, 20:30] = True
    if where == "at the edge":
        hole[:3, :9] = hole[-4:, 40:] = hole[5:12, -2:] = True
    pull = pull_along_lines(picture, hole, STIFF)
    equations = _Equations.of(picture, hole, NestedGrid.full(int(hole.sum())), (pull,))
    known = picture[~hole]
    wanted = np.linalg.solve(_matrix(picture, hole, pull), equations.known[0]).clip(known.min(0), known.max(0))
    np.testing.assert_allclose(thin_plate_values(picture, hole, (pull,))[0], wanted, atol=1e-5)


def _matrix(picture: Picture, hole: Hole, tension: float | Picture) -> NDArray[np.float64]:
    num = int(hole.sum())
    equations = _Equations.of(picture, hole, NestedGrid.full(num), (tension,))
    matrix = np.zeros((num, num))
    np.add.at(matrix, (equations.row, equations.column), equations.weights[0])
    return matrix
