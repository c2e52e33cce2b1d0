"""What of a course is real light: steps that stay, fades. What is flicker: beats, random gains, jumps taken back."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.functional.steady_courses import real_course
from interpositive.tasks.flicker import exposure_steps

T = 48


def random_gain(seed: int = 0, strength: float = 0.05) -> NDArray[np.float64]:
    return strength * np.random.default_rng(seed).standard_normal((T, 3))


def rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((values - values.mean(0)) ** 2)))


@pytest.mark.parametrize("seed", range(4))
def test_a_random_gain_is_flicker(seed: int) -> None:
    flicker = random_gain(seed)
    assert rms(real_course(flicker)) < 0.25 * rms(flicker)


def test_a_beat_is_flicker() -> None:
    beat = 0.05 * np.sin(2 * np.pi * np.arange(T) / 5.3)[:, None]
    assert rms(real_course(beat)) < 0.05 * rms(beat)


def test_a_jump_that_is_taken_back_is_flicker() -> None:
    jump = np.zeros((T, 1))
    jump[20:26] = 0.3
    assert np.abs(real_course(jump) - jump)[20:26].min() > 0.2


@pytest.mark.parametrize("place", [14, 24, 33])
def test_a_lamp_that_comes_on_stays_under_flicker(place: int) -> None:
    lamp = np.where(np.arange(T) >= place, 0.3, 0.0)[:, None] * np.array([1.0, 0.8, 0.5])
    found = real_course(lamp + random_gain(3, 0.03))
    steps = np.abs(np.diff(found[:, 0]))
    assert int(steps.argmax()) == place - 1 and steps.max() > 0.25
    assert rms(found - lamp) < 0.015


def test_a_fade_stays_under_flicker() -> None:
    fade = np.linspace(0, -0.5, T)[:, None] * np.ones(3)
    assert rms(real_course(fade + random_gain(1, 0.03)) - fade) < 0.012


def test_without_flicker_slow_light_is_mostly_followed_and_short_courses_are_one_level() -> None:
    slow = 0.2 * np.cos(np.pi * np.arange(T) / T)[:, None]
    # A tenth of an S-shaped fade is taken for flicker: its ends cannot be told from what lies eight frames off.
    assert rms(real_course(slow) - slow) < 0.14 * rms(slow)
    assert np.array_equal(real_course(np.array([[1.0], [3.0]])), [[2.0], [2.0]])


def test_many_values_that_wander_each_for_itself_are_flicker() -> None:
    random = np.random.default_rng(0)
    wandering = np.zeros((32, 20))
    for t in range(1, 32):
        wandering[t] = 0.85 * wandering[t - 1] + 0.5 * random.standard_normal(20)
    assert rms(real_course(wandering)) < 0.15 * rms(wandering)


def test_jumps_that_are_taken_back_make_no_persistent_step() -> None:
    kept = []
    for seed in range(12):
        course = exposure_steps(32, np.random.default_rng(seed))[:, 0, :1].astype(np.float64)
        kept.append(rms(real_course(course)) / rms(course))
    assert np.mean(kept) < 0.1
