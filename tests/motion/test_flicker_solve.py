"""The joint solve of flicker: what it takes out, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from einops import rearrange
from numpy.typing import NDArray
from productions import panning_shot
from threadpoolctl import ThreadpoolController

from interpositive.functional.light_fields import LightFields
from interpositive.functional.threads import blas_by_one_thread
from interpositive.motion.flicker_solve import solve_flicker
from interpositive.tasks.flicker import draw_flicker, put_flicker

Pictures = NDArray[np.float32]
T, CURVE = 30, (2.2, 0.09)


@pytest.fixture(scope="module")
def shot() -> Pictures:
    """A hand-panned wall whose detail, as a lens would, keeps to no pixel grid; and an actor who crosses."""
    return 0.15 + 0.6 * panning_shot(3, num_frames=T, height=90, width=144, speed_px=(1.4, 0.3))


def steadied(frames: Pictures, **how: bool) -> Pictures:
    found = solve_flicker(frames, **how)
    gain, offset = (rearrange(torch.from_numpy(f), "t r c ch -> t ch r c") for f in (found.gain, found.offset))
    made = LightFields(gain, offset).over(rearrange(torch.from_numpy(frames), "t h w c -> t c h w"))
    return rearrange(made.numpy(), "t c h w -> t h w c")


def uneven(frames: Pictures, truth: Pictures) -> float:
    """RMS over time and cells of the log gain of bands, about each band's mean."""
    shape = (T, 6, 15, 6, 24, 3)
    gains = np.log(frames.reshape(shape).mean((2, 4)) / truth.reshape(shape).mean((2, 4)))
    return float(np.sqrt(np.mean((gains - gains.mean(0)) ** 2)))


@pytest.mark.parametrize(("kind", "left"), [("gain", 0.15), ("mains_beat", 0.15)])
def test_flicker_goes(shot: Pictures, kind: str, left: float) -> None:
    random = np.random.default_rng(2)
    flickering = put_flicker(shot, draw_flicker(kind, T, 0.12, 0.2, random), CURVE, random)
    assert uneven(steadied(flickering), shot) < left * uneven(flickering, shot)


def test_a_pan_under_a_lens_that_falls_off_is_no_light_that_drifts(shot: Pictures) -> None:
    ys, xs = np.mgrid[-1:1:90j, -1:1:144j].astype(np.float32)
    dark_corners = shot * (1.0 - 0.2 * (xs**2 + (0.625 * ys) ** 2))[..., None]
    random = np.random.default_rng(2)
    flickering = put_flicker(dark_corners, draw_flicker("boiling", T, 0.12, 0.2, random), CURVE, random)
    assert uneven(steadied(flickering), dark_corners) < 0.2 * uneven(flickering, dark_corners)


def test_a_steady_shot_is_left_alone(shot: Pictures) -> None:
    assert np.square(steadied(shot) - shot).mean() < 10 ** (-5.5)


def test_a_lamp_that_comes_on_stays_unless_asked(shot: Pictures) -> None:
    lit = shot * np.where(np.arange(T) >= 14, 1.25, 1.0)[:, None, None, None].astype(np.float32)
    assert uneven(steadied(lit), lit) < 0.1 * uneven(lit, shot)
    assert uneven(steadied(lit, keep_real_light=False), shot) < 0.2 * uneven(lit, shot)


def test_one_frame_and_a_flat_one_are_left_alone() -> None:
    for frames in (np.full((1, 40, 60, 3), 0.4, np.float32), np.full((4, 40, 60, 3), 0.4, np.float32)):
        assert np.allclose(steadied(frames), frames, atol=1e-4)


def test_it_is_solved_by_one_blas_thread_as_those_of_other_processes_would_spin(shot: Pictures) -> None:
    def num_threads() -> set[int]:
        return {each["num_threads"] for each in ThreadpoolController().select(internal_api="openblas").info()}

    ThreadpoolController().select(internal_api="openblas").limit(limits=2)
    blas_by_one_thread.cache_clear()
    if num_threads() == {1}:
        pytest.skip("this OpenBLAS knows one thread")
    solve_flicker(shot[:4])
    assert num_threads() == {1}
