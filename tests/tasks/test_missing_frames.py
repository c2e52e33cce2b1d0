"""Frames left out to be learned from, gaps opened in a plate, and moments of the footage at another speed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from productions import HeldFrames, panning_shot
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.plate_colour import PlateColour
from interpositive.tasks.laying_out import LaidOut
from interpositive.tasks.missing_frames import FramesAsked, MissingFrames, left_out_too
from interpositive.tasks.retiming import longest_gap, moments

NUM_FRAMES = 12


def clean_window(num_frames: int = 24) -> Tensor:
    return torch.from_numpy(panning_shot(1, num_frames).transpose(0, 3, 1, 2).copy())


def reader() -> HeldFrames:
    return HeldFrames((panning_shot(2, NUM_FRAMES) * 255).round().astype(np.uint8))


def lay_out(**asked: Any) -> LaidOut:
    return MissingFrames().lay_out(reader(), FramesAsked(**asked), PlateColour())


def test_gaps_of_the_lengths_asked_for_have_known_frames_on_both_sides() -> None:
    lengths = set()
    for number in range(30):
        example = MissingFrames(gap_frames=(1, 4)).example(clean_window(), generator_from(number))
        missing = example.mask.flatten(1).amin(1).numpy() > 0
        assert not missing[[0, 1, -2, -1]].any() and missing[12], "held-out windows are judged in their middle"
        runs = "".join("x" if m else " " for m in missing).split()
        assert set(example.condition["longest_gap"].tolist()) == {max(map(len, runs))} and len(missing) == 24
        lengths |= {len(run) for run in runs}
        assert example.target is not None
        stand_ins = example.input[torch.from_numpy(missing)]
        known = example.target[torch.from_numpy(~missing)]
        assert all(any(torch.equal(frame, k) for k in known) for frame in stand_ins), "what is missing is not seen"
    assert lengths == {1, 2, 3, 4}


def test_spoilt_frames_are_masked_and_all_others_stay() -> None:
    laid_out = lay_out(gaps=[(3, 5)], insert=[(8, 2)])
    assert laid_out.mask is not None and len(laid_out.plate) == NUM_FRAMES + 2 and laid_out.speed is None
    made_up = laid_out.mask.window(0, 14).reshape(14, -1)
    assert made_up.min(1).tolist() == made_up.max(1).tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0]
    shown = [0, 1, 2, 2, 5, 5, 6, 7, 8, 8, 9, 9, 10, 11]
    np.testing.assert_array_equal(laid_out.plate.window(0, 14), reader().codes[shown])
    assert "4 frames are made up: 3-4, 9-10" in laid_out.notes[0]
    assert laid_out.reach == 3, "two known frames on either side"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"gaps": [(0, 2)]},
        {"gaps": [(10, 12)]},
        {"gaps": [(5, 30)]},
        {"insert": [(11, 1)]},
        {"insert": [(3, 40)]},
        {"speed": 0.0},
        {"speed": [(0, 1.0), (0, 0.5)]},
        {"speed": 0.5, "gaps": [(3, 4)]},
    ],
)
def test_what_cannot_be_made_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        lay_out(**asked)


def test_half_speed_shows_every_frame_and_a_moment_between_each_two() -> None:
    laid_out = lay_out(speed=0.5)
    assert laid_out.reach == 0, "what helps is among the sources"
    assert laid_out.mask is not None and len(laid_out.plate) == 23 and laid_out.speed == "1/2"
    assert laid_out.mask.window(0, 23).max((1, 2)).tolist() == [0, 1] * 11 + [0]
    np.testing.assert_array_equal(laid_out.plate.window(0, 23)[::2], reader().codes)
    condition = laid_out.condition(10, 13)
    assert condition["times"].tolist() == [5.0, 5.5, 6.0] and condition["source_times"].tolist() == list(range(3, 9))
    assert condition["sources"].shape == (6, 3, 64, 96) and not condition["shutter"].any()


def test_an_open_shutter_makes_every_frame_anew() -> None:
    laid_out = lay_out(speed=2.0, shutter=0.5)
    assert laid_out.mask is not None and len(laid_out.plate) == 6
    assert laid_out.mask.window(0, 6).min() == 1 and set(laid_out.condition(0, 6)["shutter"].tolist()) == {1.0}


def test_a_speed_curve_is_the_integral_of_its_keys() -> None:
    times, speeds = moments([(0, 1.0), (4, 0.5)], 100)
    assert times[:6].tolist() == pytest.approx([0, 0.9375, 1.75, 2.4375, 3.0, 3.5])
    assert speeds[4:].tolist() == [0.5] * (len(speeds) - 4) and 98.5 <= times[-1] <= 99


def window_of(laid_out: LaidOut, first: int, last: int) -> Example:
    assert laid_out.mask is not None
    frames = torch.from_numpy(laid_out.plate.window(first, last)).permute(0, 3, 1, 2) / 255
    mask = torch.from_numpy(laid_out.mask.window(first, last))[:, None]
    return Example(frames, mask, condition=dict(laid_out.condition(first, last)))


def test_known_frames_of_the_shot_are_held_out() -> None:
    request = window_of(lay_out(gaps=[(5, 7)]), 0, 12)
    for number in range(8):
        held_out = MissingFrames().hold_out(request, range(0, 12), generator_from(number), (0.1, 0.2))
        assert held_out is not None and held_out.target is not None
        judged = held_out.condition["judged"].flatten(1).amin(1).nonzero().flatten().tolist()
        assert judged in ([2], [9], [2, 9]), "two known frames on either side"
        assert (held_out.mask[judged] == 1).all()
        assert torch.equal(held_out.target[judged], request.input[judged])


def test_a_window_without_a_gap_is_tried_as_the_shots_longest() -> None:
    request = window_of(lay_out(gaps=[(9, 11)]), 0, 8)
    held_out = MissingFrames().hold_out(request, range(0, 8), generator_from(0), (0.1, 0.2))
    assert held_out is not None
    assert len(held_out.condition["judged"].flatten(1).amin(1).nonzero()) == 2


@pytest.mark.parametrize(("longest", "tried_in_a_row"), [(1, 1), (2, 2), (3, 3), (8, 8), (16, 10)])
def test_gaps_are_tried_as_long_as_there_is_room(longest: int, tried_in_a_row: int) -> None:
    missing = np.zeros(30, bool)
    missing[[8, 9, 10, 14, 29]] = True
    seen = np.zeros(30, bool)
    for number in range(30):
        tried = left_out_too(missing, longest, generator_from(number))
        assert longest_gap(tried) == tried_in_a_row and not (tried & missing).any()
        assert tried_in_a_row <= tried.sum() <= max(8, tried_in_a_row)
        known = ~(missing | tried)
        for first in np.flatnonzero(tried & ~np.roll(tried, 1)):
            beside = [first - 2, first - 1, first + tried_in_a_row, first + tried_in_a_row + 1]
            assert known[beside].all()
        seen |= tried
    # Whatever has room: the first eight frames, and those from 15 to 28.
    assert seen.sum() == {1: 4 + 10, 2: 4 + 10, 3: 4 + 10, 8: 10, 16: 10}[longest]


def test_what_is_far_shorter_than_the_gap_is_not_tried() -> None:
    missing = np.array([False] * 5 + [True] * 7 + [False] * 5)
    assert not left_out_too(missing, 7, generator_from(0)).any()
    assert longest_gap(left_out_too(missing, 6, generator_from(0))) == 3, "one known frame on either side"
    assert longest_gap(left_out_too(missing, 2, generator_from(0))) == 1, "two"


def test_where_no_known_frame_has_known_neighbours_nothing_is_tried() -> None:
    missing = np.array([False, False, True, True, False, True, False, False])
    assert not left_out_too(missing, 2, generator_from(0)).any()
    mask = torch.from_numpy(missing)[:, None, None, None].expand(8, 1, 4, 4).float()
    request = Example(torch.zeros(8, 3, 4, 4), mask)
    assert MissingFrames().hold_out(request, range(0, 8), generator_from(0), (0.1, 0.2)) is None


def test_a_retime_is_held_out_on_its_footage() -> None:
    laid_out = lay_out(speed=0.7)
    assert laid_out.mask is not None
    mask = torch.from_numpy(laid_out.mask.window(4, 10))[:, None]
    request = Example(torch.zeros(6, 3, 64, 96), mask, condition=dict(laid_out.condition(4, 10)))
    held_out = MissingFrames().hold_out(request, range(0, 6), generator_from(1), (0.1, 0.2))
    assert held_out is not None and held_out.target is not None and "sources" not in held_out.condition
    assert torch.equal(held_out.target, request.condition["sources"])
