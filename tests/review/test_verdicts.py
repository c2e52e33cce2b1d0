from __future__ import annotations

import pytest

from interpositive.records.measures import Measures, MetricInfo, ShotMeasures
from interpositive.review.verdicts import (
    Mean,
    best_means,
    best_methods,
    mean_values,
    methods_of,
    reasons,
    short_number,
    standing,
)


def shot(values: dict[str, dict[str, float | None]], chosen: str = "ours") -> ShotMeasures:
    return ShotMeasures(name="X010", role="test take", num_frames=1, chosen_method=chosen, values=values)


def metric(name: str, direction: str = "lower") -> MetricInfo:
    return MetricInfo(name=name, unit="", direction=direction, meaning="")


def test_best_follows_the_direction() -> None:
    values = {"ours": 3.0, "telea": 2.0, "blur": None}
    assert best_methods(values, "higher") == {"ours"}
    assert best_methods(values, "lower") == {"telea"}


def test_nothing_is_best_when_level_or_alone() -> None:
    assert best_methods({"ours": 0.0, "telea": 0.0}, "lower") == set()
    assert best_methods({"ours": 1.0, "telea": None}, "lower") == set()


def test_chosen_method_comes_first() -> None:
    assert methods_of(shot({"telea": {}, "ours": {}, "blur": {}})) == ["ours", "telea", "blur"]


def test_the_alias_of_the_chosen_method_is_no_method_of_a_shot() -> None:
    aliased = shot({"telea": {"psnr": 30.0}, "chosen": {"psnr": 31.0}, "ours": {"psnr": 31.0}})
    assert methods_of(aliased) == ["ours", "telea"]
    assert mean_values([aliased], "psnr")["chosen"] == Mean(31.0, 1)


def test_means_count_their_shots_and_uneven_ones_have_no_best() -> None:
    shots = [
        shot({"ours": {"psnr": 30.0}, "telea": {"psnr": None}}),
        shot({"ours": {"psnr": 40.0}, "telea": {"psnr": 39.0}}),
    ]
    means = mean_values(shots, "psnr")
    assert means == {"ours": Mean(35.0, 2), "telea": Mean(39.0, 1)}
    assert best_means(means, "higher") == set()
    assert best_means(mean_values(shots[1:], "psnr"), "higher") == {"ours"}


def test_standing_says_where_the_chosen_method_is_beaten() -> None:
    measured = shot(
        {
            "ours": {"flicker": 1.0, "psnr": 30.0, "untouched": 0.0},
            "telea": {"flicker": 4.0, "psnr": 31.0, "untouched": 0.0},
        }
    )
    sentence = standing(measured, [metric("flicker"), metric("psnr", "higher"), metric("untouched")])
    assert sentence == (
        "Against the other methods, ours is best in flicker; behind in psnr (telea); "
        "level with all others in untouched."
    )


def test_standing_without_baselines() -> None:
    assert (
        standing(shot({"ours": {"psnr": 30.0}}), [metric("psnr", "higher")])
        == "Nothing was measured against a baseline."
    )


def test_reasons_are_found_in_comments_and_notes() -> None:
    measures = Measures(notes=["LPIPS needs weights", "something else"])
    told = shot({}).model_copy(update={"comments": ["lpips: no target"]})
    assert reasons(measures, told, "lpips") == ["lpips: no target", "LPIPS needs weights"]
    assert reasons(measures, told, "lpips_hole") == ["lpips: no target", "LPIPS needs weights"]
    assert reasons(measures, told, "psnr") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (38.6, "38.60"),
        (0.069821, "0.06982"),
        (12345.6, "12,346"),
        (-1.5, "-1.500"),
        (2.5e-7, "2.5e-07"),
        (9.9999e7, "1e+08"),
    ],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short_number(value) == text
