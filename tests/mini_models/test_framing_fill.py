"""Beyond the border: what a pan reveals comes back, and what it never shows is unsure."""

from __future__ import annotations

import torch
from productions import panning_shot

from interpositive.functional.examples import Example
from interpositive.mini_models.framing_fill import FramingFill


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


def test_bands_of_a_tall_raster_meet_without_a_seam() -> None:
    frames = torch.from_numpy(panning_shot(6, 4, 560, 96, (2.0, 0.0), actor=False).transpose(0, 3, 1, 2).copy())
    mask = torch.zeros_like(frames[:, :1])
    mask[..., :16] = 1
    model = FramingFill(offsets=(1, 2))
    torch.manual_seed(0)
    with torch.no_grad():
        model.fusion.scorer.last.weight.normal_(0, 0.1)
        model.fusion.residual.last.weight.normal_(0, 0.01)
    motion_bank = {}

    def seen(bank: dict[str, torch.Tensor]) -> object:
        motion_bank.update(bank)
        return original(bank)

    original = model._fused
    model._fused = seen  # type: ignore[method-assign,assignment]
    (result,) = model.restore(Example(frames * (1 - mask), mask), range(1, 2), ["trained"]).values()
    with torch.no_grad():
        whole = model.fusion({name: value[None] for name, value in motion_bank.items()}).final[0].clamp(0, 1)
    assert (result.frames[0] - whole)[..., :16].abs().max() < 1e-4
