"""What moves further than its own size: found on both sides of a gap, whole in between, and nothing else is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from productions import panning_shot
from thrown_ball import HEIGHT, RADIUS, WIDTH, ball_at, place, thrown

from interpositive.mini_models.frame_fill import bank_of
from interpositive.motion.in_between import Surroundings, read
from interpositive.motion.movers import Mover, Side, find_movers

GAP = [3.0, 4.0, 12.0, 13.0]


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


WALL = panning_shot(3, 1, height=HEIGHT, width=WIDTH, speed_px=(0.0, 0.0), actor=False)[0]
STILL = np.zeros((HEIGHT, WIDTH, 2), np.float32)
RIGHT = np.asarray((72.0, 0.0), np.float32)


def worn(picture: NDArray[np.float32], x: float, *, mixed: float = 0.0) -> NDArray[np.float32]:
    """A picture with a ball at ``x`` whose skin is partly another's."""
    size = 2 * RADIUS + 1
    skins = [np.random.default_rng(number).random((size, size, 3)).astype(np.float32) for number in (1, 99)]
    ball, shown = ball_at(x, 70), picture.copy()
    skin = (1 - mixed) * skins[0] + mixed * skins[1]
    shown[ball] = skin[ball_at(60, 70)[70 - RADIUS : 71 + RADIUS, 60 - RADIUS : 61 + RADIUS]]
    return shown


def leaving(*speeds: tuple[NDArray[np.bool_], tuple[float, float]]) -> NDArray[np.float32]:
    """Where a frame further out has each of these regions, over as long as the gap."""
    flow = STILL.copy()
    for region, speed in speeds:
        flow[region] = speed
    return flow


def movers_between(
    before: NDArray[np.float32], leaves: NDArray[np.float32], after: NDArray[np.float32], comes: NDArray[np.float32]
) -> list[Mover]:
    return find_movers(Side(before, leaves, after - before), Side(after, comes, before - after))


def test_what_is_kicked_in_between_goes_straight() -> None:
    here, there = ball_at(60, 70), ball_at(132, 70)
    shown = worn(WALL, 60), worn(WALL, 132)
    # Falling before, rising after: the two speeds would bend it to either side.
    (mover,) = movers_between(shown[0], leaving((here, (-30, -60))), shown[1], leaving((there, (30, -60))))
    assert np.allclose(mover.come(0.5), RIGHT / 2, atol=0.5)


def test_another_thing_at_the_other_end_is_not_it() -> None:
    comes = leaving((ball_at(132, 70), (70, 0)))
    leaves = leaving((ball_at(60, 70), (-70, 0)))
    assert len(movers_between(worn(WALL, 60), leaves, worn(WALL, 132), comes)) == 1
    assert movers_between(worn(WALL, 60), leaves, worn(WALL, 132, mixed=0.5), comes) == []


def test_a_twin_that_stands_by_is_not_where_it_went() -> None:
    beside = worn(WALL, 90)
    leaves, comes = leaving((ball_at(60, 70), (-70, 0))), leaving((ball_at(120, 70), (70, 0)))
    (mover,) = movers_between(worn(beside, 60), leaves, worn(beside, 120, mixed=0.1), comes)
    assert np.allclose(mover.moved, (60, 0))


def test_of_two_that_went_the_one_that_is_found_back_is_it() -> None:
    before = worn(worn(WALL, 60, mixed=0.2), 190)
    leaves = leaving((ball_at(60, 70), (-70, 0)), (ball_at(190, 70), (70, 0)))
    (mover,) = movers_between(before, leaves, worn(WALL, 132), leaving((ball_at(132, 70), (70, 0))))
    assert np.allclose(mover.moved, (132 - 190, 0))


def test_a_part_of_what_is_found_back_is_not_it() -> None:
    sliver = ball_at(132, 70) & (np.arange(HEIGHT)[:, None] > 74)
    leaves, comes = leaving((ball_at(60, 70), (-70, 0))), leaving((sliver, (70, 0)))
    assert movers_between(worn(WALL, 60), leaves, worn(WALL, 132), comes) == []


def test_what_turns_as_it_goes_is_one() -> None:
    ball, upper = ball_at(60, 70), np.arange(HEIGHT)[:, None] < 70
    leaves = leaving((ball & upper, (-110, 0)), (ball & ~upper, (-40, 0)))
    (mover,) = movers_between(worn(WALL, 60), leaves, worn(WALL, 132), leaving((ball_at(132, 70), (70, 0))))
    assert mover.before.sum() > 0.95 * ball.sum() and mover.shape.sum() > 0.9 * ball.sum()


def test_what_one_side_shows_otherwise_is_bridged() -> None:
    spotted, ball = worn(WALL, 132), ball_at(132, 70)
    spot = np.zeros_like(ball)
    spot[67:74, 130:135] = True
    spotted[spot] = worn(WALL, 60)[spot]
    leaves, comes = leaving((ball_at(60, 70), (-70, 0))), leaving((ball & ~spot, (70, 0)))
    (mover,) = movers_between(worn(WALL, 60), leaves, spotted, comes)
    assert (mover.at(1.0) & spot).sum() > 0.8 * spot.sum()


def test_the_ground_is_read_as_if_no_mover_had_been_there() -> None:
    around = around_gap(thrown())
    share = around.share(8.0)
    passed = ball_at(*place(4)) & ~around.movers[0].at(share)
    # With the ball's own flow among what is splatted it is 0.25 px.
    assert np.abs(around.readings(share)["steady"].before)[passed].mean() < 0.22


def test_what_lies_beyond_is_not_read_where_its_side_shows_the_mover() -> None:
    around = around_gap(thrown())
    valid = bank_of(around, 8.0)["valid"][:, 0].numpy() > 0
    for bent, further, time in ((2, 10, 4), (3, 11, 12)):
        gone = ball_at(*place(time), radius=RADIUS - 2)
        assert not valid[bent][gone].any() and not valid[further][gone].any()
