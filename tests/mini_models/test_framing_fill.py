"""Beyond the border: what a pan reveals comes back, and what it never shows is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from productions import panning_shot, textured_wall

from interpositive.functional.examples import Example
from interpositive.mini_models.border_bank import View, expected_error, made_up
from interpositive.mini_models.evidence_fusion import Shares
from interpositive.mini_models.framing_fill import FramingFill, _parts_near
from interpositive.motion.beyond_borders import BorderMotion
from interpositive.motion.hole_regions import Region, whole_frame
from interpositive.motion.motion_memory import BorderMemory, MotionMemory


def psnr_under(mask: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> float:
    return float(-10 * torch.log10(((one - other).square() * mask).sum() / (3 * mask.sum())))


def test_a_pan_lends_its_own_pixels() -> None:
    frames = torch.from_numpy(panning_shot(6, 24, 96, 144, (2.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :16] = mask[..., -16:] = 1
    restored = FramingFill(offsets=(1, 2, 4, 8)).restore(Example(frames * (1 - mask), mask), range(12, 13))
    found = {name: psnr_under(mask[12], result.frames[0], frames[12]) for name, result in restored.items()}
    assert found["prior"] > max(found["edge"], found["telea"]) + 4
    assert found["prior"] >= found["camera_median"] - 0.5
    assert torch.equal(restored["prior"].frames, restored["trained"].frames), "untrained, it is its prior"


def test_what_no_frame_shows_is_unsure() -> None:
    frames = torch.from_numpy(panning_shot(6, 12, 96, 144, (2.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    mask = torch.zeros_like(frames[:, :1])
    mask[..., -8:] = 1
    mask[..., :16, :] = 1
    (result,) = (
        FramingFill(offsets=(1, 2, 4)).restore(Example(frames * (1 - mask), mask), range(5, 6), ["trained"]).values()
    )
    sure = result.confidence[0, 0]
    assert sure[24:, -8:].mean() > sure[:10, 20:120].mean() + 0.2
    assert result.frames.isfinite().all()


def test_a_view_that_fits_worse_than_what_would_be_made_up_is_not_joined_to() -> None:
    wall = textured_wall(np.random.default_rng(4), 96, 144)
    hole = np.zeros((96, 144), bool)
    hole[:, -24:] = True
    motion = BorderMotion(np.where(hole[..., None], 0, wall)[None], hole[None])
    seen = np.ones((96, 144), np.float32)
    alone = made_up(motion.picture(0), ~hole)
    expected = expected_error(motion.picture(0), hole)
    assert expected[~hole].max() == 0 and expected[48, -24] < expected[48, -1]
    for other, joins in ((wall, True), (textured_wall(np.random.default_rng(9), 96, 144), False)):
        bank = FramingFill(offsets=(1,))._bank(motion, 0, [View(other, seen, 1)], half=False)
        candidate = bank["candidates"][1].permute(1, 2, 0).numpy()
        assert np.array_equal(candidate[hole], (other if joins else alone)[hole])


def test_bands_of_a_tall_raster_meet_without_a_seam() -> None:
    frames = torch.from_numpy(panning_shot(6, 4, 400, 96, (8.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    # Grain, so that it matters which frame is taken.
    frames = (frames + 0.05 * torch.randn(frames.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :16] = 1
    model = FramingFill(offsets=(1, 2))
    torch.manual_seed(0)
    with torch.no_grad():
        model.fusion.scorer.last.weight.normal_(0, 10.0)
    motion_bank = {}

    def seen(bank: dict[str, torch.Tensor], parts: Sequence[Region]) -> Shares:
        motion_bank.update(bank)
        assert len(parts) == 2
        return original(bank, parts)

    original = model._fused
    model._fused = seen  # type: ignore[method-assign,assignment]
    (result,) = model.restore(Example(frames * (1 - mask), mask), range(1, 2), ["trained"]).values()
    with torch.no_grad():
        whole = model.fusion({name: value[None] for name, value in motion_bank.items()}).final[0].clamp(0, 1)
    assert (result.frames[0] - whole)[..., :16].abs().max() < 1e-5


def test_large_frames_are_copied_at_their_own_size_and_read_as_codes() -> None:
    shot = panning_shot(6, 10, 544, 160, (6.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy()
    codes = torch.from_numpy((shot * 255).round().astype(np.uint8))
    mask = torch.zeros(10, 1, 544, 160, dtype=torch.bool)
    mask[..., :20] = mask[..., -20:] = True
    model, keep = FramingFill(offsets=(1, 2, 4)), range(4, 6)
    truth, values = codes[4:6].float() / 255, (codes * ~mask).numpy().astype(np.float32) / np.float32(255)
    found = model.restore(Example(codes * ~mask, mask), keep)
    of_values = model.restore(Example(torch.from_numpy(values), mask.float()), keep)
    error = {name: psnr_under(mask[4:6].float(), result.frames, truth) for name, result in found.items()}
    for name, result in found.items():
        assert torch.equal(result.frames, of_values[name].frames), name
        assert torch.equal(result.frames[:, :, :, 20:-20], torch.from_numpy(values[4:6, ..., 20:-20]))
    # All of the pan's detail comes back, of which a smaller raster has not the finest.
    assert error["prior"] > error["edge"] + 8 and error["prior"] > error["camera_median"] - 0.5, error
    small = FramingFill(offsets=(1, 2, 4))
    small_frames, small_mask = (
        torch.nn.functional.avg_pool2d(each.float(), 2) for each in (torch.from_numpy(values), mask)
    )
    reduced = small.restore(Example(small_frames, (small_mask > 0).float()), keep, ["prior"])["prior"].frames
    enlarged = torch.nn.functional.interpolate(reduced, scale_factor=2, mode="bilinear")
    assert error["prior"] > psnr_under(mask[4:6].float(), enlarged, truth) + 3
    prior = found["prior"]
    assert prior.seen is not None and (prior.seen.float() > 0.95 * mask[4].sum()).all()
    assert torch.equal(prior.frames, found["trained"].frames), "untrained, it is its prior"


def large_shot(num_frames: int = 8) -> Example:
    shot = panning_shot(6, num_frames, 432, 128, (6.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy()
    mask = torch.zeros(num_frames, 1, 432, 128, dtype=torch.bool)
    mask[..., :20] = mask[..., -20:] = True
    return Example(torch.from_numpy((shot * 255).round().astype(np.uint8)) * ~mask, mask)


def asked_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames that mini-models look at, noted as they do."""
    asked: list[int] = []
    look = FramingFill._frame

    def noting(self: FramingFill, motion: BorderMotion, number: int, *rest: Any) -> Any:
        asked.append(number)
        return look(self, motion, number, *rest)

    monkeypatch.setattr(FramingFill, "_frame", noting)
    return asked


