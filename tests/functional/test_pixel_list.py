"""Pixels in a row: taken out of planes, put back, and what is around each."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from interpositive.functional.pixel_list import PixelList, everything


def some(chance: float, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(2, 1, 7, 9, generator=random) < chance).float()


def test_what_is_taken_out_goes_back_to_where_it_was() -> None:
    planes, area = torch.rand(2, 3, 7, 9), some(0.3, 1)
    pixels = PixelList.where(area)
    taken = pixels(planes)
    assert taken.shape == (1, 3, int(area.sum()))
    assert torch.equal(taken[0].T, planes.permute(0, 2, 3, 1)[area[:, 0] > 0]), "by batch, then rows"
    changed = pixels.put(-taken, planes)
    assert torch.equal(changed, torch.where(area > 0, -planes, planes))
    assert everything(planes) is planes


@pytest.mark.parametrize("step_px", [1, 2, 4])
def test_around_a_pixel_are_nine_of_a_square_that_are_in_the_list(step_px: int) -> None:
    area = some(0.4, 2)
    pixels, few = PixelList.where(area), PixelList.where(area * some(0.5, 3))
    itself = pixels.of(few)
    assert torch.equal(pixels.places[itself], few.places)
    around = pixels.around(few, step_px)
    values = torch.rand(2, 1, 7, 9) * area
    expected = F.unfold(values, 3, padding=step_px, dilation=step_px).unflatten(-1, (7, 9)).permute(0, 2, 3, 1)
    of_pixels = F.pad(pixels(values)[0, 0], (0, 1))
    batch, row, column = few.places // 63, few.places % 63 // 9, few.places % 9
    assert torch.equal(of_pixels[around], expected[batch, row, column]), "of another frame none, beyond the edge none"
