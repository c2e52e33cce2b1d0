"""Flicker of a shot, solved against its motion-compensated neighbours in one sparse system.

Each frame has a gain and an offset per channel, smooth over the frame: a few cosines, more of them down the rows, for
the phase of a mains beat runs there. Neighbours up to sixteen frames off are brought over by optical flow, and all
frames are asked to agree where they see the same thing; robust weights leave out what moved or changed by itself
(Roosmalen, Lagendijk and Biemond's model of intensity flicker, IEEE T-CSVT 9(7), 1999, solved jointly in the way
of a bundle adjustment). What all frames share is not seen by this; real light is told from
flicker by :func:`~interpositive.functional.steady_courses.real_course`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from interpositive.functional.light_fields import GRID_COLUMNS, GRID_ROWS
from interpositive.functional.steady_courses import real_course
from interpositive.motion.flicker_system import FlickerSystem, orders, shapes
from interpositive.motion.frame_pairs import Plane, frame_pairs, reduced

Courses = NDArray[np.float64]

_DEEPEST, _AROUND = 0.075, 7
"""RMS over the frame, as a share of the mean code, from which a local change of light is a shadow (about a sixth of a
stop), and over how many frames it is looked for around each."""
_TRUSTED = (0.02, 0.98)


@dataclass(frozen=True)
class FlickerSolve:
    """What takes the flicker out: gains (0 is none) and offsets, ``t rows columns 3``.

    ``real_gain`` and ``real_offset`` are the change of light that was found to be real, and stays.
    ``unrest`` (``t rows columns``) is how far neighbours still disagree, in code values: where it is large something
    moved that flow did not follow.
    """

    gain: Plane
    offset: Plane
    real_gain: Plane
    real_offset: Plane
    unrest: Plane


def solve_flicker(frames: Plane, *, hold: int = 8, keep_real_light: bool = True) -> FlickerSolve:
    """Solve the flicker of a shot or window ``t h w 3``; the codes may be of any encoding, values near 0 to 1.

    ``hold`` is how many frames to a side one jump of flicker may last. Without ``keep_real_light`` all frames are
    brought to one level: fades and lamps that come on go too.
    """
    num_frames = len(frames)
    if num_frames < 2:
        nothing = np.zeros((num_frames, GRID_ROWS, GRID_COLUMNS, 3), np.float32)
        return FlickerSolve(nothing, nothing, nothing, nothing, nothing[..., 0])
    small = np.stack([reduced(frame) for frame in frames])
    low, high = float(small.min()), float(small.max())
    trusted = (low + _TRUSTED[0] * (high - low), low + _TRUSTED[1] * (high - low))
    centre, contrast = float(small.mean()), max(float(small.std()), 1e-3)
    pairs = list(frame_pairs(small, trusted))
    aspect = small.shape[1] / small.shape[2]
    courses, unrest = FlickerSystem(pairs, num_frames, centre, contrast, aspect).solve()
    flat = courses.reshape(num_frames, -1)
    base = real_course(flat, hold) if keep_real_light else flat.mean(0, keepdims=True)
    forms = shapes(_grid_places())
    gain, offset = _on_grid(forms, courses, centre, contrast)
    real_gain, real_offset = _on_grid(forms, np.broadcast_to(base, flat.shape).reshape(courses.shape), centre, contrast)
    # From a code back to what the steady light would give, and on to what the real light gives.
    stretch = (1.0 + real_gain) / np.maximum(1.0 + gain, 0.1)
    trust = _no_shadow((flat - base) / max(centre, 1e-3))[:, None, None]
    made = (trust * (stretch - 1.0), trust * (real_offset - offset * stretch), real_gain, real_offset)
    fields = [each.reshape(num_frames, GRID_ROWS, GRID_COLUMNS, 3).astype(np.float32) for each in made]
    return FlickerSolve(fields[0], fields[1], fields[2], fields[3], unrest)


def _no_shadow(wanted: Courses) -> Courses:
    """How far each frame's flicker ``t 6k`` (shares of the mean code) is believed: not where places change unlike.

    A shadow that passes is over as soon as flicker is. It is deeper than what film or a tool lets
    a part of the frame differ by from one frame to the next.
    """
    parts = wanted.reshape(len(wanted), 2, len(orders()), 3)
    across = np.array([order[0] > 0 for order in orders()])
    local = np.sqrt(np.square(parts[:, 1, across]).sum(1).mean(1))
    worst = maximum_filter1d(local, _AROUND, mode="nearest")
    return np.asarray(1.0 / (1.0 + (worst / _DEEPEST) ** 8))


def _on_grid(forms: Plane, courses: Courses, centre: float, contrast: float) -> tuple[Courses, Courses]:
    """Gain and offset ``t p 3`` that flicker puts on, from courses ``t 2k 3``."""
    num_shapes = forms.shape[1]
    gain = np.einsum("pk,tkc->tpc", forms.astype(np.float64), courses[:, :num_shapes] / contrast)
    return gain, np.einsum("pk,tkc->tpc", forms.astype(np.float64), courses[:, num_shapes:]) - gain * centre


def _grid_places() -> Plane:
    ys, xs = np.mgrid[:GRID_ROWS, :GRID_COLUMNS].astype(np.float32)
    return np.stack((xs.ravel() / (GRID_COLUMNS - 1), ys.ravel() / (GRID_ROWS - 1)), 1)
