"""Solvers where the answer is known: one point, which is reached exactly, and a Gaussian, neared at their order."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.objectives.levels import karras_schedule, uniform_schedule
from interpositive.objectives.paths import CircularPath, Path, SpreadingPath, StraightPath
from interpositive.objectives.solvers import Solver, Velocity, euler, heun, multistep, network_calls

SOLVERS: list[Solver] = [euler, heun, multistep]
EACH_SOLVER = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: solver.__name__)
PATHS = [StraightPath(), CircularPath(), SpreadingPath(noisiest=10.0)]
EACH_PATH = pytest.mark.parametrize("path", PATHS, ids=lambda path: type(path).__name__)
MEAN, DEVIATION = 0.7, 0.4


def counted(velocity: Velocity, calls: list[float]) -> Velocity:
    def counting(noisy: Tensor, level: Tensor) -> Tensor:
        assert level.ndim == 0
        calls.append(float(level))
        return velocity(noisy, level)

    return counting


def towards_a_point(path: Path) -> Velocity:
    """What leads all noise to one clean point; linear in what is noisy."""
    return lambda noisy, level: path.clean_to_velocity(torch.full_like(noisy, MEAN), noisy, level)


def towards_a_gaussian(path: Path) -> Velocity:
    """What leads to a normal distribution, from its known score."""

    def velocity(noisy: Tensor, level: Tensor) -> Tensor:
        clean_weight, noise_weight = path.weights(level)
        variance = (clean_weight * DEVIATION).square() + noise_weight.square()
        score = -(noisy - clean_weight * MEAN) / variance
        noise = path.score_to_noise(score, level)
        clean = MEAN + clean_weight * DEVIATION**2 * (noisy - clean_weight * MEAN) / variance
        return path.velocity(clean, noise, level)

    return velocity


def error_on_a_gaussian(solver: Solver, path: Path, levels: Tensor) -> float:
    """How far the solver ends from where the exact flow leads: as many deviations from the mean as at the start."""
    deviations = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)

    def at(level: Tensor) -> Tensor:
        clean_weight, noise_weight = path.weights(level)
        return clean_weight * MEAN + deviations * ((clean_weight * DEVIATION).square() + noise_weight.square()).sqrt()

    found = solver(towards_a_gaussian(path), at(levels[0]), levels, path)
    return (found - at(levels[-1])).abs().max().item()


@EACH_PATH
@pytest.mark.parametrize("solver", [euler, multistep], ids=lambda solver: solver.__name__)
def test_a_single_point_is_reached_exactly(solver: Solver, path: Path) -> None:
    noisy = torch.tensor([-3.0, 0.1, 4.0], dtype=torch.float64)
    found = solver(towards_a_point(path), noisy, uniform_schedule(5, path.noisiest), path)
    torch.testing.assert_close(found, torch.full_like(noisy, MEAN), rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", [PATHS[0], PATHS[2]], ids=lambda path: type(path).__name__)
def test_heun_reaches_it_too_where_the_path_is_a_line(path: Path) -> None:
    noisy = torch.tensor([-3.0, 0.1, 4.0], dtype=torch.float64)
    found = heun(towards_a_point(path), noisy, uniform_schedule(5, path.noisiest), path)
    torch.testing.assert_close(found, torch.full_like(noisy, MEAN), rtol=0, atol=1e-12)


@EACH_PATH
@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (multistep, 2)])
def test_a_gaussian_is_neared_at_the_solvers_order(solver: Solver, order: int, path: Path) -> None:
    # Short of 0, where steps are without end in the measure of the multistep solver.
    coarse, fine = (
        error_on_a_gaussian(solver, path, torch.linspace(0.9, 0.1, num + 1, dtype=torch.float64) * path.noisiest)
        for num in (100, 200)
    )
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


@EACH_PATH
@pytest.mark.parametrize(("solver", "bound"), [(euler, 0.05), (heun, 0.004), (multistep, 0.004)])
def test_a_gaussian_is_reached_from_pure_noise(solver: Solver, bound: float, path: Path) -> None:
    sigmas = karras_schedule(80, noisiest=100.0)
    assert error_on_a_gaussian(solver, path, path.sigma_to_level(sigmas)) < bound


@EACH_SOLVER
def test_a_solver_asks_the_network_as_often_as_it_says(solver: Solver) -> None:
    calls: list[float] = []
    path = SpreadingPath()
    solver(counted(towards_a_gaussian(path), calls), torch.zeros(2, 3), karras_schedule(6), path)
    assert len(calls) == network_calls(solver, 6) and min(calls) > 0


@EACH_SOLVER
@pytest.mark.parametrize("levels", [[1.0], [0.0, 1.0], [1.0, 1.0], [0.5, -0.1]])
def test_levels_that_do_not_fall_are_refused(solver: Solver, levels: list[float]) -> None:
    with pytest.raises(ConfigError, match="goes down"):
        solver(towards_a_point(PATHS[0]), torch.zeros(1), torch.tensor(levels), PATHS[0])


@pytest.mark.parametrize(
    ("solver", "name", "settings"),
    [
        (euler, "FlowMatchEulerDiscreteScheduler", {"shift": 1.0}),
        (
            multistep,
            "DPMSolverMultistepScheduler",
            {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 1.0, "solver_order": 2}
            | {"final_sigmas_type": "zero", "lower_order_final": True},
        ),
    ],
)
def test_a_solver_goes_as_the_scheduler_of_diffusers_does(
    solver: Solver, name: str, settings: dict[str, object]
) -> None:
    schedulers = pytest.importorskip("diffusers.schedulers", reason="diffusers is in the extra 'generative'")
    scheduler = getattr(schedulers, name)(**settings)
    scheduler.set_timesteps(8)

    def velocity(noisy: Tensor, level: Tensor) -> Tensor:
        return (noisy.sin() - 0.3) * (1 + level)

    start = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    expected = start
    for step, level in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        expected = scheduler.step(velocity(expected, level), step, expected).prev_sample
    torch.testing.assert_close(
        solver(velocity, start, scheduler.sigmas, StraightPath()), expected, rtol=1e-5, atol=1e-5
    )


def test_euler_on_the_circular_path_is_the_ddim_of_diffusers() -> None:
    schedulers = pytest.importorskip("diffusers.schedulers", reason="diffusers is in the extra 'generative'")
    scheduler = schedulers.DDIMScheduler(
        prediction_type="v_prediction", clip_sample=False, timestep_spacing="trailing", rescale_betas_zero_snr=True
    )
    scheduler.set_timesteps(8)
    path = CircularPath()
    kept_share = torch.cat([scheduler.alphas_cumprod[scheduler.timesteps], torch.ones(1)])
    levels = path.kept_share_to_level(kept_share)
    start = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    expected = start
    for step, level in zip(scheduler.timesteps, levels, strict=False):
        expected = scheduler.step(expected.sin() * (1 + level), step, expected).prev_sample
    found = euler(lambda noisy, level: noisy.sin() * (1 + level), start, levels, path)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
