"""Local flicker: equal to the global one on a still, blind to pans, sharp in a corner, streaming."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.local_flicker import LocalFlicker, cell_steps, cell_sums, course_flicker
from interpositive.metrics.luma_flicker import luma_flicker_percent

RATE = Fraction(24)
HEIGHT, WIDTH = 90, 160


def _pan(num_frames: int, step_px: int, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH + step_px * num_frames, 3))
    smooth = gaussian_filter(noise, (3.0, 3.0, 0.0))
    shade = gaussian_filter(noise, (30.0, 30.0, 0.0))
    wide = (0.4 + 0.07 * smooth / smooth.std() + 0.05 * shade / shade.std()).clip(0, 1)
    frames = [wide[:, t * step_px : t * step_px + WIDTH] for t in range(num_frames)]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float().contiguous()


def _gains(num_frames: int, strength: float = 0.1) -> torch.Tensor:
    return 1.0 + strength * torch.tensor([1.0, -1.0] * num_frames)[:num_frames, None, None, None]


def _corner(num_frames: int, strength: float = 0.1) -> torch.Tensor:
    """Gains that flicker in 4x3 of the 16x9 cells, top left."""
    gains = torch.ones(num_frames, 1, HEIGHT, WIDTH)
    gains[..., :30, :40] = _gains(num_frames, strength)
    return gains


def _values(
    result: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None = None, **settings: str
) -> dict[str, float]:
    metric = LocalFlicker(rate=RATE, **settings)
    metric.update(result, reference, mask=mask)
    return {name: float(value) for name, value in metric.compute().items()}


def test_what_changes_everywhere_equals_the_global_flicker() -> None:
    still = _pan(1, 0).expand(20, -1, -1, -1)
    course = 0.1 * torch.rand(20, generator=torch.Generator().manual_seed(0)).double() - 0.05
    shot = still.double() + course[:, None, None, None]
    luma = [
        float(frame) for frame in (shot * torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]).sum(1).mean((1, 2))
    ]
    assert _values(shot, still.double())["local_flicker_dis"] == pytest.approx(
        luma_flicker_percent(luma, RATE), rel=1e-4
    )


def test_one_cell_by_the_definition() -> None:
    change = np.random.default_rng(1).normal(0, 0.01, (11, 1))
    mean = 0.5 + np.cumsum(change, 0)
    value, by_frame = course_flicker(change, mean, np.ones((11, 1)), RATE)
    course = np.concatenate(([0.5], mean[:, 0]))
    assert value == pytest.approx(luma_flicker_percent(course.tolist(), RATE), rel=1e-9)
    assert value == pytest.approx(np.sqrt((by_frame**2).mean()), rel=1e-9)


def test_a_pan_is_no_flicker_and_flicker_on_it_is_found() -> None:
    shot = _pan(16, 3)
    clean = _values(shot, shot)
    assert clean["local_flicker_dis"] < 0.1 and clean["local_flicker_linear_dis"] < 0.2
    flickering = _values(shot * _gains(16), shot)
    assert 8.0 < flickering["local_flicker_dis"] < 11.5
    assert flickering["local_flicker_linear_dis"] > 1.5 * flickering["local_flicker_dis"]


def test_a_flickering_corner_is_found() -> None:
    shot = _pan(16, 3)
    everywhere = _values(shot * _gains(16), shot)["local_flicker_dis"]
    corner = _values(shot * _corner(16), shot)["local_flicker_dis"]
    assert corner == pytest.approx(everywhere * math.sqrt(12 / 144), rel=0.3)
    luma = shot.mean((1, 2, 3))
    seen_globally = luma_flicker_percent((shot * _corner(16)).mean((1, 2, 3)).tolist(), RATE)
    assert corner > 2 * (seen_globally - luma_flicker_percent(luma.tolist(), RATE))


def test_the_plate_is_enough_and_its_own_flicker_does_not_hide_the_results() -> None:
    shot = _pan(12, 3)
    metric = LocalFlicker(rate=RATE)
    plate = (shot * _gains(12, 0.03)).clamp(0, 1)
    metric.update(plate, plate=plate)
    assert float(metric.compute()["local_flicker_dis"]) == pytest.approx(2.9, rel=0.2)


def test_the_hole_sees_only_its_pixels() -> None:
    shot, mask = _pan(16, 3), torch.zeros(16, 1, HEIGHT, WIDTH)
    mask[:, :, 55:75, 90:100] = 1.0  # a part of some cells
    inside = torch.where(mask > 0, shot * _gains(16), shot)
    outside = torch.where(mask > 0, shot, shot * _gains(16))
    far = torch.zeros_like(mask)
    far[:, :, 62:68, 94:96] = 1.0
    assert _values(inside, shot, far)["local_flicker_dis_hole"] == pytest.approx(9.5, rel=0.2)
    assert _values(outside, shot, far)["local_flicker_dis_hole"] < 1.0
    assert _values(inside, shot, far)["local_flicker_dis"] < 2.0
    assert _values(outside, shot, far)["local_flicker_dis"] > 8.0


def test_stronger_flicker_measures_worse() -> None:
    shot = _pan(12, 2)
    values = [_values(shot * _corner(12, strength), shot)["local_flicker_dis"] for strength in (0.0, 0.03, 0.1)]
    assert values[0] < values[1] < values[2]


def test_the_curve_finds_the_frame_that_jumps() -> None:
    shot = _pan(20, 2)
    result = shot.clone()
    result[11, :, :40, :50] *= 0.7
    metric = LocalFlicker(rate=RATE)
    metric.update(result, shot)
    value = metric.shot_values()["local_flicker_dis"]
    curve = metric.curves["local_flicker_dis"]
    assert len(curve) == 20 and int(np.argmax(curve)) == 11
    assert value == pytest.approx(math.sqrt(np.mean(np.square(curve))), rel=1e-6)


def test_cells_tile_the_frame() -> None:
    planes = torch.rand(2, 50, 70, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    sums = cell_sums(planes)
    expected = np.zeros((2, 9, 16))
    for y in range(50):
        for x in range(70):
            expected[:, y * 9 // 50, x * 16 // 70] += planes[:, y, x].numpy()
    assert sums == pytest.approx(expected.reshape(2, 144), rel=1e-12)


def test_cells_that_are_mostly_hidden_are_missing() -> None:
    first = torch.full((1, 90, 160), 0.5)
    counted = torch.ones(90, 160, dtype=torch.bool)
    counted[:10, :10] = False
    counted[:5, :6] = True  # 30 % of the first cell
    counted[:10, 10:20] = False
    counted[:4, 10:16] = True  # 24 % of the second
    change, mean, weight = cell_steps(first, first + 0.1, counted, torch.ones_like(counted))
    assert change[0, 0] == pytest.approx(0.1, rel=1e-5) and weight[0, 0] == 30
    assert math.isnan(change[0, 1]) and math.isnan(mean[0, 1])
    assert mean[0, 2] == pytest.approx(0.6) and weight[0, 2] == 100


def test_a_missing_step_changes_nothing_and_does_not_count() -> None:
    change = np.zeros((10, 2))
    mean = np.full((10, 2), 0.5)
    change[4, 0] = mean[4, 0] = np.nan
    value, by_frame = course_flicker(change, mean, np.ones((10, 2)), RATE)
    assert value == 0.0 and np.isfinite(by_frame).all()
    change[4], mean[4] = np.nan, np.nan
    assert math.isnan(course_flicker(change, mean, np.ones((10, 2)), RATE)[1][5])


def test_windows_equal_the_whole_and_shots_are_averaged() -> None:
    shot, mask = _pan(9, 3), torch.zeros(9, 1, HEIGHT, WIDTH)
    mask[:, :, 20:60, 30:90] = 1.0
    result = shot * _corner(9)
    whole = _values(result, shot, mask)
    metric = LocalFlicker(rate=RATE)
    for start, stop in ((0, 1), (1, 5), (5, 9)):
        metric.update(result[start:stop], shot[start:stop], mask=mask[start:stop])
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(whole, rel=1e-9)
    metric.end_shot()
    metric.update(shot, shot, mask=mask)
    alone = _values(shot, shot, mask)
    for name, value in metric.compute().items():
        assert float(value) == pytest.approx((whole[name] + alone[name]) / 2, rel=1e-9)


def test_not_defined_for_one_frame_darkness_or_an_empty_mask() -> None:
    shot = _pan(4, 2)
    assert all(math.isnan(value) for value in _values(shot[:1], shot[:1]).values())
    assert math.isnan(_values(torch.zeros_like(shot), shot)["local_flicker_dis"])
    values = _values(shot, shot, torch.zeros(4, 1, HEIGHT, WIDTH))
    assert math.isnan(values["local_flicker_dis_hole"]) and not math.isnan(values["local_flicker_dis"])
    assert math.isnan(_values(shot, shot)["local_flicker_dis_hole"])


def test_a_frame_smaller_than_the_cells_is_measured() -> None:
    shot = _pan(4, 0)[..., :6, :12] * _gains(4)
    assert math.isfinite(_values(shot, shot)["local_flicker_dis"])


def test_names_carry_the_engine() -> None:
    shot = _pan(3, 2)
    assert list(_values(shot, shot, flow="farneback")) == [
        "local_flicker_farneback",
        "local_flicker_linear_farneback",
        "local_flicker_farneback_hole",
    ]


def test_bad_input_is_named() -> None:
    shot = _pan(3, 2)
    with pytest.raises(ConfigError, match="no such flow engine"):
        LocalFlicker(flow="raft")
    with pytest.raises(MediaError, match="a reference or a plate"):
        LocalFlicker(rate=RATE).update(shot)
    metric = LocalFlicker()
    metric.update(shot, shot)
    with pytest.raises(ConfigError, match="frame rate"):
        metric.compute()
