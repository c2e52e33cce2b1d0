"""Flicker as cameras, lamps, film and per-frame tools make it, with its exact truth.

Every kind is a change of light that varies slowly over the frame. It is drawn as stops of light ``t 3 rows
columns`` on a grid, and put on in codes by the power law that cameras' curves nearly are, or as a tone curve of
its own for tools that work on each frame alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Draw = Callable[[int, tuple[int, int], np.random.Generator], Field]

STOPS_ROWS, STOPS_COLUMNS = 48, 32


@dataclass(frozen=True)
class Flicker:
    """``stops`` of light gained, ``t rows columns 3``, and a tool's own errors in code values.

    ``added`` is what it adds to a frame, ``t 1 1 3``; ``texture`` the deviation of fine texture that it draws anew on
    every frame.
    """

    stops: Field
    added: Field
    texture: float = 0.0


def gain(num_frames: int, random: np.random.Generator) -> Field:
    """Each frame's own exposure: an AR(1) course, from fresh on every frame to wandering over three."""
    kept = random.uniform(0.0, 0.7)
    return _course(num_frames, kept, random)[:, None, None] * np.ones((1, STOPS_ROWS, STOPS_COLUMNS), np.float32)


def mains_beat(num_frames: int, random: np.random.Generator) -> Field:
    """A lamp on the mains against the frame rate: a sine over time whose phase runs down the rows of the shutter."""
    period, turns, start = random.uniform(2.6, 9.0), random.uniform(0.0, 1.6), random.uniform(0, 1)
    rows = np.arange(STOPS_ROWS) / STOPS_ROWS
    phase = np.arange(num_frames)[:, None] / period + turns * rows[None] + start
    wave = np.sin(2 * np.pi * phase) * 2**0.5
    # A lamp reaches one side of the set more than the other.
    reach = 1.0 + random.uniform(-0.5, 0.5) * np.linspace(-1, 1, STOPS_COLUMNS)
    return (wave[:, :, None] * reach[None, None]).astype(np.float32)


def exposure_steps(num_frames: int, random: np.random.Generator) -> Field:
    """The exposure jumps away and back again, each time for three to nine frames."""
    course = np.zeros(num_frames, np.float32)
    place, away = int(random.integers(2, 7)), True
    while place < num_frames:
        stay = int(random.integers(3, 10))
        if away:
            course[place : place + stay] = random.uniform(1.4, 2.4) * (1.0 if random.random() < 0.5 else -1.0)
        place, away = place + stay, not away
    return course[:, None, None] * np.ones((1, STOPS_ROWS, STOPS_COLUMNS), np.float32)


def density_drift(num_frames: int, random: np.random.Generator) -> Field:
    """Film density: a smooth field whose shape changes over five to ten frames."""
    return smooth_fields(num_frames, random.uniform(0.18, 0.4), random.uniform(0.8, 0.9), random)


def boiling(num_frames: int, random: np.random.Generator) -> Field:
    """A tool that sees each frame alone: another smooth field, and another level, on every one."""
    fields = smooth_fields(num_frames, random.uniform(0.25, 0.5), 0.0, random)
    level = random.standard_normal((num_frames, 1, 1)).astype(np.float32)
    return np.asarray(0.7 * fields + 0.7 * level, np.float32)


DRAWS: dict[str, Callable[[int, np.random.Generator], Field]] = {
    "gain": gain,
    "mains_beat": mains_beat,
    "exposure_steps": exposure_steps,
    "density_drift": density_drift,
    "boiling": boiling,
}
"""Courses of about unit deviation, by kind."""


def draw_flicker(
    kind: str, num_frames: int, strength_stops: float, tint: float, random: np.random.Generator
) -> Flicker:
    """Flicker of a kind and strength (deviation in stops); channels differ from each other by the share ``tint``.

    It has no mean over time: light that every frame has too much of is no flicker, and nothing in the shot tells it.
    """
    course = _about_mean(DRAWS[kind](num_frames, random))
    colour = 1.0 + tint * random.uniform(-1, 1, 3).astype(np.float32)
    stops = np.float32(strength_stops) * course[..., None] * colour
    if kind != "boiling":
        return Flicker(stops.astype(np.float32), np.zeros((num_frames, 1, 1, 3), np.float32))
    added = _about_mean(random.standard_normal((num_frames, 1, 1, 3)).astype(np.float32))
    return Flicker(stops.astype(np.float32), np.float32(0.06 * strength_stops) * added, 0.02 * strength_stops)


def put_flicker(frames: Field, flicker: Flicker, curve: tuple[float, float], random: np.random.Generator) -> Field:
    """Frames ``t h w 3`` under the flicker, not cut off.

    ``curve`` is (power, toe) of ``light ~ (code + toe) ** power``: (2.2, 0.09) is near BT.709 and sRGB, (1, 0) linear
    light, (20, 2) near a log curve.
    """
    power, toe = curve
    height, width = frames.shape[1:3]
    made = np.empty_like(frames)
    for index, frame in enumerate(frames):
        stops = cv2.resize(flicker.stops[index], (width, height), interpolation=cv2.INTER_CUBIC)
        made[index] = (frame + toe) * np.exp2(stops / power) - toe + flicker.added[index]
        if flicker.texture:
            white = random.standard_normal((height, width, 1), dtype=np.float32)
            band = cv2.GaussianBlur(white, (0, 0), 0.8) - cv2.GaussianBlur(white, (0, 0), 2.5)
            made[index] += (np.float32(flicker.texture) / band.std() * band)[..., None]
    return made


def smooth_fields(num_frames: int, share: float, kept: float, random: np.random.Generator) -> Field:
    """Fields ``t rows columns`` of unit deviation, smooth over a ``share`` of the width; an AR(1) course each."""
    white = random.standard_normal((num_frames, STOPS_ROWS, STOPS_COLUMNS)).astype(np.float32)
    sigmas = (share * STOPS_COLUMNS, share * STOPS_ROWS * 16 / 9)
    smooth = np.stack([_blurred(field, *sigmas) for field in white])
    smooth /= max(1e-6, float(smooth.std()))
    made, state = np.empty_like(smooth), smooth[0]
    for index, fresh in enumerate(smooth):
        state = fresh if index == 0 else kept * state + (1 - kept**2) ** 0.5 * fresh
        made[index] = state
    return made


def _about_mean(course: Field) -> Field:
    return np.asarray(course - course.mean(0, keepdims=True), np.float32)


def _blurred(field: Field, sigma_x: float, sigma_y: float) -> Field:
    blurred = cv2.GaussianBlur(field, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)


def _course(num_frames: int, kept: float, random: np.random.Generator) -> Field:
    course, state = np.empty(num_frames, np.float32), float(random.standard_normal())
    for index in range(num_frames):
        course[index] = state
        state = kept * state + (1 - kept**2) ** 0.5 * float(random.standard_normal())
    return course
