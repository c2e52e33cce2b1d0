"""Motion found on a smaller raster: the way there and back, and what is found along it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from productions import panning_shot

from interpositive.motion import window_motion
from interpositive.motion.camera_motion import homography_flow
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.optical_flow import Preset, dis_flow
from interpositive.motion.window_motion import WindowMotion

HEIGHT, WIDTH = 120, 200
TURN = np.array([[1.01, 0.03, 4.0], [-0.02, 0.99, -2.5], [0.0, 0.0, 1.0]])


def everywhere(height: int = HEIGHT, width: int = WIDTH) -> tuple[slice, slice]:
    return slice(0, height), slice(0, width)


def test_a_raster_with_no_more_rows_gives_everything_as_it_came() -> None:
    raster = MotionRaster(HEIGHT, WIDTH, 432)
    flow = np.random.default_rng(0).random((HEIGHT, WIDTH, 2)).astype(np.float32)
    box = slice(10, 40), slice(20, 90)
    assert raster.is_full and raster.footprint(box) == box
    assert np.array_equal(raster.enlarged(flow[box], box, (slice(12, 20), slice(20, 30))), flow[12:20, 20:30])
    assert raster.reduced_matrix(TURN) is TURN and raster.full_matrix(TURN) is TURN


@pytest.mark.parametrize("rows", [60, 47])
def test_a_camera_comes_back_as_it_went(rows: int) -> None:
    raster = MotionRaster(HEIGHT, WIDTH, rows)
    assert raster.shape[0] == rows and not raster.is_full
    np.testing.assert_allclose(raster.full_matrix(raster.reduced_matrix(TURN)), TURN, atol=1e-9)


@pytest.mark.parametrize("rows", [60, 47])
def test_flow_of_a_camera_is_the_same_whichever_raster_it_is_written_on(rows: int) -> None:
    """Of a part of the picture, from no more of the smaller raster than lies under it."""
    raster, box = MotionRaster(HEIGHT, WIDTH, rows), (slice(31, 77), slice(50, 133))
    small = homography_flow(raster.reduced_matrix(TURN), *raster.shape)
    found = raster.enlarged(small[raster.footprint(box)], box, box)
    wanted = homography_flow(TURN, HEIGHT, WIDTH)[box]
    assert np.abs(found - wanted).max() < 0.02
    inner = slice(40, 60), slice(60, 61)
    assert np.abs(raster.enlarged(small[raster.footprint(box)], box, inner) - wanted[9:29, 10:11]).max() < 0.02


def test_a_hole_covers_every_pixel_that_it_touches() -> None:
    raster, hole = MotionRaster(HEIGHT, WIDTH, 47), np.zeros((HEIGHT, WIDTH), bool)
    hole[50, 77] = True
    touched = raster.touched(hole)
    assert 1 <= touched.sum() <= 4 and touched[int(50.5 * 47 / HEIGHT), int(77.5 * raster.shape[1] / WIDTH)]


def test_a_pan_is_found_on_half_the_rows_as_far_as_on_all() -> None:
    frames = panning_shot(3, num_frames=3, height=HEIGHT, width=WIDTH, speed_px=(3.0, 1.0), actor=False)
    masks = np.zeros(frames.shape[:3], np.float32)
    masks[:, 50:56] = 1.0
    motion = WindowMotion(frames, masks, motion_rows=HEIGHT // 2)
    inner = slice(12, -12), slice(20, -20)
    assert np.abs(motion.flow(1, 0)[inner] - (3.0, 1.0)).mean() < 0.3
    assert motion.consistent(1, 0)[inner].mean() > 0.9
    assert np.abs(motion.camera_flow(2, 0)[inner] - (6.0, 2.0)).max() < 0.5
    (rest,) = [motion.way_by_camera(2, 0, 0)]
    assert np.abs(rest[inner] - (6.0, 2.0)).mean() < 0.3


def test_only_of_large_frames_is_flow_found_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(first: Any, second: Any, preset: Preset) -> Any:
        asked.append(preset)
        return dis_flow(first, second, preset)

    monkeypatch.setattr(window_motion, "dis_flow", noted)
    frames = panning_shot(3, num_frames=6, height=HEIGHT, width=WIDTH, actor=False)
    masks = np.zeros(frames.shape[:3], np.float32)
    masks[:, 50:56] = 1.0
    # Between neighbours, and between frames far apart and what the camera leaves.
    for rows, expected in ((None, ["medium"] * 8), (HEIGHT // 2, ["fast"] * 2 + ["medium"] * 6)):
        asked.clear()
        motion = WindowMotion(frames, masks, motion_rows=rows)
        motion.flow(1, 0), motion.flow(4, 0)
        motion.camera(0, 5)
        motion.way_by_camera(2, 0, 0)
        assert sorted(asked) == expected, rows


@pytest.mark.parametrize("rows", [432, 60])
def test_the_way_from_a_hole_is_that_of_its_regions(rows: int) -> None:
    truth = panning_shot(4, num_frames=3, height=HEIGHT, width=WIDTH, speed_px=(3.0, 1.0))
    masks = np.zeros(truth.shape[:3], bool)
    masks[:, 30:70, 20:50] = masks[:, 80:112, 120:190] = True
    motion = WindowMotion(truth, masks, margin_px=12, motion_rows=rows, memory=ShotMemory())
    x, y, agreed = motion.from_hole(1, 0)
    ys, xs = np.nonzero(masks[1])
    assert len(motion.regions(1)) == 2 and agreed.any() and len(x) == len(xs)
    for place, region in enumerate(motion.regions(1)):
        way, which = motion.way(1, 0, place, region.core), motion.pixels(1).within(region.core)
        inner = ys[which] - region.core[0].start, xs[which] - region.core[1].start
        flow = np.column_stack((x, y))[which] - np.argwhere(masks[1])[which, ::-1]
        np.testing.assert_allclose(flow, way.flow[inner], atol=1e-5)
        assert np.array_equal(agreed[which], way.consistent[inner])


def test_a_window_that_is_let_go_is_gone_at_once() -> None:
    """Its frames are large, and a window after it takes as much."""
    frames = panning_shot(3, num_frames=3, height=HEIGHT, width=WIDTH, actor=False)
    masks = np.zeros(frames.shape[:3], np.float32)
    masks[:, 50:56] = 1.0
    motion = WindowMotion(frames, masks, margin_px=24, memory=ShotMemory(), motion_rows=HEIGHT // 2)
    motion.way_by_camera(2, 0, 0)
    motion.from_hole(1, 0)
    gone = weakref.ref(motion)
    gc.disable()
    try:
        del motion
        assert gone() is None
    finally:
        gc.enable()
