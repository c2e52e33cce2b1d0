"""Deflicker: what it puts on is the flicker that it says, over the whole frame and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from productions import panning_shot

from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from
from interpositive.tasks.deflicker import Deflicker
from interpositive.tasks.flicker import DRAWS, draw_flicker, put_flicker

T, CURVE = 40, (2.2, 0.09)


def frames(num_frames: int = 8) -> torch.Tensor:
    return torch.from_numpy(panning_shot(1, num_frames=num_frames).transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("kind", list(DRAWS))
def test_courses_are_of_unit_deviation_and_slow_over_the_frame(kind: str) -> None:
    courses = np.stack([DRAWS[kind](T, np.random.default_rng(seed)) for seed in range(12)])
    assert 0.7 < courses.std() < 1.3
    assert np.abs(np.diff(courses, axis=-1)).max() < 0.5 and np.abs(np.diff(courses, axis=-2)).max() < 0.6


def test_a_stop_is_a_stop_of_light() -> None:
    random = np.random.default_rng(0)
    flicker = draw_flicker("gain", T, 0.2, 0.0, random)
    grey = np.full((T, 16, 24, 3), 0.5, np.float32)
    made = put_flicker(grey, flicker, CURVE, random)
    stops = 2.2 * np.log2((made + 0.09) / (grey + 0.09))
    assert np.allclose(stops[:, 0, 0, 0], flicker.stops[:, 0, 0, 0], atol=1e-4)


@pytest.mark.parametrize("kind", list(DRAWS))
def test_what_is_put_on_has_no_mean_over_time(kind: str) -> None:
    flicker = draw_flicker(kind, T, 0.2, 0.2, np.random.default_rng(3))
    assert np.abs(flicker.stops.mean(0)).max() < 1e-5 and np.abs(flicker.added.mean(0)).max() < 1e-6
    assert flicker.stops.std() > 0.1


def test_a_beat_runs_down_the_rows_and_a_gain_does_not() -> None:
    beat, gain = (DRAWS[kind](T, np.random.default_rng(4)) for kind in ("mains_beat", "gain"))
    assert np.ptp(gain, axis=1).max() == 0 and np.ptp(beat[5, :, 0]) > 0.5


def test_a_jump_is_taken_back_within_nine_frames() -> None:
    course = DRAWS["exposure_steps"](200, np.random.default_rng(1))[:, 0, 0]
    places = np.flatnonzero(np.diff(course))
    assert len(places) > 20 and np.diff(places).max() <= 9
    levels = course[places + 1]
    assert (levels[1::2] == 0).all() and (np.abs(levels[::2]) > 1).all()


def test_some_windows_stay_steady_and_strengths_keep_to_their_range() -> None:
    task, clean = Deflicker(steady_share=0.5, kinds=("gain",)), frames()
    changes = [float((task.example(clean, generator_from("share", n)).input - clean).abs().mean()) for n in range(40)]
    steady = sum(change == 0 for change in changes)
    assert 10 <= steady <= 30
    assert all(change == 0 or change > 1e-4 for change in changes)


def test_light_beyond_white_keeps_its_range() -> None:
    bright = 3.0 * frames()
    example = Deflicker(strength_stops=(1.0, 1.0), steady_share=0.0, curve=(1.0, 0.0)).example(
        bright, generator_from(1)
    )
    assert float(example.input.max()) <= float(bright.max()) and float(example.input.max()) > 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ["strobe"]},
        {"kinds": []},
        {"strength_stops": [0.2, 0.1]},
        {"strength_stops": [0.0, 0.1]},
        {"curve": [0.0, 0.1]},
        {"tint": 2.0},
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Deflicker(**wrong)
