"""The bank holds true pixels of the hole, levelled, and nothing from under a mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from shots import LEFT, NUM_FRAMES, RIGHT, wired_shot

from interpositive.mini_models.candidate_bank import NUM_SPATIAL, Bank, BankBuilder, BankRecipe
from interpositive.mini_models.view_comparing import level_and_compare
from interpositive.motion.window_motion import WindowMotion

RECIPE = BankRecipe((1, 2), (2, 4), True)


def bank_of(frames: NDArray[np.float32], masks: NDArray[np.float32], frame: int, recipe: BankRecipe = RECIPE) -> Bank:
    return BankBuilder(WindowMotion(frames, masks), recipe).build(frame)


@pytest.fixture(scope="module")
def banks() -> tuple[NDArray[np.float32], NDArray[np.bool_], Bank]:
    truth, masks = wired_shot()
    damaged = np.where(masks[..., None] > 0, 0.0, truth).astype(np.float32)
    return truth[4], masks[4] > 0, bank_of(damaged, masks, 4)


def test_candidates_show_the_truth_under_the_wire(banks: tuple[NDArray[np.float32], NDArray[np.bool_], Bank]) -> None:
    truth, hole, bank = banks
    assert bank.coverage(hole) > 0.95
    inner = np.zeros_like(hole)
    inner[8:-8] = hole[8:-8]
    kinds_seen = set()
    for index in range(NUM_SPATIAL, len(bank.kinds)):
        where = bank.valid[index] & inner
        if where.sum() < 20:
            continue
        kinds_seen.add(int(bank.kinds[index]))
        error = np.sqrt(np.square(bank.pictures[index] - truth)[where].mean())
        spatial = np.sqrt(np.square(bank.pictures[0] - truth)[where].mean())
        assert error < 0.035, f"candidate {index} of kind {bank.kinds[index]}"
        assert error < spatial
    assert kinds_seen == {1, 2, 3}, "flow, recursive and camera each show part of the hole"


def test_the_camera_sees_the_wall_behind_the_wire_almost_exactly(
    banks: tuple[NDArray[np.float32], NDArray[np.bool_], Bank],
) -> None:
    truth, hole, bank = banks
    camera = [i for i in range(NUM_SPATIAL, len(bank.kinds)) if bank.kinds[i] == 3]
    assert len(camera) == 3, "frames 2, 6 and 0; there is no frame 8"
    for index in camera:
        where = bank.valid[index] & hole
        # Two pixels a frame: two frames on, the wall has moved by just the wire's width.
        assert np.abs(bank.pictures[index] - truth)[where].mean() < 0.015


def test_what_a_neighbour_hides_itself_is_no_candidate(
    banks: tuple[NDArray[np.float32], NDArray[np.bool_], Bank],
) -> None:
    # One frame on, the wall has moved by half the wire's width: half of the hole is hidden there too.
    _, hole, bank = banks
    nearest = [i for i in range(NUM_SPATIAL, len(bank.kinds)) if bank.kinds[i] == 1 and bank.distances[i] == 1]
    assert len(nearest) == 2
    for index in nearest:
        assert 0.2 < bank.valid[index][hole].mean() < 0.6
    assert bank.valid[nearest].any(0)[hole].mean() > 0.5, "before and after, they show different halves"


def test_nothing_under_a_mask_reaches_a_bank() -> None:
    truth, masks = wired_shot()
    hidden = np.random.default_rng(0).random(truth.shape, np.float32)
    one = np.where(masks[..., None] > 0, 0.0, truth).astype(np.float32)
    other = np.where(masks[..., None] > 0, hidden, truth).astype(np.float32)
    assert not np.array_equal(one, other)
    builders = [BankBuilder(WindowMotion(frames, masks), RECIPE) for frames in (one, other)]
    for frame in (0, 3, NUM_FRAMES - 1):
        first, second = (builder.build(frame) for builder in builders)
        for name in ("valid", "kinds", "distances", "pictures", "error"):
            assert np.array_equal(getattr(first, name), getattr(second, name)), f"{name} of frame {frame}"


def test_invalid_candidates_are_black(banks: tuple[NDArray[np.float32], NDArray[np.bool_], Bank]) -> None:
    _, _, bank = banks
    assert (~bank.valid).any()
    assert np.all(bank.pictures[~bank.valid] == 0)
    assert np.isfinite(bank.pictures).all() and np.isfinite(bank.error).all()


def test_the_bank_has_its_full_number_even_at_the_ends_of_the_window() -> None:
    truth, masks = wired_shot()
    damaged = np.where(masks[..., None] > 0, 0.0, truth).astype(np.float32)
    motion = WindowMotion(damaged, masks)
    for frame in (0, 1, NUM_FRAMES - 1):
        bank = BankBuilder(motion, RECIPE).build(frame)
        assert len(bank.kinds) == len(bank.pictures) == RECIPE.num_candidates == NUM_SPATIAL + 10
        assert bank.valid[:NUM_SPATIAL].all() and not bank.kinds[:NUM_SPATIAL].any()
        # Sources before the first or behind the last frame do not exist.
        assert (bank.kinds == 3).sum() == 2 and 2 <= (bank.kinds == 1).sum() <= 3


@pytest.mark.parametrize(
    ("recipe", "reach", "count"),
    [
        (BankRecipe(), 16, 18),
        (BankRecipe((1,), (), False), 1, 2),
        (BankRecipe((), (), True), 1, 2),
        (BankRecipe((5,), (2,), False), 5, 4),
    ],
)
def test_reach_and_count_follow_from_the_recipe(recipe: BankRecipe, reach: int, count: int) -> None:
    assert (recipe.reach_frames, recipe.num_candidates) == (reach, NUM_SPATIAL + count)


def test_a_window_of_one_frame_has_its_spatial_fills_alone() -> None:
    truth, masks = wired_shot(num_frames=1)
    bank = bank_of(truth, masks, 0)
    assert bank.valid[:NUM_SPATIAL].all() and not bank.valid[NUM_SPATIAL:].any()
    assert bank.coverage(masks[0] > 0) == 0.0
    assert bank.coverage(np.zeros_like(masks[0], bool)) == 1.0


def test_a_frame_that_is_all_hole_can_be_asked_for() -> None:
    truth, masks = wired_shot(num_frames=5)
    masks[2] = 1.0
    bank = bank_of(truth, masks, 2)
    assert bank.valid[0].all() and np.isfinite(bank.pictures).all()


def test_of_many_candidates_those_stay_that_fit_best_and_those_that_alone_show_something() -> None:
    num, shape = NUM_SPATIAL + 11, (6, 8)
    valid, error = np.ones((num, *shape), bool), np.full((num, *shape), 0.03, np.float32)
    error[NUM_SPATIAL:] = 0.01 + 0.002 * np.arange(11)[::-1, None, None]
    # The worst of them is alone to show the right half; the hole's margin, where all show it, does not count.
    error[NUM_SPATIAL] = 0.06
    valid[NUM_SPATIAL + 1 :, 1:-1, 4:-1] = False
    error[:NUM_SPATIAL, :, 4:] = 0.2
    bank = Bank(
        np.random.default_rng(0).random((num, *shape, 3)).astype(np.float32),
        valid,
        error,
        np.arange(num),
        np.arange(num, dtype=np.float32),
        np.full(num, -1),
    )
    part = np.s_[1:-1, 1:-1]
    which = bank.fitting(part, np.ones((4, 6), bool))
    assert which.tolist() == [0, 1, NUM_SPATIAL, *range(num - 7, num)]
    fewer = bank.only(which)
    assert fewer.kinds.tolist() == fewer.distances.tolist() == which.tolist()
    np.testing.assert_array_equal(fewer.pictures, bank.pictures[which])
    assert fewer.fitting(part, np.ones((4, 6), bool)).tolist() == list(range(10)), "ten are not too many"
    lent = replace(bank, lent=np.where(np.isin(np.arange(num), (3, 4)), 7, -1))
    assert lent.fitting(part, np.ones((4, 6), bool)).tolist() == [0, 1, 2, 3, 4, *range(num - 7, num)]


@pytest.mark.parametrize("offset", [0.05, -0.06])
def test_an_exposure_offset_is_taken_out(offset: float) -> None:
    truth, masks = wired_shot()
    picture, hole = truth[3], masks[3] > 0
    levelled, error = level_and_compare((picture + offset).astype(np.float32), picture, ~hole)
    assert np.abs(levelled - picture)[hole].max() < 0.004
    assert np.abs(levelled - picture).mean() < 0.004
    assert (error[hole] > 0.2 * abs(offset)).all(), "a view that needed levelling is trusted less"


def test_a_shift_in_level_is_bounded() -> None:
    truth, masks = wired_shot()
    levelled, _ = level_and_compare(truth[3] + np.float32(0.5), truth[3], masks[3] == 0)
    assert np.abs(levelled - (truth[3] + 0.5)).max() <= 0.08 + 1e-6


def test_a_view_of_something_else_has_a_larger_error() -> None:
    truth, masks = wired_shot()
    known = masks[3] == 0
    _, good = level_and_compare(truth[3], truth[3], known)
    _, bad = level_and_compare(np.roll(truth[3], 9, 1), truth[3], known)
    hole = np.zeros_like(known)
    hole[:, LEFT:RIGHT] = True
    assert good[hole].max() < 1e-3 and bad[hole].min() > 0.01


def test_a_level_is_not_judged_by_what_is_under_the_mask() -> None:
    truth, masks = wired_shot()
    known = masks[3] == 0
    other = truth[3].copy()
    other[~known] = 0.9
    for one, two in zip(
        level_and_compare(truth[2], truth[3], known), level_and_compare(truth[2], other, known), strict=True
    ):
        assert np.array_equal(one, two)
