"""The flicker score: what it counts, what it leaves out, when and where, and how it is streamed."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import MediaError
from interpositive.metrics.flicker_courses import (
    JUST_VISIBLE,
    lone_changes,
    lone_returns,
    to_and_fro,
    unexcused_steps,
    worst_mean,
)
from interpositive.metrics.flicker_score import FlickerScore
from interpositive.metrics.flicker_traces import shift, working_picture

HEIGHT, WIDTH, FRAMES = 120, 192, 24


def scene(num_frames: int = FRAMES, *, pan: int = 0, grain: float = 0.0, seed: int = 3) -> Tensor:
    """A still or panned picture of soft blobs and finer texture about mid grey, ``t 3 h w``, with fresh grain."""
    rng = np.random.default_rng(seed)
    wide = WIDTH + abs(pan) * num_frames
    picture = np.full((HEIGHT, wide), 0.5, np.float32)
    for sigma, share in ((12.0, 0.08), (3.0, 0.04), (1.2, 0.02)):
        field = cv2.GaussianBlur(rng.standard_normal((HEIGHT, wide)).astype(np.float32), (0, 0), sigma)
        picture += share * field / field.std()
    frames = np.stack([picture[:, place * pan : place * pan + WIDTH] for place in range(num_frames)])
    frames = frames + grain * rng.standard_normal(frames.shape).astype(np.float32)
    return torch.from_numpy(frames.clip(0, 1).astype(np.float32))[:, None].expand(-1, 3, -1, -1).contiguous()


def times(frames: Tensor, gains: NDArray[np.float64]) -> Tensor:
    """Codes times a gain a frame (``t``) or a gain a frame and pixel (``t h w``)."""
    shaped = gains.reshape(len(gains), 1, *(gains.shape[1:] or (1, 1)))
    return (frames * torch.from_numpy(shaped).float()).clamp(0, 1)


def score(result: Tensor, source: Tensor | None = None) -> float:
    return judged(result, source).shot_values()["flicker_score_dis"]


def judged(result: Tensor, source: Tensor | None = None) -> FlickerScore:
    metric = FlickerScore()
    metric.update(result, plate=result if source is None else source)
    return metric


def alternating(share: float, num_frames: int = FRAMES) -> NDArray[np.float64]:
    return np.asarray(1 + share / 2 * (-1.0) ** np.arange(num_frames), np.float64)


def boiled(frames: Tensor, deviation: float, seed: int = 5) -> Tensor:
    """Fresh texture of a few pixels on every frame."""
    rng = np.random.default_rng(seed)
    fields = rng.standard_normal((len(frames), *frames.shape[-2:])).astype(np.float32)
    fields = np.stack([cv2.GaussianBlur(f, (0, 0), 1.6) - cv2.GaussianBlur(f, (0, 0), 5.0) for f in fields])
    return (frames + deviation * torch.from_numpy(fields / fields.std())[:, None]).clamp(0, 1)


def test_a_gain_that_alternates_scores_its_change_over_the_just_visible_one() -> None:
    """A grey card that goes to and fro by three percent of code values, whatever the channels are worth."""
    card = torch.full((12, 3, 96, 160), 0.5)
    assert score(times(card, alternating(0.06, 12)), card) == pytest.approx(3.0 / JUST_VISIBLE["tone"], rel=1e-3)


def test_a_still_card_scores_nothing() -> None:
    assert score(torch.full((8, 3, 96, 160), 0.5)) == 0.0


@pytest.mark.parametrize("source", ["itself", "reference"])
def test_more_gain_flicker_scores_more(source: str) -> None:
    steady = scene(pan=2, grain=0.01)
    shots = [times(steady, alternating(share)) for share in (0.01, 0.03, 0.1)]
    scores = [score(shot, shot if source == "itself" else steady) for shot in shots]
    assert scores == sorted(scores)
    assert scores[-1] > 6 * scores[0] > 0.5


def test_more_boiling_scores_more() -> None:
    steady = scene(pan=2)
    scores = [score(boiled(steady, deviation)) for deviation in (0.0, 0.01, 0.03)]
    assert scores == sorted(scores)
    assert scores[0] < 0.3 and scores[-1] > 2


def wobbled(frames: Tensor, deviation: float, seed: int = 8) -> Tensor:
    """Smooth shifts of so many pixels' deviation, fresh on every frame."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    wobbling = []
    for frame in frames.numpy().transpose(0, 2, 3, 1):
        shift = np.stack([cv2.GaussianBlur(f, (0, 0), 12.0) for f in rng.standard_normal((2, HEIGHT, WIDTH))])
        shift = (deviation * shift / shift.std()).astype(np.float32)
        wobbling.append(cv2.remap(frame, xs + shift[0], ys + shift[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    return torch.from_numpy(np.stack(wobbling)).permute(0, 3, 1, 2).clamp(0, 1)


def test_wobble_shows_though_the_motion_was_measured_on_the_wobbling_picture() -> None:
    assert score(wobbled(scene(), 0.5)) > 1 > 4 * score(scene())


def test_wobble_against_a_steady_source_grows_with_its_size() -> None:
    steady = scene(pan=2)
    channels = []
    for deviation in (0.1, 0.2, 0.4):
        flicker = judged(wobbled(steady, deviation), steady).flicker()
        assert flicker is not None
        channels.append(float(np.median(flicker.channels["wobble"])))
    assert channels[1] / channels[0] == pytest.approx(2.0, rel=0.2)
    assert channels[2] / channels[1] == pytest.approx(2.0, rel=0.2)


def test_grain_and_a_difference_that_stays_are_no_wobble_against_the_source() -> None:
    steady = scene()
    rng = np.random.default_rng(4)
    grained = (steady + 0.02 * torch.from_numpy(rng.standard_normal(steady.shape)).float()).clamp(0, 1)
    kept = torch.roll(steady, 1, dims=-1)
    kept[..., 30:80, 60:120] = 0.4
    for result in (grained, kept):
        flicker = judged(result, steady).flicker()
        assert flicker is not None
        assert flicker.channels["wobble"].max() < 0.1


def test_a_wobbling_source_that_was_steadied_wobbles_less_than_itself() -> None:
    steady = scene()
    wobbling = wobbled(steady, 0.3)
    steadied, itself = (judged(result, wobbling).flicker() for result in (steady, wobbling))
    assert steadied is not None and itself is not None
    assert worst_mean(steadied.channels["wobble"]) < 0.5 * worst_mean(itself.channels["wobble"])


def test_a_shift_against_the_source_is_found() -> None:
    """A whole picture a third of a pixel to the right and a fifth up of where the source has it."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    source = scene(1)[0]
    moved = cv2.remap(source[0].numpy(), xs - 0.33, ys + 0.2, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    result = torch.from_numpy(moved)[None].expand(3, -1, -1).clamp(0, 1)
    across, down = shift(working_picture(result), working_picture(source))[:, 1:-1, 1:-1]
    assert across.mean() == pytest.approx(0.33, rel=0.15)
    assert down.mean() == pytest.approx(-0.2, rel=0.15)


def test_a_lamp_that_comes_on_a_fade_and_a_passing_shadow_are_light() -> None:
    steady = scene(grain=0.01)
    ys, xs = np.mgrid[:HEIGHT, :WIDTH]
    field = 0.1 + 0.5 * np.exp(-((xs - 60) ** 2 + (ys - 40) ** 2) / 2 / 40**2)
    lit = (np.arange(FRAMES) >= 11)[:, None, None]
    assert score(times(steady, 1 + lit * field)) < 0.3
    assert score(times(steady, np.linspace(1.0, 0.6, FRAMES))) < 0.3
    centre = np.linspace(-60, WIDTH + 60, 2 * FRAMES)[:, None]
    shadow = 1 - 0.4 / (1 + np.exp((np.abs(np.arange(WIDTH)[None] - centre) - 30) / 4))
    assert score(times(scene(2 * FRAMES, grain=0.01), np.repeat(shadow[:, None], HEIGHT, 1))) < 0.3


def test_a_camera_that_moves_and_grain_are_no_flicker() -> None:
    assert score(scene(pan=3, grain=0.015)) < 0.5
    assert score(scene(grain=0.015)) < 0.5


def test_exposure_that_jumps_there_and_back_counts_and_so_does_one_bad_frame() -> None:
    steady = scene(grain=0.01)
    steps = np.ones(FRAMES)
    steps[9:16] = 1.06
    assert score(times(steady, steps)) > 1
    flash = np.ones(FRAMES)
    flash[12] = 1.06
    assert score(times(steady, flash)) > 1


def test_a_lone_jump_all_over_counts_only_where_the_source_lacks_it() -> None:
    steady = scene(grain=0.01)
    jumped = times(steady, np.where(np.arange(FRAMES) < 12, 1.0, 1.06))
    assert score(jumped) < 0.3
    assert score(jumped, steady) > 1
    assert score(steady, jumped) < 0.3


def test_a_jump_of_sharpness_counts_where_the_source_lacks_it() -> None:
    steady = scene(grain=0.005)
    blurred = torch.nn.functional.avg_pool2d(steady, 5, stride=1, padding=2, count_include_pad=False)
    softer = torch.where((torch.arange(FRAMES) < 12)[:, None, None, None], steady, 0.5 * (steady + blurred))
    assert score(softer, steady) > 2 * score(softer)


def test_a_steady_result_of_a_flickering_plate_scores_low() -> None:
    steady = scene(pan=2, grain=0.01)
    flickering = times(steady, alternating(0.2))
    assert score(steady, flickering) < 0.5 < 2 < score(flickering)


def test_says_when_and_where() -> None:
    gains = np.ones((FRAMES, HEIGHT, WIDTH))
    gains[8:18, :72, 96:] = alternating(0.2)[8:18, None, None]
    metric = judged(times(scene(grain=0.01), gains))
    metric.shot_values()
    curve = np.array(metric.curves["flicker_score_dis"])
    assert math.isnan(curve[0]) and len(curve) == FRAMES
    assert curve[10:16].min() > 3 * max(curve[1:4].max(), curve[-2:].max())
    region = metric.worst_region()
    assert region is not None
    assert 5 <= region.frames[0] <= 10 and 15 <= region.frames[1] <= 21
    assert 72 <= region.x[0] <= 120 and region.x[1] == WIDTH
    assert region.y[0] == 0 and 48 <= region.y[1] <= 96
    assert "right" in region.words and "brightness" in region.words


def test_windows_of_any_length_give_the_same() -> None:
    frames = times(scene(pan=1, grain=0.01), alternating(0.05))
    whole = judged(frames)
    for lengths in ([1] * FRAMES, [5, 1, 11, 7]):
        metric = FlickerScore()
        for window in torch.split(frames, lengths):
            metric.update(window, plate=window)
        assert metric.shot_values() == whole.shot_values()
        assert metric.curves["flicker_score_dis"][1:] == whole.curves["flicker_score_dis"][1:]


def test_flicker_in_the_second_half_shows_in_the_whole() -> None:
    steady = scene(grain=0.01)
    gains = np.where(np.arange(FRAMES) < 12, 1.0, alternating(0.1))
    assert score(times(steady, gains)) > 2 * score(steady[:12])


def test_shots_are_averaged_and_runs_agree() -> None:
    flickering, steady = times(scene(), alternating(0.08)), scene()
    metric = FlickerScore()
    metric.update(flickering, plate=flickering)
    metric.end_shot()
    metric.update(steady, plate=steady)
    mean = (score(flickering) + score(steady)) / 2
    assert float(metric.compute()["flicker_score_dis"]) == pytest.approx(mean)
    assert score(flickering) == score(flickering)


def test_one_frame_is_not_defined_and_empty_windows_are_refused() -> None:
    metric = FlickerScore()
    assert math.isnan(metric.shot_values()["flicker_score_dis"]) and metric.worst_region() is None
    metric.update(scene(1), plate=scene(1))
    assert math.isnan(metric.shot_values()["flicker_score_dis"])
    with pytest.raises(MediaError, match="empty"):
        FlickerScore().update(scene(1)[:0], plate=scene(1)[:0])
    with pytest.raises(MediaError, match="a reference or a plate"):
        FlickerScore().update(scene(2))


def test_small_single_channel_and_large_pictures_are_judged() -> None:
    grey = times(scene(6)[:, :1, :20, :30], alternating(0.1, 6))
    assert score(grey) > 1
    large = torch.nn.functional.interpolate(times(scene(6), alternating(0.1, 6)), scale_factor=3, mode="bilinear")
    assert score(large) == pytest.approx(score(times(scene(6), alternating(0.1, 6))), rel=0.15)


def test_to_and_fro_wants_three_changes() -> None:
    course = np.zeros((20, 1))
    course[[4, 9]] = [[2.0], [-3.0]]
    assert not to_and_fro(course).any()
    course[14] = 5.0
    assert to_and_fro(course)[[4, 9, 14], 0].tolist() == [2.0, 2.0, 2.0]
    assert not to_and_fro(course, reach=3).any()


def test_lone_changes_stand_out_of_their_neighbours() -> None:
    course = np.array([0.0, 0.0, 3.0, 1.0, 0.0, 0.0, -2.0, 0.0])
    assert lone_changes(course).tolist() == [0.0, 0.0, 1.5, 0.0, 0.0, 0.0, -2.0, 0.0]
    bad_frame = np.array([0.0, 0.0, 3.0, -2.0, 0.0, 0.0])
    assert lone_returns(bad_frame).tolist() == [0.0, 0.0, 2.0, 2.0, 0.0, 0.0]
    assert not lone_returns(np.abs(bad_frame)).any()


def test_one_change_in_one_direction_is_excused() -> None:
    lone = np.zeros((30, 2, 2))
    lone[5] = 2.0
    assert not unexcused_steps(lone).any()
    lone[5, 0] = -2.0
    assert unexcused_steps(lone)[5] == 2.0
    assert not unexcused_steps(lone, both_ways=False).any()
    lone[5], lone[20] = 2.0, 0.5
    assert unexcused_steps(lone)[[5, 20]].tolist() == [0.5, 0.5]


def test_one_bad_pair_in_24_still_shows() -> None:
    curve = np.zeros(48)
    curve[[7, 31]] = 2.0
    assert worst_mean(curve) == 2.0
    assert worst_mean(np.ones(1)) == 1.0
