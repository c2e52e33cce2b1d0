"""What is measured along a hole: a wire is the same wire before dark ground."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from interpositive.mini_models.along_hole import NUM_ALONG, Along, goes_on, measures_along
from interpositive.mini_models.kept_plate import Kept, keeping_loss

FAR, SHARE, CHANGE_OF_PLATE, CHANGE_OF_FILLING, RELATIVE = 0, 4, 9, 10, 11
"""Places among the measures."""


def ground(height: int = 60, width: int = 80) -> Tensor:
    """Bright, and dark as a wire over six columns of eighteen."""
    picture = torch.full((1, 3, height, width), 0.7)
    picture[..., torch.arange(width) % 18 < 6] = 0.1
    return picture


def level_hole(behind: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A plate with a dark wire of two rows, its mask of eight, and how deep a pixel lies."""
    plate, hole, depth = behind.clone(), torch.zeros_like(behind[:, :1]), torch.zeros_like(behind[:, :1])
    plate[..., 30:32, :] = 0.1
    for inset in range(4):
        hole[..., 27 + inset : 35 - inset, :] = 1
        depth[..., 27 + inset : 35 - inset, :] += 1 / 6
    return plate, hole, depth


def test_before_dark_ground_a_wire_is_known_by_its_other_pixels() -> None:
    behind = ground()
    plate, hole, depth = level_hole(behind)
    found = measures_along(Along.of(hole, depth), plate, behind, behind, 11).measures[0]
    assert found.shape[0] == NUM_ALONG
    wire, margin = (31, 38), (28, 38)
    assert float((plate - behind)[0, :, 31, 38].abs().max()) == 0.0, "the ground is as dark as the wire there"
    assert found[(FAR, *wire)] > 2.0 and found[(FAR, *margin)] == 0.0
    assert found[(RELATIVE, *wire)] > 0.9 and found[(RELATIVE, *margin)] < 0.1
    assert found[(SHARE, 31, 30)] == pytest.approx(1.0, abs=0.01), "before bright ground, all of a pixel is the wire"
    # The wire stays the same where the ground does not; in the margin the plate changes as the ground does.
    assert found[(CHANGE_OF_PLATE, *wire)] < 1e-3 < 1.0 < found[(CHANGE_OF_FILLING, *wire)]
    assert found[(CHANGE_OF_PLATE, *margin)] == pytest.approx(float(found[(CHANGE_OF_FILLING, *margin)]))
    assert not (found * (1 - hole[0])).any()


def test_a_hole_is_followed_whichever_way_it_goes() -> None:
    behind = ground(80, 80)
    plate, hole, depth = level_hole(behind)
    level = measures_along(Along.of(hole, depth), plate, behind, behind, 11)
    upright = measures_along(Along.of(hole.mT, depth.mT), *(each.mT for each in (plate, behind, behind)), 11)
    # Off the ends, where a hole's way is not that of its corners.
    for one, other in zip(level, upright, strict=True):
        assert torch.allclose(one[..., 12:-12], other.mT[..., 12:-12], atol=1e-4)


def test_what_is_even_along_a_hole_is_told_from_what_it_leaves() -> None:
    random = torch.Generator().manual_seed(3)
    behind = 0.3 + 0.2 * torch.rand(1, 3, 60, 80, generator=random)
    plate, hole, depth = level_hole(behind)
    # A soft thing, a third of which is seen, and no pixel of it alone.
    plate[..., 27:35, :] = 2 / 3 * behind[..., 27:35, :] + 1 / 3 * 0.9
    found = measures_along(Along.of(hole, depth), plate, behind, behind, 11)
    mended = (plate - found.shade + 0.5 * found.detail)[..., 29:33, 12:-12]
    truth = behind[..., 29:33, 12:-12]
    assert (mended - truth).abs().max() < 1e-4, "in the mean along it as it is behind, with detail half as strong again"
    assert (plate[..., 29:33, 12:-12] - truth).abs().mean() > 0.1
    assert not (found.shade * (1 - hole)).any() and not (found.detail * (1 - hole)).any()


def test_without_a_hole_nothing_is_measured() -> None:
    behind = ground()
    nothing = torch.zeros_like(behind[:, :1])
    assert not any(each.any() for each in measures_along(Along.of(nothing, nothing), behind, behind, behind, 11))


def test_mending_learns_where_nothing_is_kept_but_not_from_what_nothing_can_mend() -> None:
    target = torch.full((1, 3, 1, 2), 0.5)
    mended = torch.tensor([0.52, 0.95])[None, None, None].expand(1, 3, 1, 2).clone().requires_grad_()
    kept = Kept(torch.zeros(1, 1, 1, 2), mended, torch.full((1, 1, 1, 2), -5.0))
    keeping_loss(kept, target, target, target, torch.ones(1, 1, 1, 2)).backward()
    assert mended.grad is not None
    shaded, covered = mended.grad[0, 0, 0].tolist()
    assert shaded > 100 * covered > 0


def test_a_line_that_is_covered_elsewhere_along_the_hole_goes_on() -> None:
    behind = torch.full((1, 3, 60, 80), 0.5)
    plate, hole, depth = level_hole(behind)
    wire = torch.zeros_like(hole)
    wire[..., 30:32, :] = 1
    seen = wire.clone()
    seen[..., 36:44] = 0
    along = Along.of(hole, depth)
    assert torch.equal(goes_on(seen, plate, along), wire - seen), "the dash goes, and no pixel of the margins"
    assert torch.equal(goes_on(seen, plate, along.only(seen == 0)), wire - seen), "what is covered needs no answer"
    assert not goes_on(seen, behind, along).any(), "where nothing stands out there is no line"
    assert not goes_on(0 * seen, plate, along).any(), "of the picture's own lines nothing is covered"
    assert not goes_on(seen, plate, along.only(hole < 0)).any(), "nothing is asked"
    # Whichever way the hole goes.
    upright = goes_on(seen.mT, plate.mT, Along.of(hole.mT, depth.mT))
    assert torch.equal(upright.mT[..., 12:-12], (wire - seen)[..., 12:-12])


def test_of_a_wide_gap_the_ends_close() -> None:
    behind = torch.full((1, 3, 60, 120), 0.5)
    plate, hole, depth = level_hole(behind)
    seen = torch.zeros_like(hole)
    seen[..., 30:32, :30] = seen[..., 30:32, 90:] = 1
    found = goes_on(seen, plate, Along.of(hole, depth))[0, 0, 30]
    assert found[30:34].all() and found[86:90].all() and not found[45:75].any()
