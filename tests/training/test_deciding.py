"""Which checkpoint is kept, what is flagged, and when training ends: from numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import interpositive.training  # noqa: F401  isort: skip
from interpositive.errors import ConfigError
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.measures import MetricInfo
from interpositive.training.deciding import reason_to_stop, score_info, with_point

PSNR = MetricInfo(name="psnr_hole", unit="dB", direction="higher", meaning="")
FLICKER = MetricInfo(name="e_warp_rel_dis_hole", unit="ratio", direction="lower", meaning="")
LUMA = MetricInfo(name="luma", unit="code", direction="neither", meaning="")
SAME = (1.0,) * 8


def course_of(
    *evaluations: tuple[float, Sequence[float | None], Sequence[float | None]], score: MetricInfo = PSNR
) -> HeldOutCourse:
    """From loss, score by window and flicker by window of each evaluation, a hundred steps apart."""
    course = HeldOutCourse(
        score=score.name,
        higher_is_better=score.direction == "higher",
        method="trained",
        metrics=[PSNR, FLICKER],
        windows=[f"window {i}" for i in range(len(evaluations[0][1]))],
    )
    for number, (loss, scores, flicker) in enumerate(evaluations, start=1):
        found = {"psnr_hole": list(scores), "e_warp_rel_dis_hole": list(flicker)}
        methods = {"prior": found, "trained": found} if number == 1 else {"trained": found}
        course = with_point(course, 100 * number, loss, methods, 1.0)
    return course


def around(mean: float, spread: float = 1.0, num: int = 8, seed: int = 0) -> list[float]:
    """Numbers of windows that differ much from each other, and in the same way each time for a seed."""
    return (mean + spread * np.random.default_rng(seed).normal(size=num)).tolist()


def test_the_best_mean_is_kept_and_of_equals_the_first() -> None:
    assert course_of((1, around(30), SAME), (1, around(31), SAME), (1, around(30.5), SAME)).kept_step == 200
    assert course_of((1, around(30), SAME), (1, around(30), SAME)).kept_step == 100
    lower = course_of((1, SAME, around(3)), (1, SAME, around(2)), (1, SAME, around(2.5)), score=FLICKER)
    assert lower.kept_step == 200 and lower.kept.values["trained"]["e_warp_rel_dis_hole"] == pytest.approx(
        np.mean(around(2))
    )


def test_without_a_score_the_last_checkpoint_is_kept() -> None:
    nothing = [None] * 8
    course = course_of((1, nothing, SAME), (1, nothing, SAME))
    assert course.kept_step == 200 and course.points[1].gain_low is None and course.points[1].score_low is None
    assert course_of((1, nothing, SAME), (1, around(30), SAME), (1, nothing, SAME)).kept_step == 200


def test_a_gain_is_counted_window_by_window() -> None:
    # Windows differ by 5 dB, the gain is a tenth of one: hopeless for means, plain in pairs.
    course = course_of((1, around(30, 5), SAME), (1, [v + 0.1 for v in around(30, 5)], SAME))
    point = course.points[1]
    assert point.gain_low == pytest.approx(0.1) and point.score_low is not None and point.score_high is not None
    assert point.score_high - point.score_low > 2
    unsure = course_of((1, around(30, 5), SAME), (1, around(30.1, 5, seed=1), SAME)).points[1]
    assert unsure.gain_low is not None and unsure.gain_low < 0


def test_a_gain_in_a_score_that_should_fall_is_a_fall() -> None:
    course = course_of((1, SAME, around(3)), (1, SAME, [v - 0.1 for v in around(3)]), score=FLICKER)
    assert course.points[1].gain_low == pytest.approx(0.1)


def test_windows_without_a_number_are_left_out_of_means_and_pairs() -> None:
    course = course_of((1, [30.0, None, 20.0], SAME[:3]), (1, [31.0, None, 21.0], SAME[:3]))
    assert course.points[0].values["trained"]["psnr_hole"] == 25.0 and course.points[1].gain_low == pytest.approx(1.0)


def test_methods_that_do_not_learn_are_carried_on() -> None:
    course = course_of((1, around(30), SAME), (1, around(31), SAME))
    assert course.points[1].values["prior"] == course.points[0].values["prior"]
    assert set(course.points[1].by_window) == {"trained"}


class TestStopping:
    def test_it_stops_after_so_many_evaluations_without_a_gain(self) -> None:
        noise = [(1.0, around(30, 0.3, seed=s), SAME) for s in range(4)]
        assert reason_to_stop(course_of(*noise[:3]), 3) == ""
        assert reason_to_stop(course_of(*noise), None) == ""
        reason = reason_to_stop(course_of(*noise), 3)
        assert "in 3 evaluations" in reason and "since step 100" in reason and "psnr_hole" in reason

    def test_a_gain_begins_the_count_anew(self) -> None:
        steps = [30.0, 30.0, 31.0, 31.0, 31.0]
        evaluations = [(1.0, around(mean), SAME) for mean in steps]
        assert reason_to_stop(course_of(*evaluations[:4]), 2) == ""
        assert "since step 300" in reason_to_stop(course_of(*evaluations), 2)

    def test_small_gains_that_add_up_are_one(self) -> None:
        # Each is lost in what windows differ by from evaluation to evaluation; three of them are not.
        evaluations = [(1.0, around(30 + 0.4 * n, 0.5, seed=n), SAME) for n in range(6)]
        course = course_of(*evaluations)
        low = [point.gain_low for point in course.points]
        assert low[1] is not None and low[1] < 0 and max(value for value in low if value is not None) > 0
        assert reason_to_stop(course, 4) == ""

    def test_a_run_that_does_not_learn_is_rarely_taken_for_one_that_does(self) -> None:
        # 40 runs of 2 evaluations that differ by chance alone: a gain is claimed of few of them.
        claimed = 0
        for seed in range(40):
            course = course_of((1, around(30, 1, seed=seed), SAME), (1, around(30, 1, seed=1000 + seed), SAME))
            claimed += (course.points[1].gain_low or 0.0) > 0
        assert claimed <= 4

    def test_one_window_never_gains(self) -> None:
        course = course_of((1, [30.0], [1.0]), (1, [40.0], [1.0]))
        assert course.points[1].gain_low is None and course.kept_step == 200
        assert reason_to_stop(course, 1)


class TestFlicker:
    @pytest.mark.parametrize("num", [8, 3])
    def test_it_is_flagged_when_it_rises_while_the_loss_falls(self, num: int) -> None:
        steady, rising = around(2, 0.3, num), [1.5 * v for v in around(2, 0.3, num)]
        course = course_of((1.0, SAME[:num], steady), (0.9, SAME[:num], rising))
        flag = course.points[1].flag
        assert course.points[0].flag is None and flag is not None
        assert "e_warp_rel_dis_hole" in flag and "step 100" in flag and f"{num} windows" in flag
        assert ("too few for an interval" in flag) == (num == 3)

    def test_not_when_the_loss_rises_too(self) -> None:
        assert course_of((1.0, SAME, around(2)), (1.1, SAME, around(3))).points[1].flag is None

    def test_not_for_noise_nor_for_what_nobody_would_see(self) -> None:
        noise = course_of((1.0, SAME, around(2, 0.5)), (0.9, SAME, around(2.1, 0.5, seed=1)))
        little = course_of((1.0, SAME, around(2)), (0.9, SAME, [v + 0.05 for v in around(2)]))
        few = course_of((1.0, SAME[:2], [2.0, 2.0]), (0.9, SAME[:2], [2.2, 2.2]))
        assert [course.points[1].flag for course in (noise, little, few)] == [None] * 3

    def test_it_does_not_creep_past(self) -> None:
        evaluations = [(1.0 - 0.1 * n, SAME, [v * 1.04**n for v in around(2, 0.1)]) for n in range(3)]
        flags = [point.flag for point in course_of(*evaluations).points]
        assert flags[:2] == [None, None] and flags[2] is not None and "at step 100" in flags[2]

    def test_not_while_it_is_steadier_than_clean_footage(self) -> None:
        course = course_of(
            (1.0, SAME, around(0.3, 0.01)), (0.9, SAME, around(0.9, 0.01)), (0.8, SAME, around(1.1, 0.01))
        )
        flags = [point.flag for point in course.points]
        assert flags[1] is None and flags[2] is not None and "0.3" in flags[2]

    def test_either_the_picture_or_the_repair_may_flicker(self) -> None:
        def flag(score: float, repair: float) -> str | None:
            course = HeldOutCourse(
                score="psnr_hole",
                higher_is_better=True,
                method="trained",
                metrics=[PSNR, FLICKER, PSNR.model_copy(update={"name": "flicker_score_dis"})],
                windows=["a"] * 8,
            )
            for step, (loss, seen, boils) in enumerate(((1.0, 0.1, 1.0), (0.9, score, repair))):
                numbers = {
                    "psnr_hole": list[float | None](SAME),
                    "flicker_score_dis": list[float | None](around(seen, 0.01)),
                    "e_warp_rel_dis_hole": list[float | None](around(boils, 0.01)),
                }
                course = with_point(course, step, loss, {"trained": numbers}, 1.0)
            return course.points[1].flag

        assert flag(0.4, 1.0) is None, "nobody sees that score"
        assert "flicker_score_dis" in (flag(2.0, 1.0) or "") and "e_warp_rel_dis_hole" in (flag(0.1, 2.0) or "")


def test_an_unknown_score_is_refused_with_those_that_there_are() -> None:
    assert score_info("psnr_hole", [PSNR, FLICKER, LUMA]) == PSNR
    for wrong in ("psnr_hoel", "luma"):
        with pytest.raises(ConfigError, match="psnr_hole, e_warp_rel_dis_hole"):
            score_info(wrong, [PSNR, FLICKER, LUMA])
