"""What is restored from what is near the holes equals what whole frames give; that is written out here."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import panning_shot
from shots import small_model, tensor, waken, wired_example

from interpositive.functional.examples import Example
from interpositive.mini_models import candidate_bank, near_fusion
from interpositive.mini_models.candidate_bank import LOOKED_AT_PX, BankBuilder, motion_near_holes, motion_of
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.kept_plate import thickest_px, thin_parts
from interpositive.mini_models.narrowing import CleanPart, narrowed
from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.hole_regions import whole_frame
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.window_frames import MendedFrames
from interpositive.motion.window_motion import WindowMotion, channel_mean

Picture = NDArray[np.float32]
KEEP = range(2, 6)


def rigged_example(hidden: float = 0.05) -> Example:
    """Two wires across a panning wall, far enough apart for regions of their own; one frame has none."""
    truth = panning_shot(3, num_frames=8, height=128, width=232, speed_px=(3.0, 1.0))
    masks = np.zeros(truth.shape[:3], np.float32)
    for t, mask in enumerate(masks):
        if t != 4:
            cv2.line(mask, (10 + t, 0), (135, 127), 1.0, 4)
            cv2.line(mask, (215 - 2 * t, 0), (215, 60), 1.0, 3)
    mask = torch.from_numpy(masks)[:, None]
    return Example(torch.where(mask > 0, hidden, tensor(truth)), mask, tensor(truth))


@pytest.fixture(autouse=True)
def all_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a region others fit best than of a frame."""
    monkeypatch.setattr(candidate_bank, "_MOST_CANDIDATES", 99)


def fused_over_whole_frames(
    model: CandidateFusion, motion: WindowMotion, frame: int
) -> tuple[Picture, Picture, Picture]:
    """The learned estimate ``h w 3``, its certainty, and what of it is the plate's, ``h w``, from the whole bank.

    Where the plate is looked at, in the wider window alone, that is from few views.
    """
    wide, hole = not isinstance(motion.frames, MendedFrames), motion.holes[frame]
    bank = BankBuilder(motion, model.recipe.few() if wide else model.recipe, KEEP).build(frame)
    thin = thin_parts(hole, thickest_px(24.0, len(hole))) if wide else np.zeros_like(hole)
    shown = np.asarray((bank.valid & hole).any((1, 2)))
    shown[:2] = True
    condition = {
        "candidates": torch.from_numpy(bank.pictures[shown]).permute(0, 3, 1, 2)[None],
        "valid": torch.from_numpy(bank.valid[shown])[None, :, None],
        "error": torch.from_numpy(bank.error[shown])[None, :, None],
        "kinds": torch.from_numpy(bank.kinds[shown])[None],
        "distances": torch.from_numpy(bank.distances[shown])[None],
        "plate": torch.from_numpy(np.asarray(motion.frames[frame])).permute(2, 0, 1)[None],
        "thin": torch.from_numpy(thin.astype(np.float32))[None, None],
    }
    prefill = torch.from_numpy(motion.prefilled(frame)(motion.everywhere)).permute(2, 0, 1)[None]
    with torch.no_grad():
        found = model.fuse(prefill, torch.from_numpy(hole.astype(np.float32))[None, None], condition)
    certainty, kept = found.certainty[0, 0].numpy(), found.kept.share[0, 0].numpy()
    return found.final[0].permute(1, 2, 0).numpy(), certainty + (1 - certainty) * kept, kept


def blended_over_whole_frames(
    motion: WindowMotion, frames: list[Picture], certainty: list[Picture], model: CandidateFusion
) -> list[Picture]:
    """Frames ``h w 3`` that hold still along the flow, in the hole and nowhere else."""
    blended = list(frames)
    for order, step in ((range(1, len(frames)), -1), (range(len(frames) - 2, -1, -1), 1)):
        for index in order:
            frame, other = KEEP[index], KEEP[index] + step
            brought = motion.read(blended[index + step], motion.flow(frame, other), cubic=True)
            difference = channel_mean(np.abs(brought - blended[index]))
            weight, tolerance = (
                copied + (guessed - copied) * (1.0 - certainty[index])
                for copied, guessed in zip(model.blend.copied, model.blend.guessed, strict=True)
            )
            share = weight * np.exp(-difference / tolerance)
            share = share * (motion.holes[frame] & motion.consistent(frame, other))
            blended[index] = (blended[index] + share[..., None] * (brought - blended[index])).astype(np.float32)
    return blended


