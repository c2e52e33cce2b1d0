"""What is near a hole, and nothing else, is looked at: regions, their pixels, and what is remembered about them."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.motion.flow_completion import SIGMAS_PX, complete_flow
from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.hole_regions import EACH_COSTS_PX, around_all, hole_regions, whole_frame, within
from interpositive.motion.motion_memory import MotionMemory, fingerprint


def diagonal(height: int = 300, width: int = 400) -> NDArray[np.bool_]:
    hole = np.zeros((height, width), np.uint8)
    cv2.line(hole, (20, 5), (330, 290), 1, 5)
    return hole > 0


def test_cores_hold_all_of_a_hole_and_boxes_show_a_margin_around_them() -> None:
    hole = diagonal()
    regions = hole_regions(hole, 24)
    held, shown = np.zeros_like(hole), 0
    for region in regions:
        held[region.core] = True
        shown += region.shape[0] * region.shape[1]
        for core, box, length in zip(region.core, region.box, hole.shape, strict=True):
            assert (box.start, box.stop) == (max(0, core.start - 24), min(length, core.stop + 24))
    assert held[hole].all() and shown < 0.5 * hole.size


@pytest.mark.parametrize(("apart_px", "num_regions"), [(60, 1), (160, 2)])
def test_boxes_that_take_hardly_more_pixels_as_one_are_one(apart_px: int, num_regions: int) -> None:
    hole = np.zeros((200, 400), bool)
    hole[90:100, 40:50] = hole[90:100, 50 + apart_px : 60 + apart_px] = True
    one, several = (58 * (10 + apart_px + 10 + 48), 2 * 58**2)
    assert several < one, "by pixels alone these would be two"
    assert len(hole_regions(hole, 24)) == 2
    assert len(hole_regions(hole, 24, EACH_COSTS_PX)) == num_regions


@pytest.mark.parametrize("part", [np.s_[:, 40:46], np.s_[100:104, :], np.s_[120:180, 100:190]])
def test_what_is_in_one_piece_stays_in_one(part: tuple[slice, slice]) -> None:
    hole = np.zeros((300, 400), bool)
    hole[part] = True
    (region,) = hole_regions(hole, 24)
    assert np.array_equal(np.argwhere(hole).min(0), [side.start for side in region.core])
    assert np.array_equal(np.argwhere(hole).max(0) + 1, [side.stop for side in region.core])


def test_parts_around_an_area_hold_all_of_it_that_a_region_has_and_nothing_beyond() -> None:
    area = diagonal()
    area[200:204, 30:90] = True
    (region,) = hole_regions(np.pad(np.ones((180, 250), bool), ((60, 60), (20, 130))), 24)
    held, parts = np.zeros_like(area), list(region.around(area, 8))
    for part in parts:
        held[part.core] = True
        assert part.box == region.box
    inside = np.zeros_like(area)
    inside[region.core] = True
    assert len(parts) > 2 and held[area & inside].all() and not held[~inside].any()
    assert held.sum() < 0.5 * inside.sum()


def test_no_hole_has_no_region_and_all_hole_has_one() -> None:
    assert hole_regions(np.zeros((9, 9), bool), 24) == []
    assert hole_regions(np.ones((90, 90), bool), 24) == [whole_frame((90, 90))]


def test_a_box_around_all_others_holds_each_of_them_where_it_lies() -> None:
    frame = np.arange(300 * 400).reshape(300, 400)
    boxes = [np.s_[20:90, 5:60], np.s_[10:30, 200:380]]
    around = around_all(boxes)
    assert around == np.s_[10:90, 5:380]
    for box in boxes:
        np.testing.assert_array_equal(frame[around][within(around, box)], frame[box])


def test_pixels_are_put_where_a_part_of_the_frame_shows_them() -> None:
    hole, random = diagonal(), np.random.default_rng(0)
    picture, pixels = random.random((*hole.shape, 3), np.float32), HolePixels(hole)
    values = random.random((len(pixels), 3), np.float32)
    whole = picture.copy()
    whole[hole] = values
    plane = np.full(hole.shape, 2.0, np.float32)
    plane[hole] = values[:, 0]
    for box in ((slice(0, 300), slice(0, 400)), (slice(30, 90), slice(50, 101)), (slice(299, 300), slice(0, 1))):
        assert np.array_equal(pixels.filling(picture, values)(box), whole[box])
        assert np.array_equal(pixels.over(2.0, values[:, 0])(box), plane[box])


def test_flow_is_completed_near_the_hole_as_over_the_whole_frame() -> None:
    """The reference blurs whole frames."""
    hole = diagonal()
    hole[100:180, 300:390] = True
    flow = cv2.GaussianBlur(np.random.default_rng(1).standard_normal((*hole.shape, 2)), (0, 0), 9.0).astype(np.float32)
    known, expected, missing = (~hole).astype(np.float32), flow.copy(), hole.copy()
    for sigma in SIGMAS_PX:
        support = cv2.GaussianBlur(known, (0, 0), sigma)
        smooth = cv2.GaussianBlur(flow * known[..., None], (0, 0), sigma)
        reached = missing & (support > 0.05)
        expected[reached] = smooth[reached] / support[reached][:, None]
        missing &= ~reached
    np.testing.assert_allclose(complete_flow(flow, hole), expected, atol=1e-6)


def test_a_memory_is_bounded_and_its_copy_is_empty() -> None:
    memory = MotionMemory(budget_mib=1.0)
    plane, asked = np.zeros(2**16, np.float32), []

    def find(key: int) -> NDArray[np.float32]:
        return memory.of(key, lambda: (asked.append(key), plane)[1])

    for key in (0, 1, 2, 3, 0, 4, 0, 1):
        find(key)
    assert asked == [0, 1, 2, 3, 4, 1]
    copied = copy.deepcopy(memory)
    assert copied.budget_mib == 1.0
    copied.of(0, lambda: (asked.append(9), plane)[1])
    assert asked[-1] == 9


def test_what_two_windows_have_not_asked_for_is_forgotten_where_it_is_much() -> None:
    memory, plane = MotionMemory(budget_mib=1.0), np.zeros(2**16, np.float32)
    asked: list[int] = []

    def find(*keys: int) -> list[int]:
        asked.clear()
        for key in keys:
            memory.of(key, lambda: (asked.append(key), plane)[1])  # noqa: B023
        return list(asked)

    assert find(0, 1, 2, 3) == [0, 1, 2, 3], "all there is room for"
    for _ in range(2):
        memory.begin_window()
        assert find(3) == []
    memory.begin_window()
    assert find(2, 3) == [], "of half of the budget all is kept"
    for _ in range(3):
        memory.begin_window()
    assert find(2, 3, 0, 1) == [0, 1], "and of more what windows ask for"


def test_fingerprints_tell_frames_and_holes_apart() -> None:
    frame, hole = np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), bool)
    other_frame, other_hole = frame.copy(), hole.copy()
    other_frame[3, 3, 2], other_hole[0, 1] = 1e-6, True
    assert len({fingerprint(f, h) for f in (frame, other_frame) for h in (hole, other_hole)}) == 4
    assert fingerprint(frame, hole) == fingerprint(frame.copy(), hole.copy())
