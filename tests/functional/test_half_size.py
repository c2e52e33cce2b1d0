"""Planes at half their size."""

from __future__ import annotations

import torch

from interpositive.functional.half_size import half_all, half_any, half_mean


def test_of_two_by_two_pixels_one_is_their_mean_any_or_all_of_them() -> None:
    planes = torch.tensor([[1.0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 1, 1], [9, 9, 9, 9]]).expand(2, 3, 5, 4)
    assert half_mean(planes)[1, 2].tolist() == [[0.25, 1.0], [0.0, 0.75]]
    assert half_any(planes)[0, 0].tolist() == [[1, 1], [0, 1]]
    assert half_all(planes > 0)[0, 1].tolist() == [[False, True], [False, False]]
    assert half_all(planes > 0).dtype == torch.bool and half_mean(planes.half()).dtype == torch.float16
    assert half_any(planes[0, 0]).shape == (2, 2), "planes alone, too"
