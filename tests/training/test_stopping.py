"""Asked to stop in whatever phase, a run ends with the right error, and goes on to the same end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpositive.dailies import prepared_windows
from interpositive.errors import TrainingStopped
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.training import checkpoint_format, checkpoints, held_out_judge, run, stopping
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.stopping import STOP_SIGNALS, StopRequests

LAST = 12
Train = Callable[..., Any]


@pytest.fixture
def whole(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody asked to stop; one for all tests."""
    folder = tmp_path_factory.getbasetemp() / "never_asked"
    if not (folder / "run.json").exists():
        train(folder)
    return folder


def ask_in(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int, number: int = signal.SIGTERM) -> None:
    """Have the ``call``-th call of a function begin with a signal to this process."""
    original, count = getattr(owner, name), iter(range(1, 1 << 30))

    def asking(*args: Any, **kwargs: Any) -> Any:
        if next(count) == call:
            os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    patch.setattr(owner, name, asking)


def end_of(folder: Path) -> list[bytes]:
    """Archive, last checkpoint and the windows drawn, byte for byte."""
    found = sorted(folder.glob(f"checkpoints/step={LAST}.ckpt/*.safetensors"))
    assert len(found) == 1
    return [path.read_bytes() for path in (*found, folder / "archive" / "weights.safetensors", folder / "windows.csv")]


def newest_step(folder: Path) -> int:
    return max((int(path.stem[5:]) for path in folder.glob("checkpoints/step=*.ckpt")), default=0)


def stopped(train: Train, folder: Path) -> tuple[str, int]:
    """What a run says that is asked to stop, and the step of its newest checkpoint."""
    with pytest.raises(TrainingStopped) as end, StopRequests() as stop:
        train(folder, stop=stop)
    assert end.value.exit_code == 75 and not (folder / "run.json").exists()
    return str(end.value), newest_step(folder)


@pytest.mark.parametrize(
    ("owner", "name", "call", "step"),
    [
        (prepared_windows.PreparedWindows, "__getitem__", 14, 4),
        (FineTuner, "training_step", 6, 6),
        (FineTuner, "configure_gradient_clipping", 6, 6),
        (checkpoints, "write_checkpoint", 1, 4),
        (held_out_judge, "measure_window", 3, 8),
        # The last window: judged it is, and one step more is taken.
        (held_out_judge, "measure_window", 4, 9),
        # Its judgement is a part of the last step, which is taken again from the checkpoint before.
        (FineTuner, "training_step", LAST, 9),
    ],
    ids=["data", "forward", "backward", "save", "judging", "judged", "last"],
)
def test_asked_to_stop_a_run_saves_its_step_and_goes_on_to_the_same_end(
    train: Train, whole: Path, tmp_path: Path, owner: Any, name: str, call: int, step: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        ask_in(patch, owner, name, call)
        told, newest = stopped(train, tmp_path)
    assert "SIGTERM" in told and newest == step
    assert (f"saved at step {step} of {LAST}" in told) == (call != LAST)
    train(tmp_path)
    assert end_of(tmp_path) == end_of(whole)


def test_a_judgement_that_was_made_up_for_is_in_the_checkpoint_of_its_step(train: Train, tmp_path: Path) -> None:
    stopped_run, whole_run, kept = tmp_path / "stopped", tmp_path / "whole", {"keep_checkpoints": 9}
    with pytest.MonkeyPatch.context() as patch, pytest.raises(TrainingStopped), StopRequests() as stop:
        ask_in(patch, held_out_judge, "measure_window", 3)
        train(stopped_run, stop=stop, **kept)
    assert judged_at(stopped_run, 8) == [4]
    for folder in (stopped_run, whole_run):
        train(folder, **kept)
        assert judged_at(folder, 8) == [4, 8]
    names = sorted(path.relative_to(stopped_run) for path in stopped_run.glob("checkpoints/*/*.safetensors"))
    assert len(names) == 3
    assert all((stopped_run / name).read_bytes() == (whole_run / name).read_bytes() for name in names)


def judged_at(folder: Path, step: int) -> list[int]:
    """The steps whose judgements a checkpoint holds."""
    state = checkpoint_format.read_checkpoint(folder / "checkpoints" / f"step={step}.ckpt")
    course = HeldOutCourse.model_validate_json(state["callbacks"]["HeldOutJudge"]["course"])
    return [point.step for point in course.points]


def test_asked_before_there_is_anything_to_save_a_run_ends_at_once(
    train: Train, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        ask_in(patch, run, "held_out_windows", 1)
        told, newest = stopped(train, tmp_path)
    assert "at once" in told and newest == 0
    train(tmp_path)
    assert end_of(tmp_path) == end_of(whole)


def test_asked_when_all_is_judged_a_run_comes_to_its_end(
    train: Train, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_in(monkeypatch, held_out_judge, "log_evaluation", 3)
    with StopRequests() as stop:
        train(tmp_path, stop=stop)
    assert stop.asked == "SIGTERM"
    assert end_of(tmp_path) == end_of(whole)


def test_what_is_asked_again_is_obeyed_at_once_and_a_warning_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_AT_ONCE_SECONDS", 0.2)
    handed: list[int] = []
    before = {number: signal.signal(number, lambda number, _: handed.append(number)) for number in STOP_SIGNALS}
    try:
        for number, expected in ((signal.SIGUSR2, [signal.SIGUSR2]), (signal.SIGTERM, [])):
            handed.clear()
            with pytest.raises(TrainingStopped, match=number.name), StopRequests() as stop:
                stop.defer()
                os.kill(os.getpid(), number)
                assert stop.asked == number.name and handed == []
                os.kill(os.getpid(), signal.SIGUSR1)
                # Twice at once is once.
                os.kill(os.getpid(), number)
                time.sleep(0.3)
                os.kill(os.getpid(), number)
                pytest.fail("it was asked again")
            assert handed == expected
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_interrupt_stays_one(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A shell that runs the tests in its background has it ignored.
    before = signal.default_int_handler
    inherited = signal.signal(signal.SIGINT, before)
    ask_in(monkeypatch, FineTuner, "training_step", 2, signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, inherited)
