"""Other takes lend the bank true pixels of what no frame of the shot shows; a take of another set lends none."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import HeldFrames, textured_wall

from interpositive.functional.examples import Example
from interpositive.media.plate_colour import PlateColour
from interpositive.mini_models.candidate_bank import NUM_SPATIAL, BankBuilder, BankRecipe, motion_near_holes, motion_of
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.large_bank import build_large
from interpositive.motion.lent_frames import fit_level
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.motion_raster import MotionRaster
from interpositive.tasks.laying_out import Condition
from interpositive.tasks.other_takes import LentByTakes, OtherTake, looked_at, take_likeness

HEIGHT, WIDTH, NUM_FRAMES = 108, 192, 6
HOLE = (slice(34, 74), slice(70, 120))
SHIFT = 5


def codes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def wall() -> NDArray[np.float32]:
    return textured_wall(np.random.default_rng(3), HEIGHT + 40, WIDTH + 40)


@pytest.fixture(scope="module")
def shot(wall: NDArray[np.float32]) -> NDArray[np.float32]:
    """Locked off, so that no frame shows what lies under a hole that stays."""
    return np.repeat(wall[None, 20 : 20 + HEIGHT, 20 : 20 + WIDTH], NUM_FRAMES, 0).copy()


@pytest.fixture(scope="module")
def other(wall: NDArray[np.float32]) -> NDArray[np.float32]:
    """The set from a little beside, a third of a stop darker and warmer."""
    top = 20 - SHIFT
    seen = wall[top : top + HEIGHT, 20 + SHIFT : 20 + SHIFT + WIDTH]
    darker = seen * np.array([0.85, 0.8, 0.75], np.float32) + 0.02
    return np.repeat(darker[None], 3, 0)


def example(shot: NDArray[np.float32], condition: Condition) -> Example:
    mask = torch.zeros(NUM_FRAMES, 1, HEIGHT, WIDTH)
    mask[:, :, HOLE[0], HOLE[1]] = 1.0
    frames = torch.from_numpy(shot).permute(0, 3, 1, 2)
    return Example(frames * (1 - mask), mask, condition=dict(condition))


def lent_by(shot: NDArray[np.float32], *others: NDArray[np.float32]) -> Condition:
    damaged = shot.copy()
    damaged[:, HOLE[0], HOLE[1]] = 0.0
    takes = [OtherTake(str(n), HeldFrames(codes(frames)), PlateColour()) for n, frames in enumerate(others)]
    return LentByTakes(HeldFrames(codes(damaged)), PlateColour(), takes).condition(0, NUM_FRAMES)


def psnr(found: torch.Tensor, shot: NDArray[np.float32]) -> float:
    error = found[0, :, HOLE[0], HOLE[1]].permute(1, 2, 0).numpy() - shot[0][HOLE]
    return float(-10 * np.log10(np.square(error).mean()))


def test_a_hole_that_no_frame_shows_is_filled_from_another_take(
    shot: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    condition = lent_by(shot, other)
    model = CandidateFusion().eval()
    keep = range(2, 3)
    without = model.restore(example(shot, {}), keep, ["telea", "prior"])
    filled = model.restore(example(shot, condition), keep, ["prior"])["prior"]
    assert psnr(filled.frames, shot) > 30.0
    assert psnr(filled.frames, shot) > psnr(without["telea"].frames, shot) + 12.0
    assert without["prior"].lent is None and filled.lent is not None
    # Nearly all of the hole was lent, and it is known by whom.
    num_hole = (HOLE[0].stop - HOLE[0].start) * (HOLE[1].stop - HOLE[1].start)
    assert filled.lent.shape == (1, len(condition["lent_places"]))
    assert 0.85 * num_hole < float(filled.lent.sum()) <= num_hole * 1.0001
    assert condition["lent_places"][:, 0].unique().tolist() == [0]


def test_a_take_of_another_set_changes_nothing(shot: NDArray[np.float32]) -> None:
    stranger = np.repeat(textured_wall(np.random.default_rng(8), HEIGHT, WIDTH)[None], 3, 0)
    assert lent_by(shot, stranger) == {}


def test_whoever_does_not_fit_around_the_hole_lends_nothing(
    shot: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    condition = lent_by(shot, other)
    stranger = torch.from_numpy(textured_wall(np.random.default_rng(8), HEIGHT, WIDTH)).permute(2, 0, 1)
    wrong = {**condition, "lent_frames": stranger.expand_as(condition["lent_frames"])}
    model, keep = CandidateFusion().eval(), range(2, 3)
    bank = BankBuilder(motion_of(example(shot, wrong)), BankRecipe()).build(2)
    lent = bank.lent >= 0
    assert lent.any() and bank.valid[lent][:, HOLE[0], HOLE[1]].mean() < 0.02
    without, harmed = (model.restore(example(shot, c), keep, ["prior"])["prior"] for c in ({}, wrong))
    assert psnr(harmed.frames, shot) > psnr(without.frames, shot) - 0.1


def test_lent_candidates_lie_where_the_shot_has_the_same(shot: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    bank = BankBuilder(motion_of(example(shot, lent_by(shot, other))), BankRecipe()).build(1)
    lent = np.flatnonzero(bank.lent >= 0)
    assert len(lent) >= 2 and (lent >= NUM_SPATIAL).all()
    best = min(np.abs(bank.pictures[i] - shot[1])[HOLE].mean() for i in lent)
    assert best < 0.012


def test_large_frames_are_lent_pixels_at_their_own_size(shot: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    motion = motion_near_holes(example(shot, lent_by(shot, other)), ShotMemory(), HEIGHT * 3 // 4)
    banks = list(build_large(BankBuilder(motion, BankRecipe()), 1, MotionRaster(HEIGHT, WIDTH, HEIGHT // 2)))
    pixels, shown = motion.pixels(1), 0
    for bank in banks:
        truth = shot[1][pixels.ys[bank.at.which], pixels.xs[bank.at.which]]
        lent = np.flatnonzero(bank.seen.lent >= 0)
        best = min(lent, key=lambda i: np.abs(bank.copied[i] - truth)[bank.valid[i]].mean())
        assert np.abs(bank.copied[best] - truth)[bank.valid[best]].mean() < 0.012
        shown += int(bank.valid[best].sum())
    assert shown > 0.85 * len(pixels)


def test_a_stranger_lends_nothing_to_large_frames(shot: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    condition = lent_by(shot, other)
    stranger = torch.from_numpy(textured_wall(np.random.default_rng(8), HEIGHT, WIDTH)).permute(2, 0, 1)
    wrong = {**condition, "lent_frames": stranger.expand_as(condition["lent_frames"])}
    motion = motion_near_holes(example(shot, wrong), ShotMemory(), HEIGHT)
    for bank in build_large(BankBuilder(motion, BankRecipe()), 2, MotionRaster(HEIGHT, WIDTH, HEIGHT // 2)):
        assert bank.valid[bank.seen.lent >= 0].mean() < 0.02


def test_what_is_lent_does_not_depend_on_the_windows_that_were_asked_for(
    shot: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    takes = [OtherTake("other", HeldFrames(codes(other)), PlateColour())]
    early, late = (LentByTakes(HeldFrames(codes(shot)), PlateColour(), takes) for _ in range(2))
    early.condition(0, 3)
    one, two = early.condition(2, 5), late.condition(2, 5)
    assert one.keys() == two.keys() and all(torch.equal(one[name].nan_to_num(), two[name].nan_to_num()) for name in one)


def test_a_take_of_another_raster_is_brought_to_the_shot_s(
    shot: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    large = np.stack([cv2.resize(frame, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC) for frame in other])
    condition = lent_by(shot, large)
    assert condition["lent_frames"].shape[-2:] == (HEIGHT, WIDTH)
    corner = condition["lent_homographies"][0, 0] @ torch.tensor([50.0, 40.0, 1.0], dtype=torch.float64)
    assert torch.allclose(corner[:2] / corner[2], torch.tensor([45.0, 45.0], dtype=torch.float64), atol=0.5)


def test_takes_of_the_set_are_told_from_others(shot: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    stranger = np.repeat(textured_wall(np.random.default_rng(8), HEIGHT, WIDTH)[None], 3, 0)
    views = looked_at(HeldFrames(codes(shot)), PlateColour())
    alike, strange = (
        take_likeness(views, OtherTake("", HeldFrames(codes(frames)), PlateColour())) for frames in (other, stranger)
    )
    assert alike > 30.0 and strange == 0.0


def test_a_level_is_found_whatever_a_third_of_the_pairs_say() -> None:
    random = np.random.default_rng(0)
    theirs = random.uniform(0.05, 0.9, (600, 3)).astype(np.float32)
    gain, offset = np.array([1.2, 1.0, 0.9], np.float32), np.array([0.01, -0.03, 0.05], np.float32)
    mine = theirs * gain + offset + random.normal(0, 0.004, theirs.shape).astype(np.float32)
    mine[:200] = random.uniform(0, 1, (200, 3))
    level = fit_level(theirs, mine)
    np.testing.assert_allclose(level.gain, gain, atol=0.02)
    np.testing.assert_allclose(level.offset, offset, atol=0.01)
    flat = fit_level(np.full((50, 3), 0.4, np.float32), np.full((50, 3), 0.5, np.float32))
    np.testing.assert_allclose(flat.apply(np.full(3, 0.4, np.float32)), 0.5, atol=1e-4)
