"""Every conversion there and back, on every path; paths beside their published formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from interpositive.objectives.paths import CircularPath, Path, Preconditioning, SpreadingPath, StraightPath

PATHS = [StraightPath(), CircularPath(), SpreadingPath()]
EACH_PATH = pytest.mark.parametrize("path", PATHS, ids=lambda path: type(path).__name__)


def drawn(path: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Clean, noise, and levels inside of the path, an example each."""
    generator = torch.Generator().manual_seed(5)
    clean, noise = (torch.randn(7, 2, 3, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return clean, noise, torch.linspace(0.05, 0.95, 7, dtype=torch.float64).reshape(7, 1, 1, 1, 1) * path.noisiest


@EACH_PATH
def test_each_can_be_told_from_each_other(path: Path) -> None:
    clean, noise, level = drawn(path)
    noisy, velocity = path.noisy(clean, noise, level), path.velocity(clean, noise, level)
    told = {
        "clean": [path.velocity_to_clean(velocity, noisy, level), path.noise_to_clean(noise, noisy, level)],
        "noise": [path.velocity_to_noise(velocity, noisy, level), path.clean_to_noise(clean, noisy, level)],
        "velocity": [path.clean_to_velocity(clean, noisy, level), path.noise_to_velocity(noise, noisy, level)],
    }
    for name, true in {"clean": clean, "noise": noise, "velocity": velocity}.items():
        for found in told[name]:
            torch.testing.assert_close(found, true, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(path.score_to_noise(path.noise_to_score(noise, level), level), noise)


@EACH_PATH
def test_velocity_is_what_the_path_does(path: Path) -> None:
    clean, noise, level = drawn(path)
    by_autograd = torch.func.jvp(lambda at: path.noisy(clean, noise, at), (level,), (torch.ones_like(level),))[1]
    torch.testing.assert_close(path.velocity(clean, noise, level), by_autograd)
    (a, b), (a_rate, b_rate) = path.weights(level), path.rates(level)
    torch.testing.assert_close(a * b_rate - a_rate * b, torch.ones_like(level))


@EACH_PATH
@pytest.mark.parametrize("other", PATHS, ids=lambda path: type(path).__name__)
def test_a_noisy_picture_goes_from_path_to_path_and_back(path: Path, other: Path) -> None:
    clean, noise, level = drawn(path)
    noisy = path.noisy(clean, noise, level)
    there, level_there = path.to_path(noisy, level, other)
    torch.testing.assert_close(there, other.noisy(clean, noise, level_there))
    back, level_back = other.to_path(there, level_there, path)
    torch.testing.assert_close(back, noisy)
    torch.testing.assert_close(level_back, level)


def test_the_straight_path_is_rectified_flow() -> None:
    clean, noise, level = drawn(StraightPath())
    torch.testing.assert_close(StraightPath().velocity(clean, noise, level), noise - clean)
    assert StraightPath().sigma_to_level(torch.tensor([0.0, 1.0, math.inf])).tolist() == [0.0, 0.5, 1.0]


def test_the_circular_path_is_v_prediction_of_a_ddpm_schedule() -> None:
    kept_share = torch.tensor([1.0, 0.81, 0.3, 0.0], dtype=torch.float64)
    level = CircularPath().kept_share_to_level(kept_share)
    clean_weight, noise_weight = CircularPath().weights(level)
    torch.testing.assert_close(clean_weight.square(), kept_share)
    clean, noise = torch.full_like(level, 2.0), torch.full_like(level, -1.0)
    published = kept_share.sqrt() * noise - (1 - kept_share).sqrt() * clean
    torch.testing.assert_close(CircularPath().velocity(clean, noise, level), published)
    torch.testing.assert_close(noise_weight, (1 - kept_share).sqrt())


def test_an_edm_network_sees_and_says_things_of_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    conditioning = Preconditioning(sigma_of_clean=0.5)
    clean = 0.5 * torch.randn(200_000, generator=generator, dtype=torch.float64)
    noise = torch.randn(200_000, generator=generator, dtype=torch.float64)
    for sigma in (torch.tensor(value, dtype=torch.float64) for value in (0.01, 0.5, 40.0)):
        noisy = SpreadingPath().noisy(clean, noise, sigma)
        given, told_noise = conditioning.given(noisy, sigma)
        said = conditioning.clean_to_output(clean, noisy, sigma)
        assert given.std().item() == pytest.approx(1.0, abs=0.01) and said.std().item() == pytest.approx(1.0, abs=0.01)
        assert told_noise.item() == pytest.approx(math.log(sigma.item()) / 4)
        torch.testing.assert_close(conditioning.output_to_clean(said, noisy, sigma), clean)