def test_of_large_frames_windows_look_once_at_those_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    shot, asked = large_shot(), asked_frames(monkeypatch)
    monkeypatch.setattr("interpositive.mini_models.framing_fill.network_factor", lambda height: 2)
    model = FramingFill(offsets=(1, 2))
    first = model.restore(shot, range(2, 5), ["trained"])["trained"]
    second = model.restore(shot, range(4, 6), ["trained"])["trained"]
    assert sorted(asked) == [2, 3, 4, 5]
    assert torch.equal(first.frames[2], second.frames[0]) and torch.equal(first.confidence[2], second.confidence[0])
    assert first.seen is not None and second.seen is not None and first.seen[2] == second.seen[0] > 0
    alone = FramingFill(offsets=(1, 2)).restore(shot, range(4, 5), ["trained"])["trained"]
    assert torch.equal(alone.frames[0], second.frames[0])
    # Other methods, other weights and other neighbours are looked at anew.
    model.restore(shot, range(4, 5), ["prior"])
    model.fusion.log_temperature.data += 0.1
    model.restore(shot, range(4, 5), ["trained"])
    model.restore(Example(shot.input[:6], shot.mask[:6]), range(4, 5), ["trained"])
    assert sorted(asked[4:]) == [4, 4, 4, 4]


def test_a_window_begins_to_ask_of_every_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[MotionMemory] = []
    monkeypatch.setattr(MotionMemory, "begin_window", lambda memory: told.append(memory))
    model = FramingFill(offsets=(1, 2))
    model.restore(large_shot(4), range(1, 2), ["prior"])
    assert sorted(map(id, told)) == sorted(map(id, vars(model._memory).values()))


