"""Means and maxima over squares are what pooling gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from interpositive.functional.boxes import box_max, box_mean


@pytest.mark.parametrize("size_px", [1, 3, 5, 7, 9, 11, 13, 15])
def test_they_are_average_and_max_pooling(size_px: int) -> None:
    planes = torch.randn(2, 3, 21, 17, generator=torch.Generator().manual_seed(size_px))
    pooled = F.avg_pool2d(planes, size_px, stride=1, padding=size_px // 2)
    torch.testing.assert_close(box_mean(planes, size_px), pooled, atol=1e-6, rtol=1e-6)
    assert torch.equal(box_max(planes, size_px), F.max_pool2d(planes, size_px, stride=1, padding=size_px // 2))


def test_where_there_is_nothing_near_the_mean_is_nothing() -> None:
    planes = torch.zeros(1, 1, 30, 30)
    planes[..., :5, :5] = 1e6
    assert (box_mean(planes, 9)[..., 10:, :] == 0).all()


@pytest.mark.parametrize("box", [box_mean, box_max])
def test_a_traced_box_holds_for_other_sizes(box: Callable[[Tensor, int], Tensor]) -> None:
    traced = torch.jit.trace(lambda x: box(x, 13), torch.rand(1, 2, 24, 40))  # type: ignore[no-untyped-call]
    planes = torch.rand(1, 2, 31, 27)
    torch.testing.assert_close(traced(planes), box(planes, 13))
