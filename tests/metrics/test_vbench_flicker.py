"""VBench's temporal flickering: its anchor, its formula on 8-bit frames, streaming."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from interpositive.errors import MediaError
from interpositive.metrics.vbench_flicker import VbenchFlicker

NAME = "vbench_temporal_flickering"


def _value(shot: torch.Tensor) -> float:
    metric = VbenchFlicker()
    metric.update(shot)
    return float(metric.compute()[NAME])


def _noise(num_frames: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(num_frames, 3, 20, 24, generator=torch.Generator().manual_seed(seed))


def test_luma_that_alternates_by_five_codes() -> None:
    codes = torch.full((8, 3, 16, 16), 128.0)
    codes[::2] += 5
    codes[1::2] -= 5
    assert _value(codes / 255) == pytest.approx(0.960784, abs=1e-6)


def test_agrees_with_the_formula_on_files() -> None:
    shot = _noise(6)
    codes = np.rint(shot.numpy() * 255).clip(0, 255)
    expected = (255 - np.mean([np.abs(b - a).mean() for a, b in pairwise(codes)])) / 255
    assert _value(shot) == pytest.approx(expected, rel=1e-9)


def test_below_half_a_code_is_still() -> None:
    shot = torch.full((4, 3, 8, 8), 100 / 255)
    shot[::2] += 0.4 / 255
    assert _value(shot) == 1.0


def test_black_to_white_is_nothing_and_overshoot_no_more() -> None:
    shot = torch.zeros(2, 3, 8, 8)
    shot[0], shot[1] = -0.3, 1.3
    assert _value(shot) == 0.0


def test_stronger_flicker_scores_lower_and_so_does_a_pan() -> None:
    still = _noise(1).expand(6, -1, -1, -1)
    step = torch.tensor([0.0, 1.0] * 3)[:, None, None, None]
    values = [_value(still * (1 - strength * step)) for strength in (0.0, 0.1, 0.3)]
    assert values[0] == 1.0 > values[1] > values[2]
    pan = torch.stack([torch.roll(still[0], t, -1) for t in range(6)])
    assert _value(pan) < values[2]


def test_windows_equal_the_whole_and_cuts_are_not_pairs() -> None:
    shot, other = _noise(7), _noise(3, seed=1)
    metric = VbenchFlicker()
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        metric.update(shot[start:stop])
    assert float(metric.compute()[NAME]) == pytest.approx(_value(shot), rel=1e-12)
    assert math.isnan(metric.curves[NAME][0]) and len(metric.curves[NAME]) == 7
    metric.end_shot()
    metric.update(other)
    assert float(metric.compute()[NAME]) == pytest.approx((_value(shot) + _value(other)) / 2, rel=1e-12)


def test_one_frame_is_not_defined_and_says_for_what_it_is() -> None:
    assert math.isnan(_value(_noise(1)))
    info = VbenchFlicker().infos[0]
    assert info.direction == "higher" and "static camera" in info.meaning


def test_bad_input_is_named() -> None:
    with pytest.raises(MediaError, match="not in"):
        VbenchFlicker().update(_noise(2) * 255)
    with pytest.raises(MediaError, match="one shot at a time"):
        VbenchFlicker().update(_noise(2)[None])
