"""Untouched pixels: exact, on codes and on floats."""

import numpy as np
import pytest
import torch

from interpositive.errors import MaskError, MediaError
from interpositive.metrics.untouched import UntouchedChanged, changed_outside


def _plate(dtype: torch.dtype) -> torch.Tensor:
    codes = np.random.default_rng(0).integers(0, 250, (3, 3, 8, 10))
    return torch.from_numpy(codes).to(dtype)


def _count(result: torch.Tensor, plate: torch.Tensor, mask: torch.Tensor) -> int:
    return int(UntouchedChanged()(result, plate=plate, mask=mask)["untouched_changed"])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int32, torch.float32])
def test_counts_pixels_not_channels_and_only_outside(dtype: torch.dtype) -> None:
    plate = _plate(dtype)
    mask = torch.zeros(3, 1, 8, 10)
    mask[:, :, 2:5, 2:5] = 1.0
    codes = plate.to(torch.int64)
    codes[0, :, 0, 0] += 1  # one pixel, three channels
    codes[1, 2, 7, 9] += 1
    codes[2, :, 3, 3] += 5  # inside
    changed = changed_outside(codes.to(dtype), plate, mask)
    assert changed.nonzero().tolist() == [[0, 0, 0], [1, 7, 9]]


def test_smallest_float_step_is_seen() -> None:
    plate = torch.full((1, 3, 4, 4), 0.5)
    result = plate.clone()
    result[0, 1, 2, 2] = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    assert _count(result, plate, torch.zeros(1, 1, 4, 4)) == 1


def test_soft_edge_may_change() -> None:
    plate, mask = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    mask[..., 0] = 0.01
    result = plate.clone()
    result[..., 0] = 0.3
    assert _count(result, plate, mask) == 0
    result[..., 1] = 0.3
    assert _count(result, plate, mask) == 4


def test_windows_add_up() -> None:
    plate = _plate(torch.uint8) / 255
    result = plate + 0.01 * (torch.rand(plate.shape, generator=torch.Generator().manual_seed(1)) > 0.9)
    mask = torch.zeros(3, 1, 8, 10)
    meter = UntouchedChanged()
    meter.update(result[:1], plate=plate[:1], mask=mask[:1])
    meter.update(result[1:], plate=plate[1:], mask=mask[1:])
    assert int(meter.compute()["untouched_changed"]) == int((result != plate).any(1).sum()) > 0


def test_bad_input_is_named() -> None:
    plate, mask = _plate(torch.uint8), torch.zeros(3, 1, 8, 10)
    with pytest.raises(MediaError, match=r"(?s)torch.uint8.*torch.float32"):
        changed_outside(plate, plate.float(), mask)
    with pytest.raises(MediaError, match="differ in size"):
        changed_outside(plate, plate[:2], mask)
    with pytest.raises(MediaError, match="not empty"):
        changed_outside(plate[:0], plate[:0], mask[:0])
    with pytest.raises(MaskError, match="does not fit"):
        changed_outside(plate, plate, mask[:2])
