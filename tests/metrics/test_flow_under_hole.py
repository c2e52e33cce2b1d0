"""Motion behind a thing to remove: what it was made to give, and what it does for the warping error."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpositive.metrics.flow_under_hole import MARGIN_PX, flow_under_hole
from interpositive.metrics.warp_error import WarpError


def _hole(height: int, width: int) -> torch.Tensor:
    hole = torch.zeros(1, 1, height, width, dtype=torch.bool)
    hole[..., 20:26, :] = True
    return hole


@pytest.mark.parametrize("size", [(48, 64), (51, 63)])
def test_a_common_motion_is_found_again(size: tuple[int, int]) -> None:
    hole = _hole(*size)
    truth = torch.tensor([3.0, -1.5]).view(1, 2, 1, 1).expand(1, 2, *size)
    disturbed = torch.where(hole, torch.tensor(9.0), truth)
    torch.testing.assert_close(flow_under_hole(disturbed, hole), truth.contiguous())


def test_a_sloping_motion_is_near_and_the_rest_untouched() -> None:
    hole = _hole(48, 64)
    rows = torch.linspace(-2, 2, 48).view(1, 1, 48, 1)
    truth = rows.expand(1, 2, 48, 64)
    filled = flow_under_hole(torch.where(hole, torch.tensor(9.0), truth), hole)
    assert float((filled - truth).abs().max()) < 0.6
    outside = torch.ones(48, dtype=torch.bool)
    outside[20 - MARGIN_PX : 26 + MARGIN_PX] = False
    assert torch.equal(filled[:, :, outside], truth[:, :, outside])


def test_a_hole_that_leaves_nothing_changes_nothing() -> None:
    flow = torch.rand(1, 2, 16, 16)
    assert torch.equal(flow_under_hole(flow, torch.ones(1, 1, 16, 16, dtype=torch.bool)), flow)


def test_a_perfect_repair_is_steady_under_the_plates_motion() -> None:
    """A rig that stands still before a pan: its own flow would call the true background a flicker."""
    noise = np.random.default_rng(0).standard_normal((96, 152, 3))
    smooth = gaussian_filter(noise, (2.0, 2.0, 0.0))
    wide = torch.from_numpy((0.5 + 0.15 * smooth / smooth.std()).clip(0, 1)).permute(2, 0, 1).float()
    reference = torch.stack([wide[..., 3 * t : 3 * t + 128] for t in range(6)])
    mask = torch.zeros(6, 1, 96, 128)
    mask[:, :, 36:60, 40:90] = 1.0
    plate = reference.clone()
    plate[:, :, 40:56, 44:86] = wide[:, 5:21, 7:49]
    boiling = reference + 0.05 * torch.randn(reference.shape, generator=torch.Generator().manual_seed(1))
    boiling = torch.where(mask > 0, boiling.clamp(0, 1), plate)

    under_rig = float(WarpError()(reference, plate, mask=mask)["e_warp_dis_hole"])
    filled, worse = (
        float(WarpError()(result, plate=plate, mask=mask)["e_warp_dis_hole"]) for result in (reference, boiling)
    )
    assert filled < 0.1 * under_rig
    assert worse > 2 * filled
