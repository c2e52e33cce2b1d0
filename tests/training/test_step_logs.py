"""Logs of steps: cut back to a checkpoint, exact to the byte, and true about what was learned from."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from productions import TinyProduction

from interpositive.records.run_record import RunRecord
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.step_logs import StepLog

Train = Callable[..., RunRecord]
COLUMNS = ("step", "name", "value")


def written(path: Path, steps: range) -> StepLog:
    log = StepLog(path, COLUMNS)
    log.open_after(steps.start - 1)
    for step in steps:
        log.add(step, "a, and b", step / 3)
        log.add(step, "two\nlines", step)
    log.keep()
    return log


@pytest.mark.parametrize("torn", [b"", b"7,", b"1", b"10,a", b"7,x,0.3", b"\x00\x00\x00", b"nonsense,1,2\n"])
def test_a_log_goes_on_from_any_step_as_if_it_had_not_been_cut(tmp_path: Path, torn: bytes) -> None:
    written(tmp_path / "whole.csv", range(1, 13))
    for step in (0, 1, 6, 9):
        path = tmp_path / f"{step}.csv"
        written(path, range(1, 10))
        with path.open("ab") as stream:
            stream.write(torn)
        assert StepLog(path, COLUMNS).open_after(step) == step
        written(path, range(step + 1, 13))
        assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    with (tmp_path / "whole.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 24 and rows[0]["name"] == "a, and b" and rows[1]["name"] == "two lines"


def test_rows_that_are_lost_are_told(tmp_path: Path) -> None:
    written(tmp_path / "log.csv", range(1, 10))
    whole = (tmp_path / "log.csv").read_bytes()
    (tmp_path / "log.csv").write_bytes(whole.replace(b"\n5,a", b"\nx,a").replace(b'\n5,"a', b'\nx,"a'))
    assert StepLog(tmp_path / "log.csv", COLUMNS).open_after(8) == 4
    os.unlink(tmp_path / "log.csv")
    assert StepLog(tmp_path / "log.csv", COLUMNS).open_after(8) == 0
    (tmp_path / "letter.txt").write_text("dear")
    os.unlink(tmp_path / "log.csv")
    (tmp_path / "log.csv").symlink_to(tmp_path / "letter.txt")
    written(tmp_path / "log.csv", range(9, 10))
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_the_log_of_windows_names_the_frames_of_every_step(
    train: Train, tmp_path: Path, tiny_production: TinyProduction, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    original = FineTuner.training_step

    def watched(tuner: FineTuner, example, batch_idx: int):  # type: ignore[no-untyped-def]
        seen.append(example.numbers.tolist())
        return original(tuner, example, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", watched)
    record = train(tmp_path, max_steps=4)
    with (tmp_path / "windows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert Counter(int(row["step"]) for row in rows) == dict.fromkeys((1, 2, 3, 4), 3)
    assert [int(row["example"]) for row in rows] == [number for numbers in seen for number in numbers]
    names = {take.name for take in tiny_production.takes_of("train")}
    assert {row["take"] for row in rows} <= names and all(0 <= int(row["first_frame"]) <= 16 for row in rows)
    assert not any("windows.csv" in note for note in record.notes)


def test_another_batch_than_the_one_that_is_written_down_ends_training(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interpositive.dailies.data_module import SeededOrder

    monkeypatch.setattr(SeededOrder, "__iter__", lambda order: (order.batch(n + 1) for n in range(order.num_batches)))
    with pytest.raises(AssertionError, match="step 1 was given another batch"):
        train(tmp_path)
