"""Steady light: the prior, the network's corrections of it, and the equalisers beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from productions import panning_shot
from shots import tensor

from interpositive.functional.examples import Example
from interpositive.functional.light_fields import GRID_COLUMNS, GRID_ROWS, LightFields
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.light_equalising import EQUALISERS, histogram_track, mean_variance
from interpositive.mini_models.steady_light import SteadyLight
from interpositive.tasks.deflicker import Deflicker

T = 24


@pytest.fixture(scope="module")
def flickering() -> Example:
    clean = tensor((0.15 + 0.6 * panning_shot(3, num_frames=T, speed_px=(1.0, 0.0))).astype(np.float32))
    task = Deflicker(kinds=("gain",), strength_stops=(0.15, 0.15), steady_share=0.0)
    return task.example(clean, generator_from("steady light"))


def fresh() -> SteadyLight:
    torch.manual_seed(0)
    return SteadyLight(width=4)


def test_fields_are_gains_and_offsets_of_each_pixel() -> None:
    frames = torch.rand(2, 3, 20, 30)
    flat = torch.zeros(2, 3, GRID_ROWS, GRID_COLUMNS)
    assert torch.equal(LightFields(flat, flat).over(frames), frames)
    made = LightFields(flat + 0.5, flat + 0.1).over(frames)
    assert torch.allclose(made, 1.5 * frames + 0.1)
    ramp = torch.linspace(-1, 1, GRID_ROWS)[:, None].expand(GRID_ROWS, GRID_COLUMNS)
    assert torch.allclose(
        LightFields(flat, flat + ramp).over(torch.zeros(2, 3, 20, 30))[0, 0, :, 7], torch.linspace(-1, 1, 20), atol=1e-5
    )


def test_the_prior_takes_flicker_out_and_keeps_detail(flickering: Example) -> None:
    model, keep = fresh().eval(), range(4, T - 4)
    restored = model.restore(flickering, keep)
    assert flickering.target is not None
    truth = flickering.target[4 : T - 4]
    error = {name: float((r.frames - truth).square().mean()) for name, r in restored.items()}
    assert error["prior"] < 0.1 * error["identity"]
    assert error["prior"] < 0.5 * min(error["mean_variance"], error["histogram_track"])
    detail = [float((f[..., 1:] - f[..., :-1]).square().mean()) for f in (restored["prior"].frames, truth)]
    assert detail[0] == pytest.approx(detail[1], rel=0.02)
    assert torch.equal(restored["prior"].frames, restored["trained"].frames), "untrained it is its prior"
    assert torch.equal(restored["identity"].frames, flickering.input[4 : T - 4])


def test_what_it_learns_from_is_what_it_corrects(flickering: Example) -> None:
    model = fresh()
    (prepared,) = model.prepare(flickering, generator_from(0))
    assert prepared.input.shape == (T, 3, GRID_ROWS, GRID_COLUMNS)
    assert prepared.target is not None and float(prepared.condition["judged"].mean()) > 0.5
    raw = float((prepared.input - prepared.target).abs().mean())
    corrected = prepared.input * (1 + prepared.condition["gain"]) + prepared.condition["offset"]
    assert float((corrected - prepared.target).abs().mean()) < 0.3 * raw


def test_equalisers_hold_the_level_of_a_still_shot() -> None:
    still = np.repeat(0.2 + 0.5 * np.random.default_rng(0).random((1, 24, 36, 3)), T, 0).astype(np.float32)
    gains = 1 + 0.1 * np.random.default_rng(1).standard_normal((T, 1, 1, 1)).astype(np.float32)
    for equalise in (mean_variance, histogram_track):
        made = equalise(still * gains, range(T), 6.0)
        assert made.mean((1, 2, 3)).std() < 0.4 * (still * gains).mean((1, 2, 3)).std()
        assert np.allclose(equalise(still, range(T), 6.0), still, atol=1e-4)
    assert set(EQUALISERS) == {"identity", "mean_variance", "histogram_track"}
