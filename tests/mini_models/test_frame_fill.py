"""Whole frames made up: better than mixing, unsure where nothing is known, blurred by an open shutter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from productions import panning_shot
from thrown_ball import RADIUS, ball_at, place, thrown
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.mini_models.frame_fill import FrameFill, of_one_side


def shot(num_frames: int = 8) -> Tensor:
    frames = panning_shot(5, num_frames, speed_px=(3.5, 0.5))
    return torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())


def gap(frames: Tensor, first: int, end: int) -> Example:
    mask = torch.zeros_like(frames[:, :1])
    mask[first:end] = 1
    return Example(torch.where(mask > 0, 0.3, frames), mask, frames)


def psnr(one: Tensor, other: Tensor) -> float:
    return float(-10 * torch.log10((one - other).square().mean()))


def detail(frames: Tensor) -> float:
    return float((frames[..., 1:] - frames[..., :-1]).abs().mean())


def test_motion_beats_mixing_and_holding() -> None:
    frames = shot()
    restored = FrameFill().restore(gap(frames, 3, 5), range(3, 5))
    found = {name: psnr(result.frames, frames[3:5]) for name, result in restored.items()}
    assert found["prior"] > found["blend"] + 3 and found["prior"] > found["hold"] + 3
    assert found["prior"] >= found["dis_interpolation"] - 0.1
    assert torch.equal(restored["prior"].frames, restored["trained"].frames), "untrained, it is its prior"


def test_copied_pixels_are_sharp_where_motion_is_found_on_smaller_frames() -> None:
    frames = shot()
    example = gap(frames, 3, 5)
    smaller = FrameFill(motion_rows=32).restore(example, range(3, 5), ["prior", "trained"])
    assert torch.equal(smaller["prior"].frames, smaller["trained"].frames), "untrained, it is its prior"
    whole = FrameFill().restore(example, range(3, 5), ["prior"])["prior"]
    assert detail(smaller["prior"].frames) > 0.9 * detail(whole.frames)
    assert psnr(smaller["prior"].frames, frames[3:5]) > 32


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_codes_are_restored_as_their_values_are(dtype: torch.dtype) -> None:
    top = torch.iinfo(dtype).max
    codes = (gap(shot(), 3, 5).input * top).round().to(torch.int32)
    values, mask = codes.to(torch.float32) / top, gap(shot(), 3, 5).mask
    coded = FrameFill().restore(Example(codes.to(dtype), mask > 0), range(2, 6), ["prior", "hold"])
    plain = FrameFill().restore(Example(values, mask), range(2, 6), ["prior", "hold"])
    for name in ("prior", "hold"):
        assert torch.equal(coded[name].frames, plain[name].frames)
        assert torch.equal(coded[name].confidence, plain[name].confidence)


def test_sides_that_disagree_are_mixed_by_their_nearness() -> None:
    frames = torch.full((7, 3, 64, 96), 0.4)
    frames[4:] = 0.6
    (result,) = FrameFill().restore(gap(frames, 2, 4), range(2, 4), ["prior"]).values()
    means = result.frames.mean((1, 2, 3))
    assert torch.allclose(means, torch.tensor([0.4 + 0.2 / 3, 0.4 + 0.4 / 3]), atol=0.005)


def test_frames_that_no_moment_needs_are_not_looked_at() -> None:
    frames = shot(12)
    example = gap(frames, 5, 6)
    spoilt = gap(frames, 5, 6)
    spoilt.input[[0, 1, 2, 8, 9, 10, 11]] = float("nan")
    for one, other in zip(
        *(FrameFill().restore(e, range(5, 6), ["prior"]).values() for e in (example, spoilt)), strict=True
    ):
        assert torch.equal(one.frames, other.frames)


def test_a_gap_at_the_end_is_held_and_unsure() -> None:
    frames = shot()
    (result,) = FrameFill().restore(gap(frames, 6, 8), range(7, 8), ["trained"]).values()
    assert torch.equal(result.frames[0], frames[5]) and result.confidence.max() == 0


def test_moments_between_frames_come_from_the_sources_and_a_shutter_blurs() -> None:
    frames = shot()
    times = torch.tensor([2.0, 2.5])
    for opened in (0.0, 2.0):
        condition = {
            "sources": frames,
            "source_times": torch.arange(8, dtype=torch.float64),
            "times": times,
            "shutter": torch.full((2,), opened),
        }
        request = Example(torch.zeros(2, *frames.shape[1:]), torch.ones(2, 1, *frames.shape[2:]), condition=condition)
        (result,) = FrameFill(shutter_moments=4).restore(request, range(2), ["trained"]).values()
        if opened:
            assert detail(result.frames[0]) < 0.8 * detail(frames[2])
        else:
            assert torch.equal(result.frames[0], frames[2])
            assert psnr(result.frames[1], 0.5 * (frames[2] + frames[3])) < 35, "no mixture"


@pytest.mark.parametrize("wrong", [{"crop_px": 20}, {"residual_widths": [4]}, {"shutter_moments": 1}])
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"frame_fill|mini_model"):
        FrameFill(**wrong)  # type: ignore[arg-type]


def test_what_mixes_both_sides_is_measured_and_never_chosen() -> None:
    assert FrameFill.only_compared == {"blend", "dis_interpolation"} < set(FrameFill().methods)


def sides_that_disagree(num_missing: int) -> Example:
    """A disc that is elsewhere after the gap, and that nothing leads to."""
    frames = torch.full((num_missing + 4, 3, 96, 160), 0.4) + 0.01 * torch.randn(1, 3, 96, 160)
    ys, xs = torch.meshgrid(torch.arange(96), torch.arange(160), indexing="ij")
    for column, part in ((40, slice(0, 2)), (120, slice(num_missing + 2, None))):
        frames[part, :, (xs - column) ** 2 + (ys - 48) ** 2 < 14**2] = 0.9
    return gap(frames, 2, num_missing + 2)


@pytest.mark.parametrize("method", ["prior", "trained"])
def test_in_a_long_gap_one_side_is_seen_and_not_both(method: str) -> None:
    torch.manual_seed(0)
    example = sides_that_disagree(8)
    result = FrameFill().restore(example, range(2, 10), [method])[method]
    for frame, (is_there, is_not) in enumerate([((40, 120), (120, 40))[number > 3] for number in range(8)]):
        assert float(result.frames[frame, :, 48, is_there].mean()) > 0.85, frame
        assert float(result.frames[frame, :, 48, is_not].mean()) < 0.45, frame
    assert float(result.confidence[3, 0, 48, 40]) < 0.1, "and it is not sure"


def test_in_a_short_gap_both_are_mixed() -> None:
    torch.manual_seed(0)
    middle = FrameFill().restore(sides_that_disagree(1), range(2, 3), ["prior"])["prior"].frames[0]
    for column in (40, 120):
        assert 0.55 < float(middle[:, 48, column].mean()) < 0.75


def test_a_thrown_ball_is_whole_in_every_frame_and_nowhere_else() -> None:
    frames = torch.from_numpy(thrown().transpose(0, 3, 1, 2).copy())
    restored = FrameFill().restore(gap(frames, 5, 12), range(5, 12), ["prior"])["prior"].frames
    for number in range(5, 12):
        wrong = (restored[number - 5] - frames[number]).abs().mean(0)
        for time in (4, number, 12):
            core = torch.from_numpy(ball_at(*place(time), radius=RADIUS - 3))
            assert float(wrong[core].mean()) < 0.05, (number, time)


def test_shares_are_turned_where_two_pictures_show_and_nowhere_else() -> None:
    draw = np.random.default_rng(0)
    candidates = np.full((4, 64, 96, 3), 0.5, np.float32) + 0.05 * draw.standard_normal((4, 64, 96, 3), np.float32)
    candidates[1::2, 20:30, 20:30] += 0.4
    shares = np.full((4, 64, 96), 0.25, np.float32)
    turned = of_one_side(shares, candidates, 0.3, 9.0)
    assert np.allclose(turned.sum(0), 1, atol=1e-5)
    assert turned[0::2, 22:28, 22:28].sum(0).min() > 0.95
    assert turned[0::2, 22:28, 31].sum(0).min() > 0.9, "what is beside it goes with it"
    assert np.allclose(turned[:, :, 60:], 0.25, atol=1e-3), "grain is not two pictures"
    assert of_one_side(shares, candidates, 0.7, 9.0)[1::2, 22:28, 22:28].sum(0).min() > 0.95
    assert np.array_equal(of_one_side(shares, candidates, 0.3, 3.0), shares)
