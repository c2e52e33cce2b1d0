"""The inpainting tables' SSIM against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from interpositive.errors import MaskError, MediaError
from interpositive.metrics.ssim import Ssim
from interpositive.metrics.ssim_inpainting import SsimInpainting, ssim_inpainting


def _frames(seed: int, num: int = 2, height: int = 80, width: int = 97) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(0, 1, width).expand(num, 3, height, width)
    reference = 0.6 * ramp + 0.3 * torch.rand(num, 3, height, width, generator=generator)
    return (reference + 0.2 * torch.rand(num, 3, height, width, generator=generator)).clamp(0, 1), reference


def _oracle(result: torch.Tensor, reference: torch.Tensor) -> float:
    arrays = [
        np.rint(np.float32(255) * frame.permute(1, 2, 0).numpy()).astype(np.uint8) for frame in (result, reference)
    ]
    return float(structural_similarity(*arrays, data_range=255, channel_axis=-1, win_size=65))


def _value(metric: SsimInpainting, *frames: torch.Tensor) -> float:
    metric.update(*frames)
    return metric.shot_values()["ssim_inpainting"]


@pytest.mark.parametrize("size", [(65, 65), (65, 100), (80, 97), (200, 150)])
def test_is_that_of_scikit_image(size: tuple[int, int]) -> None:
    result, reference = _frames(0, 1, *size)
    assert ssim_inpainting(result[0], reference[0]) == pytest.approx(_oracle(result[0], reference[0]), abs=1e-11)


def test_black_against_white_and_flat_pictures() -> None:
    """No rounding is felt where variances vanish."""
    black, white, grey = torch.zeros(3, 70, 70), torch.ones(3, 70, 70), torch.full((3, 70, 70), 0.5)
    assert ssim_inpainting(black, white) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-9)
    for pair in ((black, white), (white, grey), (grey, black)):
        assert ssim_inpainting(*pair) == pytest.approx(_oracle(*pair), abs=1e-11)


@pytest.mark.parametrize("place", ["middle", "corner", "edge", "two"])
def test_a_repair_in_a_frame_that_is_left_alone(place: str) -> None:
    _, reference = _frames(1, 1, 230, 260)
    result = reference[0].clone()
    if place in ("middle", "two"):
        result[:, 110:120, 120:140] = 0.4
    if place in ("corner", "two"):
        result[2, 0, 0] = 1 - result[2, 0, 0]
    if place == "edge":
        result[:, 100:150, 255:] = 0.2
    found = ssim_inpainting(result, reference[0])
    assert found < 1.0
    assert found == pytest.approx(_oracle(result, reference[0]), abs=1e-11)


def test_equal_codes_are_one() -> None:
    _, reference = _frames(2, 1)
    codes = (reference[0] * 255).round() / 255
    assert ssim_inpainting(codes, codes) == 1.0
    assert ssim_inpainting(codes + 0.001, codes) == 1.0  # a quarter of a code
    assert ssim_inpainting(torch.full_like(codes, 1.2), torch.ones_like(codes)) == 1.0


def test_is_another_number_than_ssim() -> None:
    result, reference = _frames(3)
    usual = Ssim()
    usual.update(result, reference)
    assert abs(_value(SsimInpainting(), result, reference) - usual.shot_values()["ssim"]) > 0.01


def test_more_blur_is_worse() -> None:
    _, reference = _frames(4)
    blurred = [torch.nn.functional.avg_pool2d(reference, n, 1, n // 2, count_include_pad=False) for n in (1, 3, 7)]
    values = [_value(SsimInpainting(), frames, reference) for frames in blurred]
    assert values[0] == 1.0 and values[0] > values[1] > values[2]


def test_windows_equal_the_whole_and_shots_are_averaged() -> None:
    result, reference = _frames(5, 5)
    whole, streamed = SsimInpainting(), SsimInpainting()
    expected = _value(whole, result, reference)
    assert expected == pytest.approx(np.mean([_oracle(*pair) for pair in zip(result, reference, strict=True)]))
    for part in (slice(0, 1), slice(1, 4), slice(4, 5)):
        streamed.update(result[part], reference[part])
    assert streamed.shot_values()["ssim_inpainting"] == expected
    assert streamed.curves == whole.curves and len(whole.curves["ssim_inpainting"]) == 5
    streamed.end_shot()
    other = _value(streamed, reference[:1], reference[:1])
    assert float(streamed.compute()["ssim_inpainting"]) == pytest.approx((expected + other) / 2)


def test_small_frames_and_no_frame_are_not_defined() -> None:
    result, reference = _frames(6, 2, 64, 90)
    metric = SsimInpainting()
    assert math.isnan(_value(metric, result, reference))
    assert len(metric.curves["ssim_inpainting"]) == 2
    assert math.isnan(SsimInpainting().shot_values()["ssim_inpainting"])


def test_bad_input_is_named() -> None:
    frames = _frames(7, 1)[0]
    with pytest.raises(MediaError, match=r"(?s)\(1, 3, 80, 97\).*\(1, 3, 80, 96\)"):
        SsimInpainting().update(frames, frames[..., 1:])
    with pytest.raises(MediaError, match=r"(?s)not in \[0, 1\].*255"):
        SsimInpainting().update(frames, frames * 0 + 255)
    with pytest.raises(MaskError, match=r"(?s)\(1, 1, 80, 96\).*\(1, 3, 80, 97\)"):
        SsimInpainting().update(frames, frames, mask=torch.zeros(1, 1, 80, 96))
    with pytest.raises(MediaError, match="without a reference"):
        SsimInpainting().update(frames)
