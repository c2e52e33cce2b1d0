"""Intervals hold the mean as often as they say, and say nothing where nothing is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from interpositive.metrics.intervals import bootstrap_interval, paired_interval
from interpositive.metrics.summary import (
    interval_notes,
    mean_intervals,
    paired_differences,
)
from interpositive.records.measures import MetricInfo, ShotMeasures

INFOS = [
    MetricInfo(name="psnr", unit="dB", direction="higher", meaning=""),
    MetricInfo(name="lpips", unit="", direction="lower", meaning=""),
]


def shots_of(values: dict[str, list[float | None]], metric: str = "psnr") -> list[ShotMeasures]:
    num_shots = len(next(iter(values.values())))
    return [
        ShotMeasures(
            name=f"sh{n:03d}",
            role="result",
            num_frames=1,
            values={method: {metric: given[n]} for method, given in values.items()},
        )
        for n in range(num_shots)
    ]


class TestInterval:
    @pytest.mark.parametrize("skewed", [False, True])
    def test_it_holds_the_mean_as_often_as_it_says(self, skewed: bool) -> None:
        random = np.random.default_rng(5)
        num_held, num_trials = 0, 300
        for trial in range(num_trials):
            drawn = random.exponential(1.0, 30) if skewed else random.normal(1.0, 2.0, 20)
            interval = bootstrap_interval(list(drawn), num_resamples=599, seed=trial)
            assert interval is not None
            num_held += interval[0] <= 1.0 <= interval[1]
        # 95 % less what a bootstrap of 20 or 30 values loses (Efron and Tibshirani), and the chance of 300 trials.
        assert 0.87 <= num_held / num_trials <= 0.985

    def test_it_narrows_with_the_root_of_the_number_of_shots(self) -> None:
        random = np.random.default_rng(0)
        few, many = (bootstrap_interval(list(random.normal(0, 1, n))) for n in (50, 800))
        assert few is not None and many is not None
        assert (few[1] - few[0]) / (many[1] - many[0]) == pytest.approx(4.0, rel=0.25)

    def test_it_is_the_same_every_time(self) -> None:
        values = [31.0, 28.5, 40.2, 33.3]
        assert bootstrap_interval(values) == bootstrap_interval(values)
        low, high = bootstrap_interval(values) or (math.nan, math.nan)
        assert min(values) <= low < np.mean(values) < high <= max(values)

    def test_nothing_is_known_from_one_shot_and_all_from_equal_ones(self) -> None:
        assert bootstrap_interval([]) is None and bootstrap_interval([3.0]) is None
        assert bootstrap_interval([0.1, 0.1, 0.1]) == (0.1, 0.1)

    def test_percentiles_stand_in_where_the_correction_is_not_defined(self) -> None:
        low, high = bootstrap_interval([0.0] * 40 + [1e-9]) or (math.nan, math.nan)
        assert math.isfinite(low) and math.isfinite(high) and 0 <= low <= high <= 1e-9

    def test_what_is_not_finite_is_refused(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            bootstrap_interval([1.0, math.inf])

    def test_pairs_are_surer_than_two_means_of_shots_that_differ(self) -> None:
        random = np.random.default_rng(2)
        hard = random.normal(30, 6, 16)
        first, second = hard + 0.5 + random.normal(0, 0.2, 16), hard
        pair = paired_interval(list(first), list(second))
        alone = bootstrap_interval(list(first))
        assert pair is not None and alone is not None
        assert 0 < pair[0] < 0.5 < pair[1] and alone[1] - alone[0] > 10 * (pair[1] - pair[0])


class TestSummary:
    def test_means_leave_out_what_no_shot_defines(self) -> None:
        shots = shots_of({"result": [30.0, None, 32.0], "against": [None, None, None]})
        (mean,) = mean_intervals(shots, INFOS)
        assert (mean.method, mean.metric, mean.mean, mean.num_shots) == ("result", "psnr", 31.0, 2)
        assert mean.low is not None and mean.high is not None and mean.low <= 31.0 <= mean.high

    def test_differences_are_over_the_shots_that_have_both(self) -> None:
        shots = shots_of({"result": [30.0, 31.0, 99.0], "against": [29.0, 29.5, None]})
        (difference,) = paired_differences(shots, INFOS, [("result", "against")])
        assert difference.mean == pytest.approx(1.25) and difference.num_shots == 2

    def test_settled_means_that_zero_is_left_out(self) -> None:
        better = shots_of({"a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "b": [0.5, 1.4, 2.6, 3.5, 4.4, 5.7]})
        few = shots_of({"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": [0.5, 1.4, 2.6, 3.5, 4.4]})
        unsure = shots_of({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 2.6, 2.5, 4.4]})
        one = shots_of({"a": [1.0], "b": [0.5]})
        same = shots_of({"a": [1.0, 2.0], "b": [1.0, 2.0]})
        cases = (better, few, unsure, one, same)
        told = [paired_differences(shots, INFOS, [("a", "b")])[0].is_settled for shots in cases]
        assert told == [True, False, False, False, False]

    def test_few_shots_are_called_few(self) -> None:
        assert "one shot" in interval_notes(1)[0] and "rough" in interval_notes(7)[0] and not interval_notes(8)
