"""What of a hole's plate is kept: only where the hole is thin, and only what training found to be clean."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from shots import small_model

from interpositive.backbones.plate_judge import NUM_ANSWERS
from interpositive.functional.pixel_list import PixelList
from interpositive.mini_models import kept_plate
from interpositive.mini_models.fusion_export import FusionNode
from interpositive.mini_models.kept_plate import Beside, Kept, KeptPlate, keeping_loss, thickest_px, thin_parts


def drawn_hole(height: int = 80, width: int = 120) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """A wire, a broad thing in the middle, and one that only looks in at the upper edge."""
    canvas = np.zeros((height, width), np.uint8)
    cv2.line(canvas, (5, 0), (30, height - 1), 1, 4)
    cv2.circle(canvas, (70, 40), 12, 1, -1)
    canvas[:4, 90:115] = 1
    return canvas > 0


def test_a_wire_is_thin_and_a_thing_is_not() -> None:
    hole = drawn_hole()
    thin = thin_parts(hole, 9)
    assert thin[:, :45].sum() == hole[:, :45].sum() > 0
    assert not thin[36:45, 66:75].any() and thin[:, 50:88].sum() < 0.25 * hole[:, 50:88].sum()
    assert not thin[:4, 95:110].any(), "what looks in at the edge goes on beyond it"
    assert not (thin & ~hole).any()
    assert not thin_parts(np.ones((20, 30), bool), 9).any()


@pytest.mark.parametrize(("widest_px", "height", "expected"), [(24, 216, 11), (24, 1080, 31), (64, 216, 19)])
def test_how_thick_grows_with_the_raster(widest_px: float, height: int, expected: int) -> None:
    assert thickest_px(widest_px, height) == expected


def test_the_node_finds_the_same_parts_thin() -> None:
    node = FusionNode(small_model(plate_px_at_1080=24.0), 216)
    hole = drawn_hole()
    found = node.thin_parts(torch.from_numpy(hole.astype(np.float32))[None, None])
    assert torch.equal(found[0, 0] > 0, torch.from_numpy(thin_parts(hole, 11)))
    never = FusionNode(small_model(plate_px_at_1080=0.0), 216)
    assert not never.thin_parts(torch.from_numpy(hole.astype(np.float32))[None, None]).any()


def test_where_nothing_is_thin_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, plate, hole = KeptPlate(11).eval(), torch.rand(1, 3, 8, 9), torch.ones(1, 1, 8, 9)
    monkeypatch.setattr(keeper, "judge", None)
    nothing = torch.zeros_like(hole)
    views = plate[:, None], torch.ones(1, 1, 1, 8, 9)
    kept = keeper(plate, nothing, hole, Beside(plate, plate, plate, nothing, nothing, *views))
    assert not kept.share.any() and torch.equal(kept.mended, plate)


def test_what_is_thin_is_judged_near_by_as_it_is_over_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(4)
    whole = torch.from_numpy(drawn_hole(96, 120).astype(np.float32))[None, None]
    thin = whole.clone()
    thin[..., 40:] = thin[..., 60:, :] = 0
    plate, filled, prefill = (torch.rand(1, 3, 96, 120, generator=random) for _ in range(3))
    plate[..., 65:, :40] += 2.0  # as far from what is thin as its measures see
    views = torch.rand(1, 2, 3, 96, 120, generator=random), torch.ones(1, 2, 1, 96, 120)
    beside = Beside(plate, prefill, filled, 0.1 * whole, 0.5 * whole, *views)
    keeper = KeptPlate(11).eval()
    with torch.no_grad():
        for each in keeper.judge.parameters():
            each.copy_(torch.randn(each.shape, generator=random) * 0.1)
        near = keeper(plate, thin, whole, beside)
        monkeypatch.setattr(kept_plate, "SEEN_PX", 60)
        everything = PixelList.where(torch.ones_like(whole))
        monkeypatch.setattr(kept_plate, "pixels_seen", lambda area: [everything] * 4 + [PixelList.where(area)])
        further = keeper(plate, thin, whole, beside)
        everywhere = keeper.train()(plate, thin, whole, beside)
    assert near.share.any() and (near.logit * thin).std() > 1.0
    for one, other in zip(near, further, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(near.logit * thin, everywhere.logit * thin, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(near.mended * thin, everywhere.mended * thin, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(near.mended * (1 - thin), plate * (1 - thin), msg="the plate, where nobody asks")
    goes_on = near.share < everywhere.share
    assert goes_on.any(), "while it learns the judge answers for lines that go on itself"
    torch.testing.assert_close(near.share[~goes_on], everywhere.share[~goes_on], atol=1e-4, rtol=1e-4)


def test_learning_goes_to_the_nearer_of_plate_and_filling() -> None:
    target = torch.full((1, 3, 1, 2), 0.5)
    plate, filled = target.clone(), target.clone()
    plate[..., 1] = 0.1
    filled[..., 0] = 0.6
    logit = torch.zeros(1, 1, 1, 2, requires_grad=True)
    kept = Kept(torch.tanh(0.5 * logit).clamp(min=0.0), plate, logit)
    final = filled + kept.share * (kept.mended - filled)
    keeping_loss(kept, filled, final, target, torch.ones(1, 1, 1, 2)).backward()
    assert logit.grad is not None
    clean, wire = logit.grad[0, 0, 0].tolist()
    assert clean < 0 < wire
    judged = torch.zeros(1, 1, 1, 2)
    assert float(keeping_loss(kept, filled, final, target, judged).detach()) == 0.0


def test_the_core_of_a_hole_is_never_kept() -> None:
    hole = torch.zeros(1, 1, 24, 40)
    hole[..., 8:15, :] = 1
    plate = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(2))
    one = torch.zeros_like(hole)
    beside = Beside(plate, plate, plate, one, one, plate[:, None], one[:, None])
    keeper = KeptPlate(11)
    with torch.no_grad():
        assert keeper.judge.last.bias is not None
        keeper.judge.last.bias[0] = 10.0
        share = keeper(plate, hole, hole, beside).share[0, 0]
    assert (share[[8, 9, 13, 14]] > 0.9).all(), "its edges are, if they are judged to be clean"
    assert not share[10:13].any()


@pytest.mark.parametrize(("bias", "is_kept"), [(0.36, False), (0.4, True)])
def test_a_pixel_that_is_only_rather_clean_is_not_kept(bias: float, is_kept: bool) -> None:
    hole = torch.zeros(1, 1, 24, 40)
    hole[..., 8:15, :] = 1
    plate = torch.rand(1, 3, 24, 40, generator=torch.Generator().manual_seed(2))
    one = torch.ones_like(hole)
    keeper = KeptPlate(11).eval()
    with torch.no_grad():
        assert keeper.judge.last.bias is not None
        keeper.judge.last.bias[0] = bias
        kept = keeper(plate, hole, hole, Beside(plate, plate, plate, one, one, plate[:, None], one[:, None]))
    edges = kept.logit[0, 0, [8, 14]]
    assert (edges > 2.8).all() and bool((edges > 3.0).all()) == is_kept
    assert bool((kept.share[0, 0, [8, 14]] > 0).all()) == bool(kept.share.any()) == is_kept


@pytest.mark.parametrize(("thickest", "is_kept"), [(19, True), (11, False)])
def test_how_deep_a_core_lies_follows_what_is_looked_at(thickest: int, is_kept: bool) -> None:
    hole = torch.zeros(1, 1, 40, 60)
    hole[..., 12:29, :] = 1
    plate = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(2))
    one = torch.ones_like(hole)
    keeper = KeptPlate(thickest)
    with torch.no_grad():
        assert keeper.judge.last.bias is not None
        keeper.judge.last.bias[0] = 10.0
        beside = Beside(plate, plate, plate, one, one, plate[:, None], one[:, None])
        share = keeper(plate, hole, hole, beside).share[0, 0]
    assert (share[[12, 28]] > 0.9).all() and not share[20].any(), "edges are kept, the middle never"
    assert (share[16] > 0.9).all() == is_kept, "the fifth of 17 rows is no core of a hole that may be so thick"


def test_what_covers_a_hole_evenly_is_taken_out_and_detail_made_stronger() -> None:
    behind = 0.3 + 0.2 * torch.rand(1, 3, 40, 80, generator=torch.Generator().manual_seed(5))
    hole = torch.zeros(1, 1, 40, 80)
    hole[..., 14:25, :] = 1
    plate = torch.where(hole > 0, 2 / 3 * behind + 1 / 3 * 0.9, behind)
    nothing = torch.zeros_like(hole)
    beside = Beside(plate, behind, behind, nothing, nothing, plate[:, None], nothing[:, None])
    keeper = KeptPlate(11)
    with torch.no_grad():
        assert keeper.judge.last.bias is not None
        # Answers are twice these: all of the shade, and half of the detail again.
        keeper.judge.last.bias.copy_(torch.tensor([10.0, 0.0, 0.0, 0.5, 0.25]))
        of_all, of_some = keeper.train()(plate, hole, hole, beside), keeper.eval()(plate, hole, hole, beside)
    for kept in (of_all, of_some):
        apart = (kept.mended - behind)[..., 14:25, 12:-12].abs().max()
        assert apart < 1e-4 < 0.05 < (plate - behind)[..., 14:25, 12:-12].abs().max()


def test_a_wire_that_is_seen_elsewhere_along_its_hole_is_not_kept_as_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = torch.zeros(1, 1, 40, 80)
    hole[..., 14:25, :] = 1
    plate = torch.full((1, 3, 40, 80), 0.4)
    plate[..., 16, :] = 0.8
    sure = torch.full_like(hole, 9.0)
    sure[..., 16, :30] = sure[..., 16, 36:] = -9.0
    keeper, nothing = KeptPlate(11), torch.zeros_like(hole)

    def judged(found: torch.Tensor) -> list[torch.Tensor]:
        assert found.shape[-2:] == hole.shape[-2:], "all, while it learns"
        return [sure, *[nothing] * (NUM_ANSWERS - 1)]

    def judged_at(found: torch.Tensor, pixels: list[PixelList]) -> list[torch.Tensor]:
        assert found.shape[-1] == 27 * 80, "what is thin and 8 pixels around"
        assert [len(each.places) // 80 for each in pixels] == [27, 25, 21, 13, 11], "and each layer what the next needs"
        return [each[hole > 0][None, None] for each in (sure, *[nothing] * (NUM_ANSWERS - 1))]

    monkeypatch.setattr(keeper.judge, "forward", judged)
    monkeypatch.setattr(keeper.judge, "at_pixels", judged_at)
    beside = Beside(plate, plate, plate, nothing, nothing, plate[:, None], nothing[:, None])
    dash = (slice(None), slice(None), 16, slice(30, 36))
    assert keeper.train()(plate, hole, hole, beside).share[dash].min() > 0.9, "while it learns the judge answers for it"
    kept = keeper.eval()(plate, hole, hole, beside).share
    assert not kept[dash].any() and kept[..., 14, 20:60].min() > 0.9
