"""On large frames the networks look at a smaller raster, and pixels are copied at their own size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from productions import panning_shot
from shots import small_model, tensor, waken, wired_example
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.mini_models import chosen_once
from interpositive.mini_models.candidate_bank import Bank, BankBuilder, BankRecipe, motion_near_holes
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.fusing import Fused, LargeFusion, network_factor
from interpositive.mini_models.large_bank import LargeBank, build_large
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.region_seen import RegionSeen
from interpositive.motion.window_motion import WindowMotion

FACTOR = 2


def given(height: int = 32, width: int = 46) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(4)
    hole = torch.zeros(1, 1, height, width)
    hole[..., 8:20, 10:36] = 1.0
    valid = torch.ones(1, 5, 1, height, width)
    valid[:, 3, :, :, 20:] = 0.0
    condition = {
        "candidates": torch.rand(1, 5, 3, height, width, generator=generator) * valid,
        "valid": valid,
        "error": 0.05 * torch.rand(1, 5, 1, height, width, generator=generator),
        "kinds": torch.tensor([[0, 0, 1, 1, 3]]),
        "distances": torch.tensor([[0.0, 1.0, 1.0, 2.0, 4.0]]),
        "plate": torch.rand(1, 3, height, width, generator=generator),
        "thin": hole,
    }
    return torch.rand(1, 3, height, width, generator=generator), hole, condition


def twice_as_large(planes: Tensor) -> Tensor:
    return planes.repeat_interleave(FACTOR, -1).repeat_interleave(FACTOR, -2)


def fusion_of(model: CandidateFusion) -> LargeFusion:
    return LargeFusion(model.fuse, model._prior_weight, model._weight, model.device)


def large(fusion: LargeFusion, prefill: Tensor, hole: Tensor, condition: dict[str, Tensor]) -> dict[str, Tensor]:
    """What fusion of a frame twice as large comes to, whose candidates are the given ones enlarged; 0 elsewhere."""
    whole = twice_as_large(hole)[0, 0].numpy() > 0
    motion = WindowMotion(np.zeros((1, *whole.shape, 3), np.float32), whole[None])
    at = RegionSeen(motion, MotionRaster(*whole.shape, hole.shape[-2]), 0, 0)
    pixels = motion.pixels(0)

    def as_pictures(planes: Tensor) -> NDArray[np.float32]:
        return planes[0].movedim(-3, -1).contiguous().numpy()

    def of_pixels(planes: Tensor) -> NDArray[np.float32]:
        return np.ascontiguousarray(twice_as_large(planes)[..., pixels.ys, pixels.xs].numpy())

    valid = condition["valid"][0, :, 0].numpy() > 0
    seen = Bank(
        as_pictures(condition["candidates"]),
        valid,
        condition["error"][0, :, 0].numpy(),
        condition["kinds"][0].numpy(),
        condition["distances"][0].numpy(),
        np.full(5, -1, np.int64),
    )
    bank = LargeBank(
        at,
        as_pictures(condition["plate"]),
        as_pictures(prefill),
        hole[0, 0].numpy() > 0,
        seen,
        np.ascontiguousarray(of_pixels(condition["candidates"][0]).transpose(0, 2, 1)),
        of_pixels(condition["valid"][0, :, 0]) > 0,
        of_pixels(condition["error"][0, :, 0]),
    )
    results = {"final": torch.zeros(3, *whole.shape), "prior": torch.zeros(3, *whole.shape)}
    with torch.no_grad():
        for found in fusion.of_region(bank):
            ys, xs = pixels.ys[found.which], pixels.xs[found.which]
            results["final"][:, ys, xs], results["prior"][:, ys, xs] = found.final.T, found.prior.T
    return results


def test_frames_like_those_that_were_learned_from_keep_their_raster() -> None:
    assert [network_factor(height) for height in (216, 288, 404, 540, 1080, 2160)] == [1, 1, 1, 2, 4, 8]


def test_untrained_it_is_its_prior_to_the_last_bit_at_the_frames_own_size() -> None:
    found = large(fusion_of(small_model().eval()), *given())
    assert torch.equal(found["final"], found["prior"]) and found["prior"].std() > 0.1


def test_networks_say_of_a_large_frame_what_they_say_of_the_small_one() -> None:
    model, (prefill, hole, condition) = waken(small_model()).eval(), given()
    with torch.no_grad():
        small = model.fuse(prefill, hole, {**condition, "thin": torch.zeros_like(hole)})
    found = large(fusion_of(model), prefill, hole, condition)
    inside = hole[0].expand(3, -1, -1) > 0
    came = torch.nn.functional.avg_pool2d(found["final"][None], FACTOR)[0]
    assert torch.allclose(
        torch.nn.functional.avg_pool2d(found["prior"][None], FACTOR)[0][inside], small.prior[0][inside]
    )
    moved = (small.final - small.prior)[0][inside].abs().mean()
    # Bilinear enlarging evens out neighbours, which random last layers make unlike; anything unrelated is above 1.
    assert (came - small.final[0])[inside].abs().mean() < 0.6 * moved


def test_networks_see_few_sizes() -> None:
    model, sizes = small_model().eval(), set()

    def noted(prefill: Tensor, hole: Tensor, condition: Any) -> Fused:
        sizes.add((*prefill.shape[-2:], *hole.shape[-2:], *condition["candidates"].shape[-2:]))
        return model.fuse(prefill, hole, condition)

    for height, width in ((33, 47), (40, 38), (48, 42)):
        large(LargeFusion(noted, model._prior_weight, model._weight, model.device), *given(height, width))
    assert sizes == {(48, 48) * 3}


def fine_example(num_frames: int = 6) -> Example:
    """A panning wall with detail of single pixels, of 432 rows, and an upright wire of 8 px before it."""
    truth = panning_shot(5, num_frames, 432, 160, (6.0, 0.0), actor=False)
    noise = np.random.default_rng(2).normal(0.0, 0.08, (432, 160 + 6 * num_frames, 1))
    for number, frame in enumerate(truth):
        frame += noise[:, 6 * number : 6 * number + 160].astype(np.float32)
    mask = torch.zeros(num_frames, 1, 432, 160)
    mask[..., 70:78] = 1.0
    clean = tensor(truth.clip(0, 1))
    return Example(torch.where(mask > 0, 0.05, clean), mask, clean)


def test_candidates_of_large_frames_are_those_found_at_their_own_size() -> None:
    motion = motion_near_holes(fine_example(), ShotMemory(), 216)
    builder, raster = BankBuilder(motion, BankRecipe((1, 2), (2,))), MotionRaster(432, 160, 216)
    pixels, num_near = motion.pixels(3), 0
    pairs = zip(builder.build_near(3), build_large(builder, 3, raster), strict=True)
    for (region, near), bank in pairs:
        assert near.kinds.tolist() == bank.seen.kinds.tolist() and near.lent.tolist() == bank.seen.lent.tolist()
        rows, columns = region.box
        at = pixels.ys[bank.at.which] - rows.start, pixels.xs[bank.at.which] - columns.start
        valid, pictures = near.valid[:, *at], near.pictures[:, *at]
        assert (valid == bank.valid).mean() > 0.98
        both = valid & bank.valid
        assert np.abs(pictures - bank.copied)[both].mean() < 0.003
        assert not bank.copied[~bank.valid].any()
        num_near += len(bank.at.which)
    assert num_near == len(pixels)


def test_large_frames_are_copied_at_their_own_size() -> None:
    example, keep = fine_example(), range(3, 4)
    result = CandidateFusion(flow_offsets=(1, 2), camera_offsets=(2,), motion_rows=216).eval()
    restored = result.restore(example, keep, ["prior", "telea"])
    assert example.target is not None

    def psnr(picture: Tensor) -> float:
        return float(-10 * torch.log10((picture - example.target[3])[..., 70:78].square().mean()))

    half = torch.nn.functional.avg_pool2d(example.target[3:4], 2)
    best_on_half = psnr(torch.nn.functional.interpolate(half, scale_factor=2.0, mode="bilinear")[0])
    assert psnr(restored["prior"].frames[0]) > max(best_on_half, psnr(restored["telea"].frames[0])) + 4


def chosen_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The frames whose holes mini-models fill, noted as they do."""
    asked: list[int] = []
    choose = CandidateFusion._choose

    def noting(self: CandidateFusion, builder: BankBuilder, frame: int, *rest: Any) -> Any:
        asked.append(frame)
        return choose(self, builder, frame, *rest)

    monkeypatch.setattr(CandidateFusion, "_choose", noting)
    return asked


