"""What moves further than its own size: found on both sides of a gap, whole in between, and nothing else is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from productions import panning_shot

from interpositive.motion.in_between import Surroundings, read

HEIGHT, WIDTH, RADIUS = 144, 240, 11
GAP = [3.0, 4.0, 12.0, 13.0]


def ball_at(x: float, y: float) -> NDArray[np.bool_]:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside: NDArray[np.bool_] = (xs - x) ** 2 + (ys - y) ** 2 <= RADIUS**2
    return inside


def place(time: float, bend: float = 0.0) -> tuple[float, float]:
    """Thrown from the left at 9 px a frame; with ``bend`` it rises and falls."""
    share = (time - 4) / 8
    return 60 + 9 * (time - 4), 70 - 4 * bend * (share - share * share)


def thrown(bend: float = 0.0, speed_px: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
    frames = panning_shot(3, 17, height=HEIGHT, width=WIDTH, speed_px=speed_px, actor=False)
    draw = np.random.default_rng(1)
    skin = cv2.GaussianBlur(draw.random((HEIGHT, WIDTH, 1), np.float32), (0, 0), 2.0)[..., None]
    skin = 0.85 + 0.6 * (skin - skin.mean())
    for time, frame in enumerate(frames):
        x, y = place(time, bend)
        worn = cv2.warpAffine(skin, np.array([[1.0, 0, x - 60], [0, 1.0, y - 70]]), (WIDTH, HEIGHT))[..., None]
        frame[:] = np.where(ball_at(x, y)[..., None], np.clip(worn, 0, 1), frame)
    return frames


def around_gap(frames: NDArray[np.float32]) -> Surroundings:
    return Surroundings([frames[int(time)] for time in GAP], GAP, 1, 432)


@pytest.mark.parametrize("speed_px", [(0.0, 0.0), (1.5, 0.5)])
def test_a_ball_is_found_and_is_whole_where_it_is_by_then(speed_px: tuple[float, float]) -> None:
    frames = thrown(speed_px=speed_px)
    around = around_gap(frames)
    (mover,) = around.movers
    assert np.allclose(mover.moved, (72, 0), atol=1.0)
    share = around.share(8.0)
    ball = ball_at(*place(8))
    there = mover.at(share)
    assert (there & ball).sum() > 0.9 * ball.sum() and there.sum() < 1.3 * ball.sum()
    core = cv2.erode(ball.astype(np.uint8), np.ones((5, 5))) > 0
    for name, reading in around.readings(share).items():
        for side, flow in zip(around.sides, (reading.before, reading.after), strict=True):
            assert np.abs(read(side, flow) - frames[8])[core].mean() < 0.05, name


def test_a_thrown_ball_rises_and_falls() -> None:
    around = around_gap(thrown(bend=20.0))
    (mover,) = around.movers
    for time in (6.0, 8.0, 10.0):
        x, y = mover.come(around.share(time))
        wanted = np.subtract(place(time, 20.0), place(4, 20.0))
        assert np.allclose((x, y), wanted, atol=4.0), time
    assert wanted[1] < -10, "or a straight line would do"


def test_where_it_has_left_a_side_is_not_to_be_read() -> None:
    around = around_gap(thrown())
    share = around.share(8.0)
    flow = around.readings(share)["camera"]
    gone, to_come, between = (ball_at(*place(time)) for time in (4, 12, 8))
    from_before = around.has_left(share, around.before, flow.before)
    from_after = around.has_left(share, around.before + 1, flow.after)
    assert from_before[gone].mean() > 0.9 and not from_before[to_come].any()
    assert from_after[to_come].mean() > 0.9 and not from_after[gone].any()
    assert not from_before[between].any() and around.has_left(share, around.before, None)[between].mean() > 0.9


def test_what_one_side_alone_shows_is_not_a_mover() -> None:
    frames, empty = thrown(), panning_shot(3, 17, height=HEIGHT, width=WIDTH, speed_px=(0.0, 0.0), actor=False)
    shown = [frames[3], frames[4], empty[12], empty[13]]
    assert Surroundings(shown, GAP, 1, 432).movers == []


@pytest.mark.parametrize("speed_px", [(0.0, 0.0), (3.5, 0.5)])
def test_a_camera_and_a_slow_actor_are_no_movers(speed_px: tuple[float, float]) -> None:
    assert around_gap(panning_shot(5, 17, height=HEIGHT, width=WIDTH, speed_px=speed_px)).movers == []


def test_without_a_frame_further_out_nothing_is_looked_for() -> None:
    frames = thrown()
    assert Surroundings([frames[4], frames[12], frames[13]], [4.0, 12.0, 13.0], 0, 432).movers == []
