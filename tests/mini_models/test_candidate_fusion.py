"""Candidate fusion: what it promises before, while and after it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from shots import LEFT, NUM_FRAMES, RIGHT, SMALL, small_model, waken, wired_example

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.candidate_fusion import CandidateFusion


def batch_of(examples: list[Example]) -> Example:
    """What a loader makes of prepared examples."""
    assert examples and examples[0].target is not None
    return Example(
        torch.stack([e.input for e in examples]),
        torch.stack([e.mask for e in examples]),
        torch.stack([e.target for e in examples if e.target is not None]),
        {name: torch.stack([e.condition[name] for e in examples]) for name in examples[0].condition},
    )


def psnr(frames: torch.Tensor, example: Example, keep: range) -> float:
    assert example.target is not None
    where = (example.mask[keep.start : keep.stop] > 0).expand_as(frames)
    error = (frames - example.target[keep.start : keep.stop]).square()[where].mean()
    return float(-10 * torch.log10(error))


@pytest.fixture(scope="module")
def batch() -> Example:
    model = small_model()
    prepared = [e for seed in (2, 3) for e in model.prepare(wired_example(seed), generator_from(seed))]
    return batch_of(prepared)


def test_at_half_size_it_learns_from_a_quarter_of_the_pixels(batch: Example) -> None:
    model = small_model()
    half = model.half_size(batch)
    assert half.input.shape[-2:] == (batch.input.shape[-2] // 2, batch.input.shape[-1] // 2)
    for name in ("candidates", "error", "valid", "plate", "thin", "judged"):
        assert half.condition[name].shape[-2:] == half.input.shape[-2:], name
        assert half.condition[name].shape[:-2] == batch.condition[name].shape[:-2], name
        assert half.condition[name].dtype == batch.condition[name].dtype, name
    assert torch.equal(half.condition["kinds"], batch.condition["kinds"])
    hole = batch.mask > 0
    assert torch.equal(half.mask[..., 0, 0] > 0, hole[..., :2, :2].flatten(-2).any(-1))
    losses = model.losses(half, generator_from(1))
    assert set(losses) == set(model.losses(batch, generator_from(1)))
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_untrained_it_is_its_prior_to_the_last_bit() -> None:
    model = small_model().eval()
    restored = model.restore(wired_example(), range(1, 6))
    assert torch.equal(restored["trained"].frames, restored["prior"].frames)
    assert torch.equal(restored["trained"].confidence, restored["prior"].confidence)


def test_every_method_restores_every_frame_and_leaves_the_rest_alone() -> None:
    model, example, keep = waken(small_model()).eval(), wired_example(), range(2, 5)
    restored = model.restore(example, keep)
    assert set(restored) == set(model.methods) >= {"telea", "first_valid_flow", "recursive_flow", "prior", "trained"}
    outside = (example.mask[2:5] == 0).expand(3, 3, 64, 96)
    for name, result in restored.items():
        assert result.frames.shape == (3, 3, 64, 96) and result.confidence.shape == (3, 1, 64, 96), name
        assert result.frames.dtype == torch.float32 and result.frames.isfinite().all()
        assert result.frames.min() >= 0 and result.frames.max() <= 1
        assert result.confidence.min() >= 0 and result.confidence.max() <= 1
        assert torch.equal(result.frames[outside], example.input[2:5][outside]), name
        assert not torch.equal(result.frames, example.input[2:5]), name
    assert not torch.equal(restored["trained"].frames, restored["prior"].frames)


def test_aligned_views_beat_each_frame_by_itself() -> None:
    example, keep = wired_example(), range(2, 6)
    restored = small_model().eval().restore(example, keep)
    scores = {name: psnr(result.frames, example, keep) for name, result in restored.items()}
    assert scores["prior"] > 32
    assert scores["prior"] > scores["telea"] + 3
    assert scores["first_valid_flow"] > scores["telea"]
    assert scores["recursive_flow"] > scores["telea"]
    # Nothing but the camera moves: the plate that it brings together is the truth but for interpolation.
    assert scores["temporal_median"] > scores["telea"] + 3
    assert abs(scores["navier_stokes"] - scores["telea"]) < 3


@pytest.mark.parametrize("keep", [range(0, 1), range(NUM_FRAMES - 1, NUM_FRAMES), range(0, NUM_FRAMES)])
def test_windows_at_the_ends_of_a_shot(keep: range) -> None:
    restored = small_model().eval().restore(wired_example(), keep, ["trained", "telea"])
    assert restored["trained"].frames.shape[0] == restored["telea"].frames.shape[0] == len(keep)
    assert psnr(restored["trained"].frames, wired_example(), keep) > 22


def test_a_frame_restored_alone_sees_the_same_neighbours_as_in_company() -> None:
    # Only the blend along time, which needs a neighbour's result, may tell the two apart.
    model, example = small_model().eval(), wired_example()
    alone = model.restore(example, range(4, 5), ["first_valid_flow"])["first_valid_flow"].frames[0]
    company = model.restore(example, range(2, 7), ["first_valid_flow"])["first_valid_flow"].frames[2]
    assert torch.equal(alone, company)


def test_empty_masks_give_the_plate_back() -> None:
    example = wired_example()
    empty = Example(example.input, torch.zeros_like(example.mask))
    for name, result in waken(small_model()).eval().restore(empty, range(0, NUM_FRAMES)).items():
        assert torch.equal(result.frames, example.input), name
        assert (result.confidence == 1).all(), name


def test_only_some_frames_have_a_hole() -> None:
    example = wired_example()
    mask = example.mask.clone()
    mask[[0, 2, 5]] = 0
    partly = replace(example, mask=mask)
    restored = waken(small_model()).eval().restore(partly, range(0, NUM_FRAMES), ["trained", "telea"])
    for result in restored.values():
        assert result.frames.shape[0] == result.confidence.shape[0] == NUM_FRAMES
        for frame in (0, 2, 5):
            assert torch.equal(result.frames[frame], example.input[frame])
            assert (result.confidence[frame] == 1).all()
        assert not torch.equal(result.frames[3], example.input[3])


def test_a_frame_that_is_all_hole_and_odd_rasters_can_be_restored() -> None:
    example = wired_example()
    mask = example.mask[..., :61, :93].clone()
    mask[3] = 1
    odd = Example(example.input[..., :61, :93].contiguous(), mask)
    result = waken(small_model()).eval().restore(odd, range(2, 5), ["trained"])["trained"]
    assert result.frames.shape == (3, 3, 61, 93) and result.frames.isfinite().all()


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown methods"):
        small_model().restore(wired_example(), range(0, 1), ["magic"])


def test_what_is_under_the_mask_reaches_what_has_learned_alone() -> None:
    model = waken(small_model()).eval()
    one, other = (model.restore(wired_example(hidden=value), range(2, 6)) for value in (0.05, 0.95))
    for name in model.methods:
        assert torch.equal(one[name].frames, other[name].frames) == (name != "trained"), name


@pytest.mark.parametrize(("change", "broad"), [({}, True), ({"plate_px_at_1080": 0.0}, False)])
def test_under_a_broad_mask_nothing_is_looked_at_or_if_so_asked(change: dict[str, Any], broad: bool) -> None:
    model, results = waken(small_model(**change)).eval(), []
    for value in (0.05, 0.95):
        example = wired_example(hidden=value)
        if broad:
            example.mask[..., LEFT - 8 : RIGHT + 8] = 1.0
            example.input[..., LEFT - 8 : RIGHT + 8] = value
        results.append(model.restore(example, range(2, 6), ["trained"])["trained"].frames)
    assert torch.equal(*results)


def test_what_is_kept_of_the_plate_is_sure_and_counts_as_seen_and_not_as_lent() -> None:
    model, example = small_model().eval(), wired_example()
    still = replace(example, input=example.input[:1].expand_as(example.input).contiguous())
    with torch.no_grad():
        assert model.keeper.judge.last.bias is not None
        model.keeper.judge.last.bias[0] = 50.0
    restored = model.restore(still, range(0, 2), ["prior", "trained"])
    hole = still.mask[:2] > 0
    assert restored["prior"].seen is not None and restored["trained"].seen is not None
    assert restored["prior"].seen.tolist() == [0, 0]
    kept = hole & (restored["trained"].confidence == 1)
    # All but the core.
    assert (kept.flatten(1).sum(1) > 0.3 * hole.flatten(1).sum(1)).all() and (hole & ~kept).any()
    assert restored["trained"].seen.tolist() == kept.flatten(1).sum(1).tolist()
    assert (restored["prior"].confidence[hole] < 1).all()
    same = (kept | ~hole).expand_as(still.input[:2])
    torch.testing.assert_close(restored["trained"].frames[same], still.input[:2][same], atol=1e-6, rtol=0)


def test_prepare_repeats_itself_for_a_generator() -> None:
    model, example = small_model(), wired_example()
    one, two, other = (batch_of(list(model.prepare(example, generator_from("p", key)))) for key in (1, 1, 2))
    assert one.input.shape[0] == SMALL["frames_per_window"] * SMALL["crops_per_frame"]
    assert torch.equal(one.input, two.input) and torch.equal(one.mask, two.mask)
    assert all(torch.equal(one.condition[name], two.condition[name]) for name in one.condition)
    assert not torch.equal(one.input, other.input)


def test_prepared_examples_show_nothing_of_what_they_hide() -> None:
    model, example = small_model(), wired_example()
    assert example.target is not None
    other_target = torch.where(example.mask > 0, 1 - example.target, example.target)
    other = replace(example, target=other_target, input=torch.where(example.mask > 0, 0.9, example.input))
    one, two = (batch_of(list(model.prepare(e, generator_from(7)))) for e in (example, other))
    assert torch.equal(one.input, two.input) and torch.equal(one.mask, two.mask)
    for name in one.condition:
        assert torch.equal(one.condition[name], two.condition[name]) == (name != "plate"), name
    apart = (one.condition["plate"] != two.condition["plate"]).any(1, keepdim=True)
    assert not apart[one.mask[:, 0] == 0].any()
    assert one.target is not None and two.target is not None
    hidden = (one.mask > 0).expand_as(one.target)
    assert torch.equal(one.target[~hidden], two.target[~hidden]) and not torch.equal(one.target, two.target)


def test_prepared_crops_hold_their_part_of_the_truth(batch: Example) -> None:
    assert batch.target is not None
    assert batch.input.shape == batch.target.shape == (8, 1, 3, 32, 32)
    known = (batch.mask == 0).expand_as(batch.target)
    assert torch.equal(batch.input[known], batch.target[known]), "outside the hole, the input is the truth"
    assert (batch.condition["judged"].sum((1, 2, 3, 4)) > 0).all(), "each crop has something to learn from"
    num = CandidateFusion(**SMALL).recipe.num_candidates
    assert batch.condition["candidates"].shape == (8, num, 3, 32, 32)


def test_known_damage_is_hidden_and_never_judged() -> None:
    example = wired_example()
    damage = torch.zeros_like(example.mask)
    damage[:, :, 20:30, 30:60] = 1
    judged = example.mask * (1 - damage)
    damaged = replace(example, mask=torch.maximum(example.mask, damage), condition={"judged": judged})
    model = small_model()
    batch = batch_of(list(model.prepare(damaged, generator_from(3))))
    assert (batch.mask >= batch.condition["judged"]).all() and (batch.mask > batch.condition["judged"]).any()
    assert batch.target is not None
    spoiled = replace(
        batch, target=torch.where(batch.condition["judged"] > 0, batch.target, torch.rand_like(batch.target))
    )
    one, two = (model.losses(b, generator_from(0)) for b in (batch, spoiled))
    assert torch.equal(one["charbonnier"], two["charbonnier"]) and torch.equal(one["fused_l1"], two["fused_l1"])


def test_a_window_without_damage_prepares_nothing() -> None:
    example = wired_example()
    nothing = torch.zeros_like(example.mask)
    assert (
        list(small_model().prepare(replace(example, mask=nothing, condition={"judged": nothing}), generator_from(0)))
        == []
    )


def test_losses_fall_on_one_batch(batch: Example) -> None:
    model = small_model(scorer_width=8, residual_widths=(8, 8, 8))
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    totals = []
    for _ in range(40):
        losses = model.losses(batch, generator_from("same"))
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert set(losses) == {"charbonnier", "fused_l1", "gradient", "kept"}
    assert totals[-1] < 0.8 * totals[0], (totals[0], totals[-1])


def test_a_gradient_reaches_every_parameter(batch: Example) -> None:
    model = waken(small_model())
    torch.stack(list(model.losses(batch, generator_from(0)).values())).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_losses_repeat_for_a_generator_and_drop_other_candidates_for_another(batch: Example) -> None:
    model = waken(small_model())
    one, two, other = (model.losses(batch, generator_from("drop", key)) for key in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_losses_look_into_the_hole_alone(batch: Example) -> None:
    assert batch.target is not None
    model = waken(small_model())
    outside = batch.condition["judged"] == 0
    far = outside & (torch.nn.functional.max_pool2d(batch.condition["judged"][:, 0], 5, 1, 2)[:, None] == 0)
    other = replace(batch, target=torch.where(far, 0.0, batch.target.float()).half())
    one, two = (model.losses(b, generator_from(0)) for b in (batch, other))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("wrong", [{"residual_widths": (4, 4)}, {"crop_px": 30}, {"residual_widths": (4, 4, 4, 4)}])
def test_sizes_that_cannot_be_built_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="cannot build"):
        small_model(**wrong)


def test_frames_smaller_than_the_crop_are_refused() -> None:
    with pytest.raises(ConfigError, match="smaller than the training crop"):
        small_model(crop_px=72).prepare(wired_example(), generator_from(0))


def test_the_hole_of_the_shot_is_where_the_wire_is() -> None:
    example = wired_example()
    assert example.mask.sum() == NUM_FRAMES * 64 * (RIGHT - LEFT)


@pytest.mark.parametrize("num_frames", [1, 5])
def test_a_hole_that_no_frame_reveals_is_bridged(num_frames: int) -> None:
    """A still camera, a still wire: nothing but the frame's own surroundings can fill it."""
    ramp = torch.linspace(0.2, 0.8, 64).expand(3, 48, 64)
    mask = torch.zeros(num_frames, 1, 48, 64)
    mask[:, :, :, 30:33] = 1.0
    frames = torch.where(mask > 0, torch.zeros(()), ramp.expand(num_frames, 3, 48, 64))
    restored = CandidateFusion().eval().restore(Example(input=frames, mask=mask), range(num_frames))
    for method in ("prior", "trained"):
        assert (restored[method].frames - ramp).abs().max() < 0.02
