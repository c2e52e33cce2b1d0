"""Lens, film and encoding behave as described."""

from __future__ import annotations

import numpy as np
import pytest

from interpositive.soundstage import optics
from interpositive.soundstage.cameras import Camera, project
from interpositive.soundstage.shadows import onto_floor
from interpositive.soundstage.surfaces import place, plane_axes, reach


def test_encoding_rises_smoothly_to_one_and_comes_back() -> None:
    light = np.linspace(0, 6, 60001, dtype=np.float32)
    code = optics.encode(light)
    assert code[0] == 0 and code[-1] <= 1 and (np.diff(code) >= 0).all()
    below = light < 2.0
    np.testing.assert_allclose(optics.decode(code[below]), light[below], atol=2e-4)
    assert float(optics.encode(np.array([[0.18]], np.float32))[0, 0]) == pytest.approx(
        1.099 * 0.18**0.45 - 0.099, abs=1e-5
    )


def test_lens_blur_keeps_light_and_reaches_no_farther_than_its_taps() -> None:
    point = np.zeros((21, 21, 3), np.float32)
    point[10, 10] = 1
    soft = optics.soften(point, 0.55)
    assert soft.sum() == pytest.approx(3, rel=1e-5)
    reached = np.argwhere(soft[..., 0] > 0)
    assert np.abs(reached - 10).max() <= optics.PSF_TAPS // 2


def test_grain_grows_with_light() -> None:
    rng = np.random.default_rng(0)
    spread = [
        float((optics.add_grain(np.full((128, 128, 3), light, np.float32), 1.0, 0.6, rng) - light).std())
        for light in (0.01, 0.1, 0.8)
    ]
    assert spread[0] < spread[1] < spread[2]
    assert spread[2] / spread[1] == pytest.approx(8**0.5, rel=0.15)


def test_a_plane_lands_where_the_camera_says() -> None:
    camera = Camera(200, 100, 180.0, (0.3, -1.2, 0.0), (0.3, -1.2, 0.0), (4.0, 2.0), (4.0, 2.0), 0.0, 1.0)
    matrix = camera.matrix(0.0)
    paint = np.zeros((40, 60, 4), np.float32)
    paint[12:15, 30:33] = 1
    axes = plane_axes((-0.5, -2.0, 6.0), (0.05, 0, 0), (0, 0.05, 0))
    homography = matrix @ axes
    box = reach(homography, (60, 40), (200, 100))
    assert box is not None
    placed = place(paint, homography, box)[..., 3]
    y, x = np.mgrid[box[1] : box[3], box[0] : box[2]]
    centre = np.array([(placed * x).sum(), (placed * y).sum()]) / placed.sum()
    expected = project(matrix, (-0.5 + 31 * 0.05, -2.0 + 13 * 0.05, 6.0))[:2]
    np.testing.assert_allclose(centre, expected, atol=0.05)


def test_shadows_fall_away_from_the_light() -> None:
    towards = np.array([-0.6, -0.6, 0.2])
    shadow = onto_floor(towards) @ np.array([1.0, -2.0, 5.0, 1.0])
    assert shadow[1] == 0
    np.testing.assert_allclose(np.array([1.0, -2.0, 5.0]) - shadow[:3], towards / towards[1] * -2.0, atol=1e-9)
