from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from interpositive.records.measures import Measures, PairedDifference, ShotMeasures
from interpositive.review.intervals import means_section, single_shot_note, verdict_on
from interpositive.review.page import write_review
from interpositive.review.verdicts import alike

Build = Callable[..., Path]


def difference(mean: float, low: float | None, high: float | None, num_shots: int = 10) -> PairedDifference:
    return PairedDifference(
        method="chosen", other="telea", metric="psnr", mean=mean, low=low, high=high, num_shots=num_shots
    )


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize(
    ("ends", "direction", "kind", "words"),
    [
        ((1.2, 2.6), "higher", "better", "settled: better"),
        ((1.2, 2.6), "lower", "worse", "settled: worse"),
        ((-2.6, -1.2), "lower", "better", "settled: better"),
        ((-2.6, -1.2), "neither", "apart", "settled: they differ"),
        ((-0.1, 2.6), "higher", "open", "not settled: the interval holds 0"),
        ((0.0, 2.6), "higher", "open", "not settled: the interval holds 0"),
        ((0.0, 0.0), "higher", "level", "level in every shot"),
    ],
)
def test_a_difference_is_settled_if_its_interval_leaves_out_0(
    ends: tuple[float, float], direction: str, kind: str, words: str
) -> None:
    assert verdict_on(difference(sum(ends) / 2, *ends), direction) == (kind, words)


def test_one_shot_settles_nothing_nor_do_five() -> None:
    assert verdict_on(difference(1.0, 0.5, 1.5, 5), "higher") == ("open", "not settled: 5 shots, 6 are needed")
    assert verdict_on(difference(1.0, None, None, 1), "higher") == ("open", "no interval from 1 shot")


def measures(told: SimpleNamespace, num_shots: int) -> Measures:
    shots = [
        ShotMeasures(
            name=f"X{place}",
            role="test",
            num_frames=1,
            chosen_method="ours",
            values=told.many_values(place, {"chosen": 3.0, "ours": 3.0, "telea": 0.0}),
        )
        for place in range(num_shots)
    ]
    made: Measures = told.summarised(shots, [("chosen", "telea")])
    return made


def test_numbers_read_together_have_as_many_decimals() -> None:
    assert alike(1.9, 1.2, 2.6, signed=True, figures=3) == ["+1.90", "+1.20", "+2.60"]
    assert alike(-0.2, -10.0, 0.0, signed=True, figures=3) == ["−0.2", "−10.0", "0.0"]
    assert alike(0.0, 0.0) == ["0", "0"]
    assert alike(0.00012, 0.0001, figures=3) == ["0.000120", "0.000100"]


def test_section_gives_means_differences_and_what_is_settled(told: SimpleNamespace) -> None:
    section = means_section(measures(told, 6))
    text = text_of(section)
    assert "Means over 6 shots, each with its 95 % interval, the 6 to look at first" in text
    assert "chosen (ours)" in text, "a method chosen everywhere has no column of its own"
    assert re.search(r"Beside telea, chosen is better in psnr_hole, .*; not settled in ", text)
    row = re.search(r"<tr><th[^>]*><b>psnr_hole</b>(?:(?!</tr>).)*<td>\+(?:(?!</tr>).)*</tr>", section)
    assert row
    assert re.search(r"\+4\.\d\d +\+2\.\d\d to \+5\.\d\d +6 +settled: better", text_of(row[0]))
    assert section.count("<svg") == 6 + 14, "one drawing a row: at first, and of all that was measured"
    assert "All 15 measures" in text
    assert "Differences in all 14 measures" in text


def test_right_is_better_in_the_drawing_whatever_the_direction(told: SimpleNamespace) -> None:
    section = means_section(measures(told, 6))
    better = re.findall(r'<circle cx="([\d.]+)"[^>]*class="mean better"', section)
    assert len(better) > 8
    assert all(float(x) > 110 for x in better)


def test_one_shot_says_that_there_is_no_interval(told: SimpleNamespace) -> None:
    alone = measures(told, 1)
    assert means_section(alone) == ""
    assert "no interval" in single_shot_note(alone)
    assert single_shot_note(measures(told, 2)) == ""
    assert single_shot_note(Measures(shots=alone.shots)) == "", "nobody asked"


def test_warnings_about_intervals_stand_beside_them(told: SimpleNamespace) -> None:
    noted = measures(told, 3).model_copy(update={"notes": ["the intervals are rough: 3 shots", "something else"]})
    assert "The intervals are rough: 3 shots" in means_section(noted)
    assert "something else" not in means_section(noted)


def test_measures_of_the_first_version_still_open(make_run: Build) -> None:
    folder = make_run(6, takes=("SC012_T03_A", "SC014_T01_B"))
    path = folder / "evaluation" / "measures.json"
    old = Measures.read(path).model_dump(exclude={"means", "differences", "curve_metrics"})
    for metric in old["metrics"]:
        del metric["group"], metric["headline"]
    path.write_text(Measures.model_validate({**old, "schema_version": 1}).model_dump_json(exclude_unset=True))
    assert "curve_metrics" not in path.read_text()
    page = write_review(folder).read_text()
    assert "Means over 2 shots" in page
    assert "Shot by shot" not in page