def test_what_is_near_a_hole_says_of_it_what_the_whole_frame_does() -> None:
    shot = large_shot(4)
    frames, holes = shot.input.numpy().transpose(0, 2, 3, 1), shot.mask[:, 0].numpy()
    motion = BorderMotion(frames, holes, motion_rows=432, shown_rows=216)
    model = FramingFill(offsets=(1, 2)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        model.fusion.scorer.last.weight.normal_(0, 3.0)
        bank = model._bank(motion, 1, model._views(motion, 1), half=False)
        parts = _parts_near(motion.hole(1))
        near, whole = (model._fused(bank, each) for each in (parts, [whole_frame((216, 64))]))
    hole = torch.from_numpy(motion.hole(1))
    assert whole.score[..., hole].std() > 0.1
    for one, other in zip(near.parts, whole.parts, strict=True):
        assert (one - other)[..., hole].abs().max() < 1e-4
    assert all(side % 16 == 0 or side in (216, 64) for part in parts for side in part.shape)


def test_the_way_between_large_frames_is_measured_once_for_both_directions() -> None:
    shot = large_shot(4)
    frames, holes = shot.input.numpy().transpose(0, 2, 3, 1), shot.mask[:, 0].numpy()
    motion = BorderMotion(frames, holes, motion_rows=216, shown_rows=216, memory=BorderMemory())
    there, back = motion.brought(1, 3).way, motion.brought(3, 1).way
    assert np.allclose(there @ back, np.eye(3), atol=1e-6)
    # The wall moves by six pixels a frame.
    assert np.allclose((there @ (64.0, 200.0, 1.0))[:2], (64.0 - 12.0, 200.0), atol=0.3)


def test_what_the_shot_never_shows_is_lent_by_another_take() -> None:
    wall = textured_wall(np.random.default_rng(4), 96, 176)
    frames = torch.from_numpy(np.repeat(wall[None, :, 16:160], 3, 0)).permute(0, 3, 1, 2)
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :20] = 1
    homographies = np.repeat(np.eye(3)[None, None], 3, 0)
    homographies[..., 0, 2] = 16.0
    lent = {
        "lent_frames": torch.from_numpy(wall[None] + np.float32(0.04)).permute(0, 3, 1, 2),
        "lent_homographies": torch.from_numpy(homographies),
        "lent_places": torch.tensor([[0, 7]]),
    }
    model = FramingFill(offsets=(1, 2))
    alone = model.restore(Example(frames * (1 - mask), mask), range(1, 2), ["prior"])["prior"]
    helped = model.restore(Example(frames * (1 - mask), mask, condition=lent), range(1, 2), ["prior"])["prior"]
    assert psnr_under(mask[1], helped.frames[0], frames[1]) > psnr_under(mask[1], alone.frames[0], frames[1]) + 8
    assert alone.lent is None and alone.seen is not None and alone.seen.tolist() == [0]
    assert helped.seen is not None and helped.seen.tolist() == [20 * 96]
    assert helped.lent is not None and helped.lent[0, 0] > 0.9 * 20 * 96
    # Another set's frame lends nothing, whatever was said of where it lies.
    lent["lent_frames"] = torch.from_numpy(textured_wall(np.random.default_rng(9), 96, 176)[None]).permute(0, 3, 1, 2)
    other = model.restore(Example(frames * (1 - mask), mask, condition=lent), range(1, 2), ["prior"])["prior"]
    assert other.lent is not None and other.lent.sum() == 0 and torch.equal(other.frames, alone.frames)
    lent["lent_are_known"] = torch.ones(())
    known = model.restore(Example(frames * (1 - mask), mask, condition=lent), range(1, 2), ["camera_median"])
    assert not torch.equal(known["camera_median"].frames, alone.frames), "in a try it is not asked again"


