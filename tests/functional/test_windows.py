"""Windows cover a shot, and joining them leaves no seam."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.windows import Window, WindowJoiner, plan_windows

plans = st.tuples(st.integers(1, 90), st.integers(1, 24), st.integers(0, 12), st.integers(0, 20)).filter(
    lambda plan: 2 * plan[2] <= plan[1]
)
few = settings(max_examples=80, deadline=None, derandomize=True)


def join_all(windows: list[Window], results: list[Tensor]) -> list[tuple[int, Tensor]]:
    joiner = WindowJoiner()
    joined: list[tuple[int, Tensor]] = []
    for index, (window, frames) in enumerate(zip(windows, results, strict=True)):
        following = windows[index + 1].start if index + 1 < len(windows) else None
        joined += joiner.join(window.start, frames, following)
    return joined


@few
@given(plans)
def test_every_frame_is_wanted_by_one_or_two_windows(plan: tuple[int, int, int, int]) -> None:
    num_frames, size, overlap, reach = plan
    windows = plan_windows(num_frames, size, overlap, reach)
    wanted = [sum(w.start <= n < w.stop for w in windows) for n in range(num_frames)]
    assert min(wanted) >= 1 and max(wanted) <= 2
    assert windows[0].start == 0 and windows[-1].stop == num_frames
    for before, after in pairwise(windows):
        assert before.stop - after.start == overlap
        assert before.start < after.start and before.stop < after.stop


@few
@given(plans)
def test_windows_read_their_reach_and_keep_what_is_wanted(plan: tuple[int, int, int, int]) -> None:
    num_frames, size, overlap, reach = plan
    for window in plan_windows(num_frames, size, overlap, reach):
        read = list(range(window.first, window.last))
        assert [read[i] for i in window.keep] == list(range(window.start, window.stop))
        assert window.first == max(0, window.start - reach)
        assert window.last == min(num_frames, window.stop + reach)


@few
@given(plans, st.sampled_from([torch.float32, torch.float64]))
def test_windows_that_agree_are_joined_bit_for_bit(plan: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    num_frames, size, overlap, reach = plan
    shot = torch.rand((num_frames, 2, 3), generator=torch.Generator().manual_seed(num_frames)).to(dtype)
    windows = plan_windows(num_frames, size, overlap, reach)
    joined = join_all(windows, [shot[w.start : w.stop].clone() for w in windows])
    assert [number for number, _ in joined] == list(range(num_frames))
    assert torch.equal(torch.stack([frame for _, frame in joined]), shot)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7])
def test_a_constant_comes_out_exactly(value: float) -> None:
    windows = plan_windows(50, 12, 5, 4)
    joined = join_all(windows, [torch.full((w.stop - w.start, 1), value) for w in windows])
    assert all(float(frame) == float(torch.tensor(value)) for _, frame in joined)


def test_a_ramp_comes_out_exactly() -> None:
    windows = plan_windows(50, 12, 5, 4)
    ramp = torch.linspace(0, 1, 50)[:, None]
    joined = join_all(windows, [ramp[w.start : w.stop] for w in windows])
    assert [float(frame) for _, frame in joined] == ramp[:, 0].tolist()


def test_windows_that_differ_fade_without_a_step() -> None:
    windows = plan_windows(20, 12, 4, 0)
    assert [(w.start, w.stop) for w in windows] == [(0, 12), (8, 20)]
    joined = join_all(windows, [torch.zeros(12), torch.ones(12)])
    values = [float(frame) for _, frame in joined]
    assert values[:8] == [0.0] * 8 and values[12:] == [1.0] * 8
    assert values[8:12] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_the_joiner_lets_frames_go_as_early_as_it_can() -> None:
    joiner = WindowJoiner()
    assert [n for n, _ in joiner.join(0, torch.zeros(12), 8)] == list(range(8))
    assert [n for n, _ in joiner.join(8, torch.zeros(12), 16)] == list(range(8, 16))
    assert [n for n, _ in joiner.join(16, torch.zeros(5), None)] == list(range(16, 21))


@pytest.mark.parametrize("plan", [(0, 4, 1, 0), (9, 0, 0, 0), (9, 4, 3, 0), (9, 4, -1, 0), (9, 4, 1, -1)])
def test_windows_that_cannot_cover_are_refused(plan: tuple[int, int, int, int]) -> None:
    with pytest.raises(ConfigError, match="cannot cover"):
        plan_windows(*plan)
