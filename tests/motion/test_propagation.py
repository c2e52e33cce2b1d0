"""A static wire over a panning wall: its neighbours have seen what it hides."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from productions import panning_shot

from interpositive.motion.propagation import Carried, merge_sweeps, sweep
from interpositive.motion.spatial_fill import telea_fill
from interpositive.motion.window_motion import WindowMotion

NUM_FRAMES, LEFT, RIGHT = 10, 46, 50


@pytest.fixture(scope="module")
def shot() -> tuple[NDArray[np.float32], WindowMotion]:
    truth = panning_shot(2, num_frames=NUM_FRAMES, speed_px=(2.0, 0.0), actor=False)
    masks = np.zeros(truth.shape[:3], np.float32)
    masks[:, :, LEFT:RIGHT] = 1.0
    return truth, WindowMotion(np.where(masks[..., None] > 0, 0.0, truth).astype(np.float32), masks)


def swept(motion: WindowMotion, *, backward: bool) -> dict[int, Carried]:
    """Of frames that are one region."""
    found = sweep(motion, backward=backward)
    return {frame: found.part(frame, 0) for frame in found}


def psnr(picture: NDArray[np.float32], truth: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return float(-10 * np.log10(np.square(picture - truth)[where].mean()))


def test_the_wall_behind_the_wire_is_recovered(shot: tuple[NDArray[np.float32], WindowMotion]) -> None:
    truth, motion = shot
    frame = 5
    hole = motion.holes[frame]
    merged, weight = merge_sweeps(swept(motion, backward=False)[frame], swept(motion, backward=True)[frame])
    seen = hole & (weight > 0)
    assert seen[4:-4].sum() > 0.9 * hole[4:-4].sum()
    carried = psnr(merged, truth[frame], seen)
    assert carried > 30
    assert carried > psnr(telea_fill(motion.frames[frame], hole), truth[frame], seen) + 3


def test_the_first_frame_of_a_sweep_knows_nothing(shot: tuple[NDArray[np.float32], WindowMotion]) -> None:
    _, motion = shot
    assert not swept(motion, backward=False)[0].known.any()
    assert not swept(motion, backward=True)[NUM_FRAMES - 1].known.any()


def test_age_counts_the_frames_since_a_pixel_was_seen(shot: tuple[NDArray[np.float32], WindowMotion]) -> None:
    # The wall moves left by 2 px a frame: a column hidden by a 4 px wire was free one or two frames ago,
    # and beyond the first frames of the window, everything is known.
    _, motion = shot
    forward = swept(motion, backward=False)
    hole, carried = motion.holes[6], forward[6]
    rows = np.s_[8:-8]
    assert carried.known[rows][:, LEFT:RIGHT].mean() > 0.95
    right = np.median(carried.age[rows][:, RIGHT - 1])
    left = np.median(carried.age[rows][:, LEFT])
    assert right == pytest.approx(1.0, abs=0.3)
    assert left == pytest.approx(2.0, abs=0.3)
    assert (carried.age[hole & carried.known] >= 1.0 - 1e-6).all()
    assert not forward[1].known[rows][:, LEFT : LEFT + 1].any(), "in frame 1 its left column has not been seen yet"


def test_what_is_under_the_wire_is_never_carried(shot: tuple[NDArray[np.float32], WindowMotion]) -> None:
    truth, motion = shot
    masks = motion.holes.astype(np.float32)
    other = np.where(masks[..., None] > 0, 1.0 - truth, truth).astype(np.float32)
    again = WindowMotion(other, masks)
    for backward in (False, True):
        one, two = swept(motion, backward=backward), swept(again, backward=backward)
        for frame in range(NUM_FRAMES):
            assert np.array_equal(one[frame].known, two[frame].known)
            assert np.array_equal(one[frame].picture[one[frame].known], two[frame].picture[one[frame].known])


def test_the_fresher_side_weighs_more_and_nothing_weighs_nothing() -> None:
    known = np.array([[True, True, False]])
    fresh = Carried(np.ones((1, 3, 3), np.float32), known, np.zeros((1, 3), np.float32))
    stale = Carried(np.zeros((1, 3, 3), np.float32), np.array([[True, False, False]]), np.full((1, 3), 3.0, np.float32))
    merged, weight = merge_sweeps(fresh, stale)
    assert merged[0, :, 0].tolist() == pytest.approx([1 / 1.25, 1.0, 0.0])
    assert weight[0].tolist() == pytest.approx([1.25, 1.0, 0.0])


def test_what_was_made_smaller_is_bridged_as_coarsely_as_large_frames() -> None:
    random = np.random.default_rng(3)
    frames, masks = random.random((2, 120, 160, 3), np.float32), np.zeros((2, 120, 160), bool)
    masks[:, 20:100, 30:130] = True
    full, reduced = (WindowMotion(frames, masks, reduced=each) for each in (False, True))
    again = reduced.with_frames(frames, masks)
    for exact, coarse, same in zip(full.bridges(0), reduced.bridges(0), again.bridges(0), strict=True):
        apart = np.abs(coarse[:] - exact[:])
        edge = full.pixels(0).ys < 23
        assert 0.0 < apart.max() < 0.2 and apart[edge].max() < 0.01
        np.testing.assert_array_equal(same[:], coarse[:])
