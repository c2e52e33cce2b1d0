"""The per-frame U-Net: begins as Telea's fill, is blind to time, and learns a repair and a look from a few frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from productions import panning_shot
from shots import tensor, wired_example

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.per_frame_unet import PerFrameUNet
from interpositive.motion.spatial_fill import telea_fill

SMALL = {"widths": (8, 8, 8), "crop_px": 32, "crops_per_frame": 4, "frames_per_window": 2}


def small() -> PerFrameUNet:
    torch.manual_seed(0)
    return PerFrameUNet(**SMALL).eval()


def learned(model: PerFrameUNet, example: Example, steps: int) -> PerFrameUNet:
    prepared = model.prepare(example, generator_from("pairs"))
    batch = Example(
        torch.stack([each.input for each in prepared]),
        torch.stack([each.mask for each in prepared]),
        torch.stack([each.target for each in prepared if each.target is not None]),
        {name: torch.stack([each.condition[name] for each in prepared]) for name in prepared[0].condition},
    )
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(steps):
        loss = torch.stack(list(model.losses(batch, generator_from("step")).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def test_untrained_it_is_teleas_fill() -> None:
    example = wired_example()
    restored = small().restore(example, range(2, 4))
    picture, hole = example.input[3].permute(1, 2, 0).contiguous().numpy(), example.mask[3, 0].numpy() > 0
    filled = torch.from_numpy(telea_fill(picture, hole)).permute(2, 0, 1)
    assert torch.equal(restored["prior"].frames[1], filled)
    assert torch.equal(restored["trained"].frames, restored["prior"].frames)


def test_a_frame_is_repaired_the_same_whatever_is_around_it() -> None:
    example = wired_example()
    model = learned(small(), example, 3)
    alone = Example(example.input[3:4], example.mask[3:4])
    whole = model.restore(example, range(3, 4))["trained"].frames
    assert torch.equal(whole, model.restore(alone, range(1))["trained"].frames)
    assert not torch.equal(whole, model.restore(alone, range(1))["prior"].frames)


def test_it_learns_what_is_always_behind_the_hole() -> None:
    example = wired_example()
    assert example.target is not None
    # A bright bar hangs behind the wire: nothing around the hole tells of it, the frames after do.
    truth = torch.where(example.mask > 0, (example.target + 0.15).clamp(0, 1), example.target)
    lit = replace(example, target=truth)
    restored = learned(small(), lit, 40).restore(lit, range(8))
    errors = [(restored[name].frames - truth).square().mean() for name in ("trained", "prior")]
    assert errors[0] < 0.3 * errors[1], errors


def test_a_frame_masked_all_over_is_corrected_by_what_the_reference_tells() -> None:
    wall = tensor(panning_shot(3, 4, actor=False))
    whole = torch.ones_like(wall[:, :1])
    reference = wall[None, :2].expand(4, 2, *wall.shape[1:])
    darker = Example(0.8 * wall, whole, wall, {"judged": whole, "reference": reference})
    model = learned(small(), darker, 60)
    matched = model.restore(darker, range(4))["trained"].frames
    untold = replace(darker, condition={})
    assert (matched - wall).abs().mean() < 0.4 * (darker.input - wall).abs().mean()
    assert not torch.equal(matched, model.restore(untold, range(4))["trained"].frames)


def test_sizes_that_cannot_be_built_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot build"):
        PerFrameUNet(crop_px=30)
