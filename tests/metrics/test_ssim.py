"""SSIM against scikit-image and closed forms."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from interpositive.errors import MediaError
from interpositive.metrics.ssim import Ssim, ssim_map


def _frames(seed: int, num: int = 2, height: int = 30, width: int = 41) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0, 1, width).expand(num, 3, height, width)
    reference = (0.6 * ramp + 0.3 * torch.rand(num, 3, height, width, generator=generator)).double()
    return (reference + 0.1 * torch.rand(num, 3, height, width, generator=generator)).clamp(0, 1), reference


def _oracle(result: np.ndarray, reference: np.ndarray) -> tuple[float, np.ndarray]:
    mean, similar = structural_similarity(
        result,
        reference,
        data_range=1.0,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(mean), similar.mean(0)


def test_map_is_that_of_scikit_image_up_to_the_border() -> None:
    result, reference = _frames(0)
    for frame in range(2):
        _, expected = _oracle(result[frame].numpy(), reference[frame].numpy())
        np.testing.assert_allclose(ssim_map(result[frame], reference[frame]).numpy(), expected, atol=1e-9)


def test_mean_is_that_of_scikit_image() -> None:
    result, reference = _frames(1)
    expected = np.mean([_oracle(result[t].numpy(), reference[t].numpy())[0] for t in range(2)])
    assert float(Ssim()(result, reference)["ssim"]) == pytest.approx(expected, abs=1e-9)
    assert float(Ssim()(result.float(), reference.float())["ssim"]) == pytest.approx(expected, abs=1e-5)


def test_hole_is_the_mean_of_the_map_inside_the_mask() -> None:
    result, reference = _frames(2, num=3)
    mask = torch.zeros(3, 1, 30, 41)
    mask[0, 0, :6, :6] = 1.0  # touches the border, where the frame is mirrored
    mask[2, 0, 12:20, 30:] = 1.0
    inside = [_oracle(result[t].numpy(), reference[t].numpy())[1][mask[t, 0].numpy() > 0.5].ravel() for t in (0, 2)]
    expected = np.concatenate(inside).mean()
    assert float(Ssim()(result, reference, mask=mask)["ssim_hole"]) == pytest.approx(expected, abs=1e-9)


def test_black_against_white() -> None:
    black, white = torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    assert float(Ssim()(black, white)["ssim"]) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-3)


def test_equal_is_one_and_blur_is_less() -> None:
    _, reference = _frames(3)
    assert float(Ssim()(reference, reference)["ssim"]) == pytest.approx(1.0, abs=1e-12)
    soft = torch.nn.functional.avg_pool2d(reference, 3, 1, 1, count_include_pad=False)
    softer = torch.nn.functional.avg_pool2d(reference, 7, 1, 3, count_include_pad=False)
    assert 1.0 > float(Ssim()(soft, reference)["ssim"]) > float(Ssim()(softer, reference)["ssim"])


def test_windows_equal_the_whole_and_empty_mask_is_not_defined() -> None:
    result, reference = _frames(4, num=5)
    mask = (torch.rand(5, 1, 30, 41, generator=torch.Generator().manual_seed(5)) > 0.5).float()
    streamed = Ssim()
    streamed.update(result[:2], reference[:2], mask=mask[:2])
    streamed.update(result[2:], reference[2:], mask=mask[2:])
    whole = float(Ssim()(result, reference, mask=mask)["ssim_hole"])
    assert float(streamed.compute()["ssim_hole"]) == pytest.approx(whole, abs=1e-12)
    assert math.isnan(float(Ssim()(result, reference, mask=torch.zeros_like(mask))["ssim_hole"]))


def test_too_small_a_frame_is_named() -> None:
    frames = torch.rand(1, 3, 10, 40)
    with pytest.raises(MediaError, match=r"(?s)40x10.*11 px"):
        Ssim().update(frames, frames)
