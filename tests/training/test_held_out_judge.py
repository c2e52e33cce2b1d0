"""Judging while training goes on: the budget, the rule that stops, and a run cut short anywhere."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

import interpositive.training  # noqa: F401  isort: skip
from interpositive.errors import ConfigError
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training import held_out_judge
from interpositive.training.callbacks import WaitMeter
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import HeldOutWindow, WindowMeasures

Train = Callable[..., RunRecord]


class Cut(Exception):
    """Stands for whatever ends a process."""


def cut_at(step: int, patch: pytest.MonkeyPatch) -> None:
    original = FineTuner.training_step

    def cutting(tuner: FineTuner, example: Any, batch_idx: int) -> Tensor:
        if tuner.global_step == step:
            raise Cut
        return original(tuner, example, batch_idx)

    patch.setattr(FineTuner, "training_step", cutting)


def cut_while_judging(number: int, patch: pytest.MonkeyPatch) -> None:
    original, done = held_out_judge.measure_window, [0]

    def cutting(*given: Any) -> WindowMeasures:
        done[0] += 1
        if done[0] == number:
            raise Cut
        return original(*given)

    patch.setattr(held_out_judge, "measure_window", cutting)


def outcome(folder: Path) -> tuple[bytes, dict[str, Any], int]:
    """Weights, course without what a clock said, and steps."""
    course: dict[str, Any] = json.loads((folder / "held_out.json").read_text())
    for point in course["points"]:
        point.pop("seconds")
    return (folder / "archive" / "weights.safetensors").read_bytes(), course, RunRecord.read(folder).steps


@pytest.mark.parametrize(
    ("checkpoint_every", "cut"),
    [(4, lambda p: cut_at(8, p)), (4, lambda p: cut_while_judging(4, p)), (9, lambda p: cut_at(10, p))],
    ids=["at a step judged and saved", "while judging", "after points that no checkpoint holds"],
)
def test_wherever_it_is_cut_a_run_ends_the_same(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_every: int, cut: Callable[..., None]
) -> None:
    train(tmp_path / "whole", checkpoint_every=checkpoint_every)
    with monkeypatch.context() as patch:
        cut(patch)
        with pytest.raises(Cut):
            train(tmp_path / "cut", checkpoint_every=checkpoint_every)
    train(tmp_path / "cut", checkpoint_every=checkpoint_every)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


def test_a_run_that_gains_nothing_stops_says_so_and_is_not_taken_up_again(
    train: Train, tmp_path: Path, prepared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = held_out_judge.measure_window

    def always_alike(model: Any, window: HeldOutWindow, methods: Any, metrics: Any) -> WindowMeasures:
        measured = original(model, window, methods, metrics)
        for found in measured.values.values():
            found["psnr_hole"] = 20.0 + window.start
        return measured

    monkeypatch.setattr(held_out_judge, "measure_window", always_alike)
    record = train(tmp_path, stop_after=1, checkpoint_every=4)
    course = HeldOutCourse.read(tmp_path)
    assert record.steps == 8 and [point.step for point in course.points] == [4, 8] and course.kept_step == 4
    assert course.stopped_because.startswith("no held-out gain in 1 evaluation")
    assert any("step 8 of 12" in note and "learning rate still at" in note for note in record.notes)

    before = outcome(tmp_path)
    (tmp_path / "run.json").unlink()
    shutil.rmtree(tmp_path / "archive")
    # What was prepared may have been cleared away: it is made again, for the record names it.
    shutil.rmtree(prepared_folder)
    with monkeypatch.context() as patch:
        cut_at(8, patch)
        train(tmp_path, stop_after=1, checkpoint_every=4)
    assert outcome(tmp_path) == before


def test_all_steps_are_taken_without_a_rule(train: Train, tmp_path: Path) -> None:
    train(tmp_path, max_steps=4)
    assert HeldOutCourse.read(tmp_path).stopped_because == "all 4 steps were taken"


def test_the_last_step_is_judged_whatever_the_interval(train: Train, tmp_path: Path) -> None:
    train(tmp_path, max_steps=5, judge_every=3)
    assert [point.step for point in HeldOutCourse.read(tmp_path).points] == [3, 5]


def test_the_budget_decides_once_and_a_run_without_a_checkpoint_remembers(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"held_out_windows": 4, "judge_seconds": 1e-6}
    with monkeypatch.context() as patch:
        cut_at(6, patch)
        with pytest.raises(Cut):
            train(tmp_path / "cut", checkpoint_every=12, **short)
    admitted = HeldOutCourse.read(tmp_path / "cut").windows
    assert len(admitted) == 2, "two, whatever they take"
    with monkeypatch.context() as patch:
        # A machine so quick that no time passes would admit all four.
        patch.setattr(held_out_judge, "time", SimpleNamespace(perf_counter=lambda: 0.0))
        record = train(tmp_path / "cut", checkpoint_every=12, **short)
        all_four = train(tmp_path / "quick", checkpoint_every=12, **short)
    course = HeldOutCourse.read(tmp_path / "cut")
    assert course.windows == admitted and len(course.points) == 3
    assert any("admitted 2 of 4" in note and "held_out_windows=2" in note for note in record.notes)
    assert len(HeldOutCourse.read(tmp_path / "quick").windows) == 4
    assert not any("budget" in note for note in all_four.notes)
    # What the note says repeats it.
    train(tmp_path / "again", checkpoint_every=12, held_out_windows=2, judge_seconds=None)
    one, other = outcome(tmp_path / "again"), outcome(tmp_path / "cut")
    assert one[0] == other[0] and one[1]["points"] == other[1]["points"]


def test_a_flag_is_in_the_log_the_course_and_the_record(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = held_out_judge.measure_window
    # Asked for by the validation and by the judge of each step.
    loss = iter((1.0, 1.0, 0.9, 0.9, 0.8, 0.8))
    flicker = iter((1.0, 1.0, 3.0, 3.0, 1.0, 1.0))

    def flickering(*given: Any) -> WindowMeasures:
        measured = original(*given)
        measured.values["trained"]["e_warp_dis_hole"] = next(flicker)
        return measured

    monkeypatch.setattr(held_out_judge, "measure_window", flickering)
    monkeypatch.setattr(FineTuner, "held_out_loss", lambda *_: next(loss))
    with caplog.at_level(logging.WARNING):
        record = train(tmp_path)
    flags = [point.flag for point in HeldOutCourse.read(tmp_path).points]
    assert flags[0] is None and flags[2] is None and flags[1] is not None
    assert "flicker rises while the loss falls: e_warp_dis_hole 1 at step 4, 3 at step 8" in flags[1]
    assert f"step 8: {flags[1]}" in record.notes and f"step 8: {flags[1]}" in caplog.messages


def test_the_time_that_judging_takes_is_not_taken_for_waiting(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks: list[float] = []
    original = WaitMeter.on_train_batch_start

    def watched(meter: WaitMeter, *given: Any) -> None:
        marks.append(meter._mark)
        original(meter, *given)

    monkeypatch.setattr(WaitMeter, "on_train_batch_start", watched)
    record = train(tmp_path, max_steps=6, judge_every=2, validate_every=6, checkpoint_every=6)
    assert [mark == 0.0 for mark in marks] == [True, False, True, False, True, False], "steps 2 and 4 were judged"
    assert 0 < (record.scores["train/judge_share"] or 0) < 1


def test_another_score_chooses_another_way(train: Train, tmp_path: Path) -> None:
    record = train(tmp_path, score="e_warp_dis_hole")
    course = HeldOutCourse.read(tmp_path)
    found = {point.step: point.values["trained"]["e_warp_dis_hole"] for point in course.points}
    assert not course.higher_is_better and found[course.kept_step] == min(v for v in found.values() if v is not None)
    assert record.scores["held_out/e_warp_dis_hole/trained"] == found[course.kept_step]


def test_settings_that_mean_nothing_are_refused_before_anything_is_written(train: Train, tmp_path: Path) -> None:
    for wrong in ({"score": "pnsr"}, {"stop_after": 0}, {"judge_every": 0}, {"judge_seconds": 0}, {"judge_every": "x"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            train(tmp_path / "run", **wrong)
        assert not (tmp_path / "run").exists()
