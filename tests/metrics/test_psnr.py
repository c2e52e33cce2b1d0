"""PSNR against scikit-image and closed forms."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from interpositive.errors import MaskError, MediaError
from interpositive.metrics.psnr import CEILING_DB, Psnr, psnr_db


def _noisy(seed: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(*shape, generator=generator)
    return (reference + 0.05 * torch.randn(*shape, generator=generator)).clamp(0, 1), reference


def _decibels(result: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor) -> float:
    return float(Psnr()(result, reference, mask=mask)["psnr_hole"])


def test_one_code_is_48_decibels() -> None:
    reference = torch.full((3, 3, 16, 20), 0.25, dtype=torch.float64)
    assert float(Psnr()(reference + 1 / 255, reference)["psnr"]) == pytest.approx(48.1308, abs=1e-4)


def test_agrees_with_scikit_image() -> None:
    result, reference = _noisy(0, 4, 3, 24, 32)
    expected = peak_signal_noise_ratio(reference.double().numpy(), result.double().numpy(), data_range=1.0)
    assert float(Psnr()(result, reference)["psnr"]) == pytest.approx(expected, abs=1e-4)


def test_hole_pools_the_error_of_its_pixels() -> None:
    result, reference = _noisy(1, 5, 3, 24, 32)
    mask = torch.zeros(5, 1, 24, 32)
    mask[0, 0, :4, :4] = 1.0
    mask[3, 0, 10:, 7:] = 0.51
    chosen = np.broadcast_to(mask.numpy() > 0.5, result.shape)
    error = ((result.double() - reference.double()).numpy()[chosen] ** 2).mean()
    pooled = float(Psnr()(result, reference, mask=mask)["psnr_hole"])
    assert pooled == pytest.approx(-10 * np.log10(error), abs=1e-4)
    by_frame = [_decibels(result[[t]], reference[[t]], mask[[t]]) for t in (0, 3)]
    assert pooled < sum(by_frame) / 2 - 1e-3


def test_pixels_outside_the_hole_do_not_count() -> None:
    _, reference = _noisy(2, 1, 3, 16, 16)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1.0
    result = torch.where(mask > 0, reference + 0.1, torch.rand(1, 3, 16, 16))
    assert float(Psnr()(result, reference, mask=mask)["psnr_hole"]) == pytest.approx(20.0, abs=1e-3)


def test_equal_pictures_reach_the_ceiling_and_no_visible_change_does() -> None:
    reference = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    assert float(Psnr()(reference, reference)["psnr"]) == CEILING_DB
    one_code_in_a_hundred_4k_frames = psnr_db((1 / 255) ** 2, 100.0 * 3 * 4096 * 2160)
    assert 140 < one_code_in_a_hundred_4k_frames < CEILING_DB
    assert float(Psnr(ceiling_db=99.0)(reference, reference)["psnr"]) == 99.0


def test_worse_results_measure_worse() -> None:
    _, reference = _noisy(3, 2, 3, 16, 16)
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(4))
    decibels = [float(Psnr()(reference + sigma * noise * 0.02, reference)["psnr"]) for sigma in (1, 2, 4)]
    assert decibels[0] > decibels[1] > decibels[2]


def test_empty_mask_is_not_defined() -> None:
    result, reference = _noisy(5, 2, 3, 16, 16)
    assert math.isnan(float(Psnr()(result, reference, mask=torch.zeros(2, 1, 16, 16))["psnr_hole"]))


def test_windows_equal_the_whole() -> None:
    result, reference = _noisy(6, 7, 3, 16, 16)
    mask = (torch.rand(7, 1, 16, 16, generator=torch.Generator().manual_seed(7)) > 0.6).float()
    streamed = Psnr()
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        streamed.update(result[start:stop], reference[start:stop], mask=mask[start:stop])
    assert float(streamed.compute()["psnr_hole"]) == pytest.approx(
        float(Psnr()(result, reference, mask=mask)["psnr_hole"]), abs=1e-9
    )


def test_frames_average_their_decibels_and_shots_theirs() -> None:
    result, reference = _noisy(8, 4, 3, 16, 16)
    result[0] = reference[0]
    by_frame = [float(Psnr()(result[[t]], reference[[t]])["psnr"]) for t in range(4)]
    meter = Psnr()
    meter.update(result, reference)
    assert meter.curves["psnr"] == pytest.approx(by_frame)
    assert float(meter.compute()["psnr_frames"]) == pytest.approx(sum(by_frame) / 4)
    first = float(meter.compute()["psnr"])
    meter.end_shot()
    meter.update(result[1:], reference[1:])
    second = float(Psnr()(result[1:], reference[1:])["psnr"])
    assert float(meter.compute()["psnr"]) == pytest.approx((first + second) / 2)


def test_bad_input_is_named() -> None:
    result, reference = _noisy(9, 2, 3, 16, 16)
    with pytest.raises(MediaError, match=r"(?s)differ in size.*\(2, 3, 16, 16\).*\(2, 3, 16, 15\)"):
        Psnr().update(result, reference[..., :15])
    with pytest.raises(MediaError, match=r"(?s)result is not in \[0, 1\].*values from .* to 2"):
        Psnr().update(result * 255, reference)
    with pytest.raises(MediaError, match="not in"):
        Psnr().update(torch.full_like(result, float("nan")), reference)
    with pytest.raises(MediaError, match="empty"):
        Psnr().update(result[:0], reference[:0])
    with pytest.raises(MediaError, match="dimensions"):
        Psnr().update(result[0], reference[0])
    with pytest.raises(MediaError, match="floating point"):
        Psnr().update((result * 255).byte(), reference)
    with pytest.raises(MaskError, match=r"(?s)does not fit.*\(2, 3, 16, 16\)"):
        Psnr().update(result, reference, mask=torch.ones(2, 3, 16, 16))
    with pytest.raises(MaskError, match="from 0 to 255"):
        Psnr().update(result, reference, mask=torch.arange(2.0)[:, None, None, None].expand(2, 1, 16, 16) * 255)
    with pytest.raises(MediaError, match="psnr cannot be measured without a reference"):
        Psnr().update(result)