def part(example: Example, first: int, last: int) -> Example:
    return Example(example.input[first:last], example.mask[first:last])


def test_of_large_frames_windows_choose_once_for_those_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = wired_example(), waken(small_model(plate_px_at_1080=0.0)).eval()
    monkeypatch.setattr(chosen_once, "network_factor", lambda height: FACTOR)
    asked = chosen_frames(monkeypatch)
    first = model.restore(example, range(1, 4), ["trained"])["trained"].frames
    second = model.restore(example, range(3, 6), ["trained"])["trained"].frames
    assert asked == [1, 2, 3, 4, 5]
    # With nothing to blend along the flow, it is the same to the last bit; and what it would have been alone.
    again = model.restore(example, range(3, 4), ["trained"])["trained"].frames
    assert asked == [1, 2, 3, 4, 5]
    alone = waken(small_model(plate_px_at_1080=0.0)).eval().restore(example, range(3, 4), ["trained"])["trained"].frames
    assert torch.equal(again, alone)
    assert first.shape == second.shape


def test_other_weights_other_methods_and_other_neighbours_choose_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = wired_example(), waken(small_model()).eval()
    monkeypatch.setattr(chosen_once, "network_factor", lambda height: FACTOR)
    asked = chosen_frames(monkeypatch)
    model.restore(example, range(3, 4), ["trained"])
    model.restore(example, range(3, 4), ["prior"])
    model.log_temperature.data += 0.1
    model.restore(example, range(3, 4), ["trained"])
    model.restore(part(example, 0, 5), range(3, 4), ["trained"])
    assert asked == [3, 3, 3, 3]


def test_of_frames_that_networks_see_as_they_are_each_window_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    example, model = wired_example(), waken(small_model()).eval()
    asked = chosen_frames(monkeypatch)
    for _ in range(2):
        model.restore(example, range(3, 4), ["trained"])
    assert asked == [3, 3]