def narrowed_over_whole_frames(model: CandidateFusion, example: Example) -> WindowMotion:
    """All frames of these windows lie near those that are restored."""
    motion, clean = motion_of(example), {}
    for frame in range(motion.num_frames):
        if (hole := motion.holes[frame]).any():
            estimate, sure, kept = fused_over_whole_frames(model, motion, frame)
            area = hole & (kept > 0.5)
            clean[frame] = CleanPart(HolePixels(area), estimate[area], sure[area])
    return narrowed(motion, clean)


def restored_over_whole_frames(model: CandidateFusion, example: Example) -> torch.Tensor:
    motion = narrowed_over_whole_frames(model, example)
    frames, certainty = [], []
    for frame in KEEP:
        picture, sure = np.asarray(motion.frames[frame]), np.ones(motion.holes[frame].shape, np.float32)
        hole = motion.holes[frame]
        if hole.any():
            estimate, sure, _ = fused_over_whole_frames(model, motion, frame)
            picture = np.where(hole[..., None], estimate, picture)
        frames.append(picture)
        certainty.append(sure)
    return tensor(np.stack(blended_over_whole_frames(motion, frames, certainty, model)).clip(0, 1))


@pytest.mark.parametrize("tile_px", [256, 40])
def test_the_choice_and_the_blend_are_those_of_whole_frames(tile_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_fusion, "_TILE_PX", tile_px)
    example, model = rigged_example(), small_model().eval()
    assert len(motion_near_holes(example, ShotMemory()).regions(3)) > 1
    found = model.restore(example, KEEP, ["trained"])["trained"].frames
    torch.testing.assert_close(found, restored_over_whole_frames(model, example), atol=2e-5, rtol=0)


def test_with_one_region_that_is_so_but_for_rounding() -> None:
    """The hole's region, and what is near what is thin of it, is the whole raster: nothing is cut off."""
    example, model = wired_example(), waken(small_model()).eval()
    example.mask[:, :, 30:34] = example.mask[:, :, 8:10] = example.mask[:, :, -10:-8] = 1.0
    frames = torch.where(example.mask > 0, 0.05, example.input)
    crossed = Example(frames, example.mask)
    motion = motion_near_holes(crossed, ShotMemory())
    (region,) = motion.regions(3)
    assert region.shape == (64, 96)
    (part,) = region.around(model._thin(motion.holes[3]), LOOKED_AT_PX)
    assert part.around_core(LOOKED_AT_PX, 8) == whole_frame((64, 96)).box
    found = model.restore(crossed, KEEP, ["trained"])["trained"].frames
    torch.testing.assert_close(found, restored_over_whole_frames(model, crossed), atol=2e-6, rtol=0)


@pytest.mark.parametrize("tile_px", [256, 40])
def test_a_network_that_has_learned_sees_enough_around_its_regions(
    tile_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_fusion, "_TILE_PX", tile_px)
    example, model = rigged_example(), waken(small_model()).eval()
    found = model.restore(example, KEEP, ["trained"])["trained"].frames
    whole = restored_over_whole_frames(model, example)
    hole = (example.mask[KEEP.start : KEEP.stop] > 0).expand_as(found)
    prior = small_model().eval().restore(example, KEEP, ["prior"])["prior"].frames
    moved = (found - prior)[hole].abs().mean()
    assert (found - whole)[hole].abs().mean() < 0.05 * moved


def test_the_rest_is_the_plate_and_what_is_hidden_reaches_what_has_learned_alone() -> None:
    model = waken(small_model()).eval()
    one, other = (model.restore(rigged_example(hidden), KEEP) for hidden in (0.05, 0.95))
    outside = (rigged_example().mask[2:6] == 0).expand(4, 3, 128, 232)
    for method in model.methods:
        assert torch.equal(one[method].frames, other[method].frames) == (method != "trained"), method
        assert torch.equal(one[method].frames[outside], rigged_example().input[2:6][outside]), method


def test_neither_what_another_window_found_nor_threads_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = rigged_example(), waken(small_model()).eval()
    first, again = (model.restore(example, KEEP, ["trained"])["trained"].frames for _ in range(2))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    threaded = waken(small_model()).eval().restore(example, KEEP, ["trained"])["trained"].frames
    assert torch.equal(first, again) and torch.equal(first, threaded)
