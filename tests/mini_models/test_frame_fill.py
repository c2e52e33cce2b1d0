"""Whole frames made up: better than mixing, unsure where nothing is known, blurred by an open shutter."""

from __future__ import annotations

import pytest
import torch
from productions import panning_shot
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.mini_models.frame_fill import FrameFill


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


def test_a_cross_dissolve_is_measured_and_never_chosen() -> None:
    assert FrameFill.only_compared == {"blend"} and "blend" in FrameFill().methods
