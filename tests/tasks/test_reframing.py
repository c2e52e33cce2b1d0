"""A new frame over a plate: by whole pixels without loss, along a path, scaled and turned where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from productions import HeldFrames, panning_shot
from torch.nn import functional

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.plate_colour import PlateColour
from interpositive.tasks.laying_out import LaidOut
from interpositive.tasks.reframing import FramingAsked, Reframing

NUM_FRAMES = 6


def codes() -> Any:
    return (panning_shot(2, NUM_FRAMES) * 65535).round().astype(np.uint16)


def lay_out(**asked: Any) -> LaidOut:
    return Reframing().lay_out(HeldFrames(codes()), FramingAsked(**asked), PlateColour())


def test_a_wider_frame_holds_the_plate_bit_for_bit_in_its_middle() -> None:
    laid_out = lay_out(size=(128, 64))
    assert laid_out.mask is not None and (laid_out.plate.info.width, laid_out.plate.info.height) == (128, 64)
    found, mask = laid_out.plate.window(1, 4), laid_out.mask.window(1, 4)
    np.testing.assert_array_equal(found[:, :, 16:112], codes()[1:4])
    assert mask[:, :, 16:112].max() == 0 and mask[:, :, :16].min() == mask[:, :, 112:].min() == 1
    assert not found[:, :, :16].any() and "bit for bit" in laid_out.notes[0]


def test_an_aspect_widens_or_heightens() -> None:
    for aspect, size in ((2.0, (128, 64)), (1.0, (96, 96)), (1.5, (96, 64))):
        info = lay_out(aspect=aspect).plate.info
        assert (info.width, info.height) == size


def test_the_frame_moves_along_its_path_by_whole_pixels() -> None:
    laid_out = lay_out(size=(96, 64), x=[(0, 0), (5, 10.0)], y=-4)
    assert laid_out.mask is not None
    for number in range(NUM_FRAMES):
        shift = 2 * number
        frame, mask = laid_out.plate.window(number, number + 1)[0], laid_out.mask.window(number, number + 1)[0]
        np.testing.assert_array_equal(frame[4:, : 96 - shift], codes()[number, :60, shift:])
        assert mask[4:, : 96 - shift].max() == 0 and mask[:4].min() == 1 and mask[:, 96 - shift :].min(initial=1) == 1


def test_a_scaled_plate_is_resampled_and_says_so() -> None:
    laid_out = lay_out(size=(96, 64), scale=0.5, roll=90)
    assert laid_out.mask is not None and "resampled plate" in laid_out.notes[0]
    mask = laid_out.mask.window(0, 1)[0]
    assert mask[32, 48] == 0 and mask[32, 8] == mask[32, 88] == 1
    assert 0.1 < 1 - mask.mean() < 96 * 64 / 4 / (96 * 64)
    turned = np.rot90(codes()[0].astype(float))[::2, ::2]
    found = laid_out.plate.window(0, 1)[0].astype(float)[8:56, 32:64][:48]
    assert np.corrcoef(found[8:40, 4:28].ravel(), turned[8:40, 4:28].ravel())[0, 1] > 0.8


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"size": (128, 64), "aspect": 2.0},
        {"size": (127, 64)},
        {"size": (8, 8)},
        {"size": (96, 64), "x": 500},
        {"size": (96, 64), "scale": 0.0},
        {"size": (96, 64), "x": []},
    ],
)
def test_what_is_no_frame_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        lay_out(**asked)


def test_a_shot_is_held_out_by_its_own_border_over_what_it_shows() -> None:
    laid_out = lay_out(size=(128, 64))
    assert laid_out.mask is not None
    frames = torch.from_numpy(laid_out.plate.window(0, 6) / np.float32(65535)).permute(0, 3, 1, 2)
    request = Example(frames, torch.from_numpy(laid_out.mask.window(0, 6))[:, None])
    held_out = Reframing().hold_out(request, range(2, 4), generator_from(0), (0.1, 0.2))
    assert held_out is not None and held_out.target is not None
    judged = held_out.condition["judged"]
    assert judged.flatten(1).any(1).tolist() == [False, False, True, True, False, False]
    # The plate is 96 x 64 in the middle, and 96 x 48 of it have the frame's shape; its own pixels are the truth.
    assert torch.equal(held_out.target, frames[..., 8:56, 16:112])
    border = functional.interpolate(request.mask, (48, 96))
    assert torch.equal(judged[2:4], border[2:4]) and torch.equal(held_out.mask, border)
    assert not (held_out.input * held_out.mask).any(), "what is hidden is not seen"


def test_a_frame_that_wanders_is_held_out_where_all_frames_show_it() -> None:
    request = Example(torch.rand(4, 3, 32, 64, generator=generator_from(1)), torch.zeros(4, 1, 32, 64))
    request.mask[:2, ..., :16], request.mask[2:, ..., 48:] = 1.0, 1.0
    lent = {"lent_frames": torch.zeros(1, 3, 32, 64), "lent_homographies": torch.eye(3).double().expand(4, 1, 3, 3)}
    request = replace(request, condition=lent)
    held_out = Reframing().hold_out(request, range(1, 3), generator_from(0), (0.1, 0.2))
    assert held_out is not None
    assert torch.equal(held_out.condition["judged"][1:3], functional.interpolate(request.mask, (16, 32))[1:3])
    # All frames show columns 16 to 48, and 16 rows of them.
    corner = held_out.condition["lent_homographies"][0, 0] @ torch.tensor([0.0, 0.0, 1.0]).double()
    assert corner.tolist() == [16.0, 8.0, 1.0]
    for mask in (torch.ones(4, 1, 32, 64), torch.zeros(4, 1, 32, 64)):
        assert Reframing().hold_out(replace(request, mask=mask), range(4), generator_from(0), (0.1, 0.2)) is None
