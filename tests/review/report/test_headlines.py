from __future__ import annotations

from types import SimpleNamespace

from interpositive.records.measures import Measures, ShotMeasures
from interpositive.review.headlines import MOST_ROWS, grouped, headline, measured


def test_metrics_keep_their_order_inside_their_groups(told: SimpleNamespace) -> None:
    groups = grouped(told.many_metrics())
    assert list(groups) == ["Fidelity", "Perception", "Steadiness over time", "Untouched"]
    assert [metric.name for metric in groups["Perception"]] == ["delta_e00", "flip", "lpips_alex"]


def test_few_metrics_are_all_shown(told: SimpleNamespace) -> None:
    few = told.many_metrics(told=False)[:MOST_ROWS]
    assert headline(few) == few


def test_of_many_those_that_say_so_are_shown(told: SimpleNamespace) -> None:
    assert [metric.name for metric in headline(told.many_metrics())] == [
        "psnr_hole",
        "ssim_hole",
        "delta_e00",
        "lpips_alex",
        "e_warp_rel_dis_hole",
        "local_flicker_dis_hole",
        "untouched_changed",
    ]


def test_of_many_that_say_nothing_the_first_are_shown(told: SimpleNamespace) -> None:
    old = told.many_metrics(told=False)
    assert headline(old) == old[:MOST_ROWS]
    silent = [metric.model_copy(update={"headline": False}) for metric in told.many_metrics()]
    assert [metric.name for metric in headline(silent)] == [
        "psnr",
        "psnr_hole",
        "delta_e00",
        "flip",
        "e_warp_dis",
        "e_warp_dis_hole",
        "untouched_changed",
    ]


def test_measured_leaves_out_what_has_no_number_on_any_shot(told: SimpleNamespace) -> None:
    shot = ShotMeasures(name="X", role="", num_frames=1, values=told.many_values(0, {"a": 1.0}))
    names = [metric.name for metric in measured(Measures(metrics=told.many_metrics(), shots=[shot]), [shot])]
    assert "psnr" in names
    assert "lpips_alex" not in names