def test_training_is_shown_what_a_wider_take_would_lend() -> None:
    frames = torch.from_numpy(panning_shot(6, 12, 96, 144, (0.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :20] = 1
    mask[4:8, :, 40:60, 60:80] = 1
    judged = mask.clone()
    judged[..., 40:60, 60:80] = 0
    model = FramingFill(offsets=(1, 2), crop_px=96, crops_per_frame=1, frames_per_window=12)
    example = Example(frames * (1 - mask), mask, frames, {"judged": judged})
    prepared = model.prepare(example, torch.Generator().manual_seed(3))
    num_lent = [int(crop.condition["valid"][6:].flatten(1).any(1).sum()) for crop in prepared]
    lends = [num > 0 for num in num_lent]
    assert len({crop.condition["candidates"].shape for crop in prepared}) == 1, "they make a batch"
    assert 2 <= sum(map(int, lends)) <= len(prepared) - 2, "some are lent to, and some are not"
    assert max(num_lent) > 1 and min(num for num in num_lent if num) < max(num_lent) <= 4, "by one take, or by several"
    for crop, lent in zip(prepared, lends, strict=True):
        # The camera stands still: no frame of the shot shows the border, and what is lent there is the truth.
        hidden = crop.condition["judged"][0, 0] > 0
        assert not crop.condition["valid"][2:6, 0, hidden].any()
        if lent and hidden.any():
            shown = (crop.condition["valid"][-1, 0] > 0) & hidden
            assert shown.float().sum() > 0.9 * hidden.sum()
            assert crop.target is not None
            assert (crop.condition["candidates"][-1] - crop.target[0])[:, shown].abs().mean() < 0.01


def test_what_learned_moves_a_choice_by_no_more_than_its_bound() -> None:
    torch.manual_seed(0)
    fusion = FramingFill().fusion
    torch.nn.init.normal_(fusion.scorer.last.weight, 0, 30.0)
    torch.nn.init.constant_(fusion.scorer.last.bias, 50.0)
    shape = (1, 4, 1, 16, 24)
    bank = {
        "candidates": torch.rand(1, 4, 3, 16, 24),
        "valid": torch.ones(shape),
        "error": torch.full(shape, 0.02),
        "weight": torch.ones(shape),
        "gap": torch.zeros(shape),
        "words": torch.rand(1, 4, 5),
        "bias": torch.tensor([[-7.0, -4.0, 0.0, 0.0]]),
    }
    with torch.no_grad():
        found = fusion.weigh(bank)
        # What is common to all scores moves nothing, and is not what the bound is used up by.
        moved = (found.of_learned / found.of_prior).log()
        assert torch.allclose(moved[:, 0], moved[:, 1], atol=1e-4), "between guesses the prior decides"
        against_guesses = (moved[:, 2:] - moved[:, :1]).abs()
        assert 1.0 < float(against_guesses.max()) <= 2.0 + 1e-4


def test_where_nothing_is_shown_what_learned_is_the_prior() -> None:
    frames = torch.from_numpy(panning_shot(6, 4, 96, 144, (0.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :16] = 1
    model = FramingFill(offsets=(1, 2))
    torch.manual_seed(0)
    with torch.no_grad():
        model.fusion.scorer.last.weight.normal_(0, 3.0)
    made = model.restore(Example(frames * (1 - mask), mask), range(1, 2), ["prior", "trained"])
    assert torch.allclose(made["prior"].frames, made["trained"].frames, atol=1e-5)


def test_training_sees_crops_in_eight_attitudes() -> None:
    frames = torch.from_numpy(panning_shot(6, 6, 96, 144, (8.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :20] = 1
    model = FramingFill(offsets=(1, 2), crop_px=48, crops_per_frame=1, frames_per_window=2)
    crops = model.prepare(Example(frames * (1 - mask), mask, frames), torch.Generator().manual_seed(3))
    batch = Example(
        torch.stack([crop.input for crop in crops]),
        torch.stack([crop.mask for crop in crops]),
        torch.stack([crop.target for crop in crops if crop.target is not None]),
        {name: torch.stack([crop.condition[name] for crop in crops]) for name in crops[0].condition},
    )

    def losses() -> set[float]:
        found = [model.losses(batch, torch.Generator().manual_seed(seed)) for seed in range(40)]
        return {round(float(torch.stack([*terms.values()]).sum().detach()), 9) for terms in found}

    untrained = losses()
    assert max(untrained) < 1.02 * min(untrained), "the prior is the same in each, and so is the truth beside it"
    torch.manual_seed(0)
    with torch.no_grad():
        model.fusion.scorer.last.weight.normal_(0, 0.5)
        assert len(losses()) == 8
