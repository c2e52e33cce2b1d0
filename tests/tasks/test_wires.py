"""Wires hang, cover and blur as they should."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from productions import panning_shot

from interpositive.tasks.wires import Wire, catenary, coverage_to_mask, draw_coverage, draw_wires, wire_curves

HEIGHT, WIDTH = 64, 96


def wire(ends: list[list[float]] | np.ndarray = [[20.0, -5.0], [70.0, 70.0]], num_frames: int = 3, **changes) -> Wire:  # noqa: B006
    ends = np.asarray(ends, np.float32)
    if ends.ndim == 2:
        ends = np.tile(ends, (num_frames, 1, 1))
    plain = Wire(
        ends=ends,
        width_px=2.0,
        sag=0.0,
        swing=(),
        shade=0.3,
        tint=(1.0, 1.0, 1.0),
        glint=0.0,
        glint_place=0.5,
        glint_speed=0.0,
        opacity=1.0,
        shadow=None,
    )
    return replace(plain, **changes)


@pytest.mark.parametrize("sag", [0.0, 0.05, 0.2, 0.6])
def test_a_catenary_ends_where_it_is_held_and_drops_by_its_sag(sag: float) -> None:
    start, end = np.array([10.0, 20.0]), np.array([90.0, 20.0])
    curve = catenary(start, end, sag, 49)
    np.testing.assert_allclose(curve[[0, -1]], [start, end], atol=1e-4)
    assert curve[24, 1] - 20.0 == pytest.approx(sag * 80.0, abs=1e-3), "the drop in the middle, downward"
    assert np.all(np.diff(curve[:, 0]) > 0)
    bend = np.diff(curve[:, 1], 2)
    assert (bend < 1e-4).all() and ((bend < 0).all() or sag == 0.0), "it hangs: convex seen from above"
    np.testing.assert_allclose(curve[:, 1], curve[::-1, 1], atol=1e-4)


def test_a_slanted_catenary_keeps_its_ends() -> None:
    curve = catenary(np.array([5.0, 60.0]), np.array([80.0, 3.0]), 0.3, 48)
    np.testing.assert_allclose(curve[[0, -1]], [[5.0, 60.0], [80.0, 3.0]], atol=1e-4)


@pytest.mark.parametrize("width_px", [0.25, 0.5, 1.0, 1.4, 2.0, 3.7, 6.0])
@pytest.mark.parametrize(
    "ends", [((48.2, -20.0), (48.2, 90.0)), ((-30.0, 31.7), (130.0, 31.7)), ((10.0, -60.0), (86.0, 120.0))]
)
def test_a_line_covers_its_width_times_its_length(width_px: float, ends: tuple[tuple[float, float], ...]) -> None:
    start, end = np.asarray(ends)
    curve = catenary(start, end, 0.0, 48)
    coverage = draw_coverage([curve], width_px, HEIGHT, WIDTH)
    inside = WIDTH / abs(end[0] - start[0]) if start[1] == end[1] else HEIGHT / (end[1] - start[1])
    length = inside * float(np.hypot(*(end - start)))
    assert coverage.min() >= 0 and coverage.max() <= 1
    assert coverage.sum() == pytest.approx(width_px * length, rel=0.02)


@pytest.mark.parametrize(
    "ends", [((20.3, -5.0), (70.0, 70.0)), ((-90.0, 30.0), (190.0, 11.0)), ((12.0, 8.0), (15.0, 9.0))]
)
def test_a_line_is_drawn_as_on_the_whole_frame(ends: tuple[tuple[float, float], ...]) -> None:
    curves = np.stack([catenary(*np.asarray(ends), 0.1, 48) + shift for shift in (0.0, 1.3, 2.1)])
    whole = np.zeros((HEIGHT, WIDTH), np.float32)
    for curve, thickness in zip(curves, (8, 6, 6), strict=True):
        canvas = np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8)
        points = np.rint(((curve + 0.5) * 4 - 0.5) * 16).astype(np.int32)
        cv2.polylines(canvas, [points[:, None]], False, 255, thickness, cv2.LINE_8, 4)
        whole += cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert whole.any()
    np.testing.assert_allclose(draw_coverage(curves, 1.9, HEIGHT, WIDTH), whole * (22.8 / 23) / 765, rtol=1e-5)


def test_a_line_that_is_nowhere_near_the_frame_covers_nothing() -> None:
    curve = catenary(np.array([300.0, -20.0]), np.array([310.0, 90.0]), 0.0, 48)
    assert not draw_coverage(curve[None], 3.0, HEIGHT, WIDTH).any()


def test_a_line_lies_where_it_is_drawn() -> None:
    for x in (30.0, 30.25, 30.5, 30.75):
        coverage = draw_coverage([catenary(np.array([x, -20.0]), np.array([x, 90.0]), 0.0, 48)], 2.0, HEIGHT, WIDTH)
        centre = (coverage * np.arange(WIDTH)).sum() / coverage.sum()
        assert centre == pytest.approx(x, abs=0.2)


def test_the_shutter_widens_a_moving_wire_and_not_a_still_one() -> None:
    clean = np.full((3, HEIGHT, WIDTH, 3), 0.5, np.float32)
    moving = np.tile(np.array([[20.0, -5.0], [20.0, 70.0]], np.float32), (3, 1, 1))
    moving[:, :, 0] += np.array([0.0, 8.0, 16.0], np.float32)[:, None]
    widths = {}
    for shutter in (0.0, 0.5, 1.0):
        coverage = draw_wires(clean, [wire(moving)], shutter=shutter)[1][1]
        widths[shutter] = int((coverage[30] > 0.01).sum())
        assert coverage[30].sum() == pytest.approx(2.0, rel=0.03), "what moves fast is fainter, not more"
    assert widths[0.0] + 2 <= widths[0.5] and widths[0.5] + 2 <= widths[1.0]
    still = [draw_wires(clean, [wire()], shutter=shutter)[1] for shutter in (0.0, 1.0)]
    assert np.array_equal(still[0], still[1])


def test_a_swing_moves_the_middle_and_not_the_ends() -> None:
    swinging = wire([[48.0, 0.0], [48.0, 60.0]], num_frames=8, swing=((5.0, 0.25, 0.0),))
    curves = wire_curves(swinging, np.array([0.0, 1.0, 2.0]))
    for curve in curves:
        np.testing.assert_allclose(curve[[0, -1]], [[48.0, 0.0], [48.0, 60.0]], atol=1e-3)
    middles = [curve[24, 0] - 48.0 for curve in curves]
    assert abs(middles[0]) == pytest.approx(5.0, abs=0.02)
    assert middles[1] == pytest.approx(0.0, abs=0.02) and middles[2] == pytest.approx(-middles[0], abs=0.02)


def test_between_frames_the_ends_are_between_theirs() -> None:
    ends = np.array([[[0.0, 0.0], [0.0, 50.0]], [[10.0, 0.0], [20.0, 50.0]]], np.float32)
    curve = wire_curves(wire(ends), np.array([0.25]))[0]
    np.testing.assert_allclose(curve[[0, -1]], [[2.5, 0.0], [5.0, 50.0]], atol=1e-3)
    np.testing.assert_allclose(wire_curves(wire(ends), np.array([1.0]))[0, -1], [20.0, 50.0], atol=1e-3)


def test_only_what_is_covered_changes_and_wires_without_shadow_change_nothing_else() -> None:
    clean = panning_shot(0, num_frames=3)
    damaged, coverage = draw_wires(clean, [wire(), wire([[90.0, 0.0], [5.0, 60.0]], shade=1.4, glint=0.4)])
    assert np.array_equal(damaged[coverage == 0], clean[coverage == 0])
    assert (damaged[coverage > 0.5] != clean[coverage > 0.5]).any(-1).mean() > 0.95
    assert damaged.min() >= 0 and damaged.max() <= 1


def test_a_dark_wire_darkens_and_a_bright_one_brightens() -> None:
    clean = np.full((3, HEIGHT, WIDTH, 3), 0.5, np.float32)
    for shade, sign in ((0.3, -1), (1.5, 1)):
        damaged, coverage = draw_wires(clean, [wire(shade=shade)])
        full = coverage > 0.999
        assert full.any()
        np.testing.assert_allclose(damaged[full], 0.5 * shade, atol=1e-3)
        assert (sign * (damaged - clean)[coverage > 0.1] > 0).all()


def test_a_shadow_is_part_of_what_must_go() -> None:
    clean = np.full((3, HEIGHT, WIDTH, 3), 0.5, np.float32)
    bare, bare_coverage = draw_wires(clean, [wire()])
    damaged, coverage = draw_wires(clean, [wire(shadow=(12.0, 2.0, 0.3))])
    darker = (bare - damaged).max(-1) > 0.02
    assert darker.any() and (coverage[darker] > 0.05).all() and (bare_coverage[darker] == 0).mean() > 0.5


@pytest.mark.parametrize("margin_px", [0, 1, 3])
def test_the_mask_is_what_is_covered_and_its_margin(margin_px: int) -> None:
    coverage = np.zeros((1, 21, 21), np.float32)
    coverage[0, 10, 10], coverage[0, 2, 2] = 0.02, 0.005
    mask = coverage_to_mask(coverage, margin_px)[0]
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert np.flatnonzero(mask.any(0)).tolist() == list(range(10 - margin_px, 11 + margin_px))
    assert mask[10, 10 - margin_px] == 1 and mask[2, 2] == 0
