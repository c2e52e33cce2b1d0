"""Moments between two frames, against shots whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from productions import panning_shot

from interpositive.motion.in_between import Surroundings, inside, read


def error_of(around: Surroundings, kind: str, time: float, truth: NDArray[np.float32]) -> float:
    reading = around.readings(around.share(time))[kind]
    brought = [read(side, flow) for side, flow in zip(around.sides, (reading.before, reading.after), strict=True)]
    both = inside(reading.before) & inside(reading.after)
    return float(max(np.abs(picture - truth)[both].mean() for picture in brought))


def test_a_pan_is_read_from_both_sides_by_every_hypothesis() -> None:
    frames = panning_shot(3, 8, speed_px=(2.0, 0.0), actor=False)
    around = Surroundings(frames[[1, 2, 5, 6]], [1.0, 2.0, 5.0, 6.0], 1, 432)
    for kind in around.readings(0.5):
        assert error_of(around, kind, 4.0, frames[4]) < 0.02, kind
    held = float(np.abs(frames[2] - frames[4]).mean())
    assert held > 0.05


def test_motion_that_speeds_up_is_bent() -> None:
    places = [0, 1, 4, 9, 16, 25]
    wall = panning_shot(4, 26, width=128, speed_px=(1.0, 0.0), actor=False)
    frames = wall[places]
    around = Surroundings(frames[[0, 1, 3, 4]], [0.0, 1.0, 3.0, 4.0], 1, 432)
    steady, bent = (error_of(around, kind, 2.0, frames[2]) for kind in ("steady", "bent"))
    assert bent < 0.5 * steady


@pytest.mark.parametrize("time", [2.0, 5.0])
def test_the_ends_are_the_sides_themselves(time: float) -> None:
    frames = panning_shot(3, 8, speed_px=(2.0, 0.0))
    around = Surroundings(frames[[2, 5]], [2.0, 5.0], 0, 432)
    reading = around.readings(around.share(time))["steady"]
    near = reading.before if time == 2.0 else reading.after
    assert np.percentile(np.abs(near), 95) < 0.5


def test_large_frames_are_read_at_their_own_size_by_motion_found_on_smaller_ones() -> None:
    frames = panning_shot(3, 8, height=128, width=192, speed_px=(3.0, 0.0), actor=False)
    around = Surroundings(frames[[2, 5]], [2.0, 5.0], 0, 64)
    assert around.forward.shape == (64, 96, 2)
    reading = around.readings(around.share(4.0))["steady"]
    flow = around.enlarged_flow(reading.before)
    assert np.median(flow[..., 0]) == pytest.approx(6.0, abs=0.3)
    brought = read(around.sides[0], flow, cubic=True)
    assert float(np.abs(brought - frames[4])[inside(flow)].mean()) < 0.02
