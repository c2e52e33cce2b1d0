"""Smaller pictures for a try: what other takes lend is brought along."""

from __future__ import annotations

import torch

from interpositive.tasks.holding_out import TryingOut

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


def test_pictures_that_are_no_larger_stay() -> None:
    told = {"lent_frames": torch.zeros(1, 3, HEIGHT, WIDTH)}
    assert TryingOut(long_side_px=WIDTH).size_of(HEIGHT, WIDTH) == (HEIGHT, WIDTH)
    assert TryingOut(long_side_px=WIDTH).condition(told, HEIGHT, WIDTH)["lent_frames"] is told["lent_frames"]
    assert TryingOut(long_side_px=96).size_of(54, 97) == (53, 96)
