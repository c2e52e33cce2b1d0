"""Spectral error and patch distance: what is too soft, too strong or of another kind is worse, a shift is not."""

import math

import cv2
import numpy as np
import pytest
import torch

from interpositive.errors import ConfigError
from interpositive.metrics.contract import ShotMetric
from interpositive.metrics.patch_distance import PatchDistance, directions, patch_distance
from interpositive.metrics.spectral_error import SpectralError

HOLE = (slice(16, 80), slice(24, 104))


def texture(seed: int, sigma_px: float = 1.0, strength: float = 0.1, num: int = 3) -> torch.Tensor:
    random = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(random.normal(size=(96, 128, 3)).astype(np.float32), (0, 0), sigma_px)
    picture = 0.5 + strength * noise / noise.std()
    return torch.from_numpy(np.stack([picture] * num)).permute(0, 3, 1, 2).clamp(0, 1).contiguous()


def blurred(frames: torch.Tensor, sigma_px: float) -> torch.Tensor:
    soft = [cv2.GaussianBlur(f.permute(1, 2, 0).numpy(), (0, 0), sigma_px) for f in frames]
    return torch.from_numpy(np.stack(soft)).permute(0, 3, 1, 2).contiguous()


def value(metric: ShotMetric, repair: torch.Tensor, reference: torch.Tensor) -> float:
    mask = torch.zeros(len(reference), 1, *reference.shape[-2:])
    mask[..., HOLE[0], HOLE[1]] = 1
    metric.update(torch.where(mask > 0, repair, reference), reference, mask=mask)
    return next(iter(metric.shot_values().values()))


@pytest.mark.parametrize("kind", [SpectralError, PatchDistance])
def test_blur_noise_and_another_texture_are_worse_and_the_same_kind_is_good(kind: type[ShotMetric]) -> None:
    reference = texture(0)
    same_kind = value(kind(), texture(1), reference)
    soft = [value(kind(), blurred(reference, sigma), reference) for sigma in (0.5, 1.0, 3.0)]
    coarse, white = (value(kind(), texture(2, sigma), reference) for sigma in (2.5, 0.2))
    strong = value(kind(), texture(1, strength=0.2), reference)
    assert value(kind(), reference, reference) == pytest.approx(0, abs=1e-6)
    assert soft == sorted(soft) and min(coarse, white, strong, soft[1]) > 2 * same_kind > 0


def test_half_the_amplitude_is_6_dB() -> None:
    reference = texture(0)
    assert value(SpectralError(), 0.5 + 0.5 * (reference - 0.5), reference) == pytest.approx(6.02, abs=0.2)


def test_patch_distance_is_that_of_its_definition() -> None:
    one, two = texture(0)[0], texture(1)[0]
    hole = torch.zeros(96, 128, dtype=torch.bool)
    hole[HOLE] = True

    def projected(picture: torch.Tensor) -> np.ndarray:
        rows = [
            picture[:, y - 3 : y + 4, x - 3 : x + 4].flatten().numpy() for y in range(16, 80) for x in range(24, 104)
        ]
        return np.sort(np.stack(rows)[::2] @ directions(3).numpy().T, axis=0)

    expected = 100 * np.abs(projected(one) - projected(two)).mean()
    assert patch_distance(one, two, hole, num_scales=1) == pytest.approx(expected, rel=1e-4)
    assert patch_distance(one, one + 0.2, hole) == pytest.approx(0, abs=1e-4)


def test_a_hole_without_room_is_not_defined_and_says_why() -> None:
    frames = texture(0)
    thin = torch.zeros(3, 1, 96, 128)
    thin[..., 40:43] = 1
    for metric, mask in ((SpectralError(), thin), (PatchDistance(), torch.zeros_like(thin))):
        metric.update(frames, frames, mask=mask)
        (name,) = metric.shot_values()
        assert math.isnan(metric.shot_values()[name]) and name in metric.reasons([name])[0]


def test_settings_that_mean_nothing_are_refused() -> None:
    for make in (lambda: SpectralError(15), lambda: PatchDistance(0), lambda: PatchDistance(every=0)):
        with pytest.raises(ConfigError):
            make()
