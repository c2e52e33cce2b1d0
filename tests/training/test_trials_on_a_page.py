"""What training leaves in a trial's folder is what the page of a sweep shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.records.sweep_record import Objective, ParameterSpace, SweepRecord, TrialRecord, trial_folder
from interpositive.review.sweeps.pictures import trials_sheet
from interpositive.review.sweeps.subject import read_sweep
from interpositive.review.sweeps.verdict import doubts, verdict

SCORE = "held_out/psnr_hole/trained"


def shown(jpeg: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(jpeg))).convert("RGB"), np.float32)


def test_two_trials_stand_side_by_side(train: Callable[..., RunRecord], tmp_path: Path) -> None:
    rates = (0.002, 0.02)
    SweepRecord(
        name="rates", created="2026-03-14T10:22:05+00:00", production="tiny", task="wire removal", sampler="grid",
        seed=0, num_trials=2, overrides=[], objectives=[Objective(name=SCORE, direction="maximize")],
        space=[ParameterSpace(key="trainer.learning_rate", choices=[*rates])],
    ).write(tmp_path)  # fmt: skip
    for number, rate in enumerate(rates):
        folder = trial_folder(tmp_path, number)
        score = train(folder, max_steps=8, learning_rate=rate).scores[SCORE]
        assert score is not None
        setting = {"trainer.learning_rate": rate}
        TrialRecord(number=number, parameters=setting, state="finished", values={SCORE: score}).write(folder)
    subject = read_sweep(tmp_path)
    sheet = trials_sheet(subject)
    assert sheet.left_out == {} and sorted(sheet.numbers) == [0, 1]
    course = HeldOutCourse.read(trial_folder(tmp_path, 0))
    assert len(sheet.rows) == len(course.windows) == 2
    for row, window in zip(sheet.rows, course.windows, strict=True):
        take, frames = window.split(" frames ")
        first, last = map(int, frames.split("-"))
        assert row.name == f"{take}, frame {first + (last + 1 - first) // 2}"
    first = sheet.rows[0]
    preview = trial_folder(tmp_path, 0) / "previews" / f"step_{course.kept_step:06d}.png"
    strip = cv2.imread(str(preview))
    assert strip is not None and first.prior is not None
    parts = [first.damaged, first.prior, first.trained[0], first.true]
    for part, kept in zip(parts, np.split(strip[..., ::-1], 4, axis=1), strict=True):
        assert np.abs(shown(part) - kept).mean() < 2.5
    movie_row = sheet.rows[1]
    assert shown(movie_row.true).shape == (64, 96, 3)
    hole = np.abs(shown(movie_row.damaged) - shown(movie_row.true)).max(axis=-1) > 60
    assert 0.005 < hole.mean() < 0.5, "the wire is in the damaged picture"
    told = " ".join([*verdict(subject), *doubts(subject)])
    assert "Over 2 held-out windows" in told and "which is not trained" in told
