"""Trajectory errors: 0 after any similarity, closed forms, an optimiser as oracle, degenerate tracks."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.camera_tracks import CameraTracks, absolute_error, relative_errors, umeyama


def _poses(rotations: Rotation, places: np.ndarray) -> torch.Tensor:
    poses = np.tile(np.eye(4), (len(places), 1, 1))
    poses[:, :3, :3] = rotations.as_matrix()
    poses[:, :3, 3] = places
    return torch.from_numpy(poses)


def _track(num_poses: int = 20, seed: int = 0) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    places = np.cumsum(generator.normal(0, 0.3, (num_poses, 3)), 0)
    return _poses(Rotation.from_rotvec(np.cumsum(generator.normal(0, 0.05, (num_poses, 3)), 0)), places)


def _similar(poses: torch.Tensor, scale: float, seed: int) -> torch.Tensor:
    generator = np.random.default_rng(seed)
    turn = torch.from_numpy(Rotation.random(rng=generator).as_matrix())
    moved = poses.clone()
    moved[:, :3, :3] = turn @ poses[:, :3, :3]
    moved[:, :3, 3] = scale * poses[:, :3, 3] @ turn.T + torch.from_numpy(generator.normal(0, 50, 3))
    return moved


def _values(estimated: torch.Tensor, true: torch.Tensor, **settings: object) -> dict[str, float]:
    metric = CameraTracks(**settings)
    metric.update(estimated, true)
    return {name: float(value) for name, value in metric.compute().items()}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("delta", [1, 4])
def test_nothing_is_wrong_after_any_similarity(seed: int, delta: int) -> None:
    true = _track(seed=seed)
    values = _values(_similar(true, 0.07 + seed, seed), true, delta=delta)
    assert list(values) == ["ate", "rpe_translation", "rpe_rotation"]
    assert max(values.values()) < 1e-9
    rigid = _values(_similar(true, 1.0, seed), true, scale=False, delta=delta)
    assert max(rigid.values()) < 1e-9


def test_without_scale_the_size_counts() -> None:
    true = _track()
    places = true[:, :3, 3]
    spread = float((places - places.mean(0)).square().sum(-1).mean().sqrt())
    values = _values(_similar(true, 1.5, 3), true, scale=False)
    assert values["ate"] == pytest.approx(0.5 * spread, rel=1e-9)
    steps = torch.linalg.solve(true[:-1], true[1:])[:, :3, 3]
    assert values["rpe_translation"] == pytest.approx(0.5 * float(steps.square().sum(-1).mean().sqrt()), rel=1e-9)
    assert values["rpe_rotation"] < 1e-9


def test_closed_forms_of_one_wrong_step() -> None:
    true = _poses(Rotation.identity(11), np.outer(np.arange(11), [1.0, 0.0, 0.0]))
    late = true.clone()
    late[5:, 0, 3] += 0.5
    _, rotation = relative_errors(late, true, 1)
    assert rotation == 0.0
    assert relative_errors(late, true, 1)[0] == pytest.approx(0.5 / math.sqrt(10))
    assert relative_errors(late, true, 2)[0] == pytest.approx(0.5 * math.sqrt(2 / 9))
    turned = true.clone()
    turned[5:, :3, :3] = torch.from_numpy(Rotation.from_euler("z", 3, degrees=True).as_matrix())
    assert relative_errors(turned, true, 1)[1] == pytest.approx(3 / math.sqrt(10))


@pytest.mark.parametrize("degrees", [1e-7, 0.3, 90.0, 179.9, 180.0])
def test_angles_are_right_from_nothing_to_a_half_turn(degrees: float) -> None:
    true = _poses(Rotation.identity(2), np.zeros((2, 3)))
    turned = true.clone()
    axis = np.array([1.0, -2.0, 0.5]) / np.linalg.norm([1.0, -2.0, 0.5])
    turned[1, :3, :3] = torch.from_numpy(Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix())
    assert relative_errors(turned, true, 1)[1] == pytest.approx(degrees, rel=1e-6)


@pytest.mark.parametrize("scale", [True, False])
def test_no_other_alignment_is_nearer(scale: bool) -> None:
    generator = np.random.default_rng(7)
    true = _track(12)[:, :3, 3]
    estimated = 0.6 * true + torch.from_numpy(generator.normal(0, 0.3, (12, 3)))

    def distance(numbers: np.ndarray) -> float:
        factor = np.exp(numbers[6]) if scale else 1.0
        placed = factor * Rotation.from_rotvec(numbers[:3]).apply(estimated.numpy()) + numbers[3:6]
        return float(((placed - true.numpy()) ** 2).sum(-1).mean())

    found = min(
        (minimize(distance, generator.normal(0, 1, 7), method="BFGS", tol=1e-12) for _ in range(6)),
        key=lambda done: done.fun,
    )
    assert absolute_error(estimated, true, scale=scale) == pytest.approx(math.sqrt(found.fun), rel=1e-5)


def test_a_mirrored_track_is_not_turned_inside_out() -> None:
    true = _track()[:, :3, 3]
    _, rotation, _ = umeyama(true * torch.tensor([-1.0, 1.0, 1.0]), true, scale=True)
    assert float(torch.linalg.det(rotation)) == pytest.approx(1.0)
    assert absolute_error(true * torch.tensor([-1.0, 1.0, 1.0]), true, scale=True) > 0.1


def test_a_worse_track_measures_worse() -> None:
    true, generator = _track(40), np.random.default_rng(2)
    noise, turns = generator.normal(0, 1, (40, 3)), generator.normal(0, 1, (40, 3))
    values = []
    for strength in (0.0, 0.02, 0.1):
        worse = true.clone()
        worse[:, :3, 3] += strength * torch.from_numpy(noise)
        worse[:, :3, :3] @= torch.from_numpy(Rotation.from_rotvec(strength * turns).as_matrix())
        values.append(_values(worse, true))
    for name in values[0]:
        assert values[0][name] < values[1][name] < values[2][name]


def test_a_dolly_on_a_straight_rail() -> None:
    true = _poses(Rotation.identity(10), np.outer(np.arange(10.0), [1.0, 2.0, -1.0]))
    assert max(_values(_similar(true, 3.0, 1), true).values()) < 1e-9
    aside = true.clone()
    aside[5, :3, 3] += torch.tensor([2.0, -1.0, 0.0]) / 10
    assert 0.0 < _values(aside, true)["ate"] < 0.1


def test_a_camera_that_only_turns_has_no_scale() -> None:
    true = _track()
    true[:, :3, 3] = torch.tensor([3.0, -1.0, 2.0])
    shaken = true.clone()
    shaken[:, :3, 3] += 0.1 * _track(seed=5)[:, :3, 3]
    values = _values(shaken, true)
    assert math.isnan(values["ate"]) and math.isnan(values["rpe_translation"])
    assert values["rpe_rotation"] == pytest.approx(0.0, abs=1e-9)
    assert _values(shaken, true, scale=False)["ate"] > 0.01
    assert max(_values(true, true).values()) < 1e-9
    lost = _track()
    lost[:, :3, 3] = 0.0
    moving = _track()
    spread = moving[:, :3, 3] - moving[:, :3, 3].mean(0)
    assert _values(lost, moving)["ate"] == pytest.approx(float(spread.square().sum(-1).mean().sqrt()))


def test_one_pose_or_none_is_not_defined() -> None:
    assert all(math.isnan(value) for value in _values(_track(1), _track(1)).values())
    assert all(math.isnan(value) for value in CameraTracks().shot_values().values())
    assert math.isnan(_values(_track(4), _track(4), delta=4)["rpe_rotation"])
    assert not math.isnan(_values(_track(5), _track(5), delta=4)["rpe_rotation"])


def test_pieces_equal_the_whole_and_shots_are_averaged() -> None:
    true, estimated, other = _track(15), _track(15, seed=1), _track(9, seed=2)
    metric = CameraTracks()
    for start, stop in ((0, 1), (1, 8), (8, 15)):
        metric.update(estimated[start:stop], true[start:stop])
    whole = _values(estimated, true)
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(whole, rel=1e-12)
    metric.end_shot()
    metric.update(other, other)
    assert float(metric.compute()["ate"]) == pytest.approx(whole["ate"] / 2, rel=1e-9)
    metric.reset()
    assert math.isnan(metric.shot_values()["ate"])


def test_bad_input_is_named() -> None:
    true = _track(6)
    with pytest.raises(MediaError, match=r"(?s)another shape.*\(6, 3, 4\)"):
        CameraTracks().update(true[:, :3], true)
    with pytest.raises(MediaError, match="another shape"):
        CameraTracks().update(true[:0], true[:0])
    with pytest.raises(MediaError, match="differ in length"):
        CameraTracks().update(true[:5], true)
    lost = true.clone()
    lost[3, 0, 3] = math.nan
    with pytest.raises(MediaError, match=r"(?s)estimated.*not numbers.*\[3\]"):
        CameraTracks().update(lost, true)
    for place, value in (((2, 0, 0), 1.5), ((2, 3, 0), 1.0)):
        bent = true.clone()
        bent[place] = value
        with pytest.raises(MediaError, match=r"(?s)no rotation.*\[2\]"):
            CameraTracks().update(true, bent)
    mirrored = true.clone()
    mirrored[:, :3, 0] *= -1
    with pytest.raises(MediaError, match="no rotation"):
        CameraTracks().update(mirrored, true)
    with pytest.raises(ConfigError, match="delta: 0"):
        CameraTracks(delta=0)
