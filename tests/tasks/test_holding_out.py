"""Held-out pixels show what stands under the mask, for who looks at the plate; on smaller pictures too."""

from __future__ import annotations

from dataclasses import replace

import torch

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.tasks.holding_out import TryingOut, hide_elsewhere

HEIGHT, WIDTH = 108, 192


def test_what_is_lent_lines_up_on_smaller_pictures_as_it_did() -> None:
    shift = torch.eye(3, dtype=torch.float64)
    shift[:2, 2] = torch.tensor([12.0, -6.0])
    lent = torch.zeros(1, 3, HEIGHT, WIDTH)
    # A bright square of the lent frame, and where a frame of the window shows it.
    lent[..., 30:40, 60:80] = 1.0
    unknown = torch.full((3, 3), torch.nan, dtype=torch.float64)
    told = {
        "lent_frames": lent,
        "lent_homographies": torch.stack((shift, unknown))[:, None],
        "lent_places": torch.tensor([[0, 7]]),
    }
    small = TryingOut(long_side_px=WIDTH // 2).condition(told, HEIGHT, WIDTH)
    assert small["lent_frames"].shape == (1, 3, HEIGHT // 2, WIDTH // 2)
    assert small["lent_frames"][0, 0, 15:20, 30:40].min() == 1.0
    matrix = small["lent_homographies"][0, 0]
    corner = matrix @ torch.tensor([24.0, 18.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(corner / corner[2], torch.tensor([30.0, 15.0, 1.0], dtype=torch.float64))
    assert small["lent_homographies"][1].isnan().all(), "what is not shown is not shown on less either"
    assert torch.equal(small["lent_places"], told["lent_places"])


def test_footage_that_frames_are_made_of_becomes_as_small() -> None:
    told = {"sources": torch.rand(5, 3, HEIGHT, WIDTH), "times": torch.arange(3.0)}
    small = TryingOut(long_side_px=WIDTH // 2).condition(told, HEIGHT, WIDTH)
    assert small["sources"].shape == (5, 3, HEIGHT // 2, WIDTH // 2) and small["times"] is told["times"]
    torch.testing.assert_close(small["sources"][0, 0, 0, 0], told["sources"][0, 0, :2, :2].mean())


def test_pictures_that_are_no_larger_stay() -> None:
    told = {"lent_frames": torch.zeros(1, 3, HEIGHT, WIDTH)}
    assert TryingOut(long_side_px=WIDTH).size_of(HEIGHT, WIDTH) == (HEIGHT, WIDTH)
    assert TryingOut(long_side_px=WIDTH).condition(told, HEIGHT, WIDTH)["lent_frames"] is told["lent_frames"]
    assert TryingOut(long_side_px=96).size_of(54, 97) == (53, 96)


def request_with(width: int) -> Example:
    """A quiet wall with an upright bar of ``width`` pixels that is masked to its very edge."""
    frames = torch.full((4, 3, 60, 80), 0.5)
    mask = torch.zeros(4, 1, 60, 80)
    frames[..., 30 : 30 + width] = 0.9
    mask[..., 30 : 30 + width] = 1.0
    return Example(frames, mask)


def test_what_is_masked_comes_along_but_for_the_edge() -> None:
    request = request_with(8)
    held_out = hide_elsewhere(request, range(1, 3), generator_from(0), (0.2, 0.3))
    assert held_out is not None and held_out.target is not None
    assert torch.equal(held_out.target, request.input)
    hidden = held_out.condition["judged"] > 0
    # It is bridged at 8 bits.
    shown = ((held_out.input - 0.9).abs() < 0.003).all(1, keepdim=True) & hidden
    clean = (held_out.input == 0.5).all(1, keepdim=True) & hidden
    assert (shown | clean)[hidden].all()
    assert 0.6 < float(shown.sum() / hidden.sum()) < 0.9
    beyond = (held_out.mask == 0).expand_as(held_out.input)
    assert torch.equal(held_out.input[beyond], request.input[beyond])
    assert torch.equal(request.input, request_with(8).input), "what was given is not written into"


def test_of_a_stroke_without_an_inside_all_comes_along() -> None:
    held_out = hide_elsewhere(request_with(2), range(1, 3), generator_from(0), (0.2, 0.3))
    assert held_out is not None
    hidden = (held_out.condition["judged"] > 0).expand_as(held_out.input)
    assert hidden.any() and ((held_out.input[hidden] - 0.9).abs() < 0.003).all()


def test_what_comes_along_stands_before_what_is_there() -> None:
    """A dark wire on a wall of two colours stays a dark wire: none of the wall beside it comes along."""
    request = request_with(4)
    wall = torch.where(torch.arange(80) < 40, 0.7, 0.3).expand(4, 3, 60, 80)
    wire = torch.zeros(4, 1, 60, 80)
    wire[..., 31:33] = 1.0
    request = replace(request, input=wall - 0.2 * wire)
    held_out = hide_elsewhere(request, range(1, 3), generator_from(0), (0.2, 0.3))
    assert held_out is not None and held_out.target is not None
    hidden = (held_out.condition["judged"] > 0).expand_as(held_out.input)
    off = (held_out.input - held_out.target)[hidden]
    assert ((off.abs() < 0.007) | ((off + 0.2).abs() < 0.007)).all() and (off < -0.19).any() and (off > -0.01).any()
    assert (held_out.target[hidden] == 0.3).any(), "it stands before the other colour"


def test_a_clean_margin_stays_clean_before_texture() -> None:
    """No bridge shows the texture in a mask's margin: that is no thing, and does not come along."""
    wall = 0.5 + 0.1 * torch.randn(4, 3, 60, 80, generator=generator_from("texture"))
    mask, wire = torch.zeros(2, 4, 1, 60, 80)
    mask[..., 30:42] = 1.0
    wire[..., 34:38] = 1.0
    request = Example(torch.where(wire > 0, 1.0, wall), mask)
    held_out = hide_elsewhere(request, range(1, 3), generator_from(0), (0.25, 0.3))
    assert held_out is not None and held_out.target is not None
    hidden = held_out.condition["judged"] > 0
    off = (held_out.input - held_out.target).abs().mean(1, keepdim=True)[hidden]
    whole = float(wire[mask > 0].mean())
    assert abs(float((off > 0.25).float().mean()) - whole) < 0.1, "the wire comes along"
    assert float((off < 0.05).float().mean()) > 0.8 * (1.0 - whole), "and its margin is clean"
