"""Checkpoints are written beside training, whole or not at all, by one trainer."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer

import interpositive.training  # noqa: F401  isort: skip
from interpositive.errors import ConfigError, StorageError
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training import checkpoints, run
from interpositive.training import run_lock as run_lock_module
from interpositive.training.checkpoint_format import (
    STATE_NAME,
    TENSORS_NAME,
    FoundCheckpoint,
    newest_valid_checkpoint,
    read_checkpoint,
)
from interpositive.training.checkpoints import Checkpoints, CheckpointWriter
from interpositive.training.run_lock import LOCK_NAME, hold_with_parent, run_lock

Train = Callable[..., RunRecord]
NOTHING = FoundCheckpoint(None, {}, [])


def state_at(step: int, numbers: int = 2000) -> dict[str, Any]:
    return {"global_step": step, "weights": torch.full((numbers,), float(step))}


def writer_in(
    folder: Path, keep: int = 2, best: int | None = None, resumed: FoundCheckpoint = NOTHING
) -> CheckpointWriter:
    return CheckpointWriter(folder, keep, lambda: best, resumed)


def save(writer: CheckpointWriter, step: int, **changes: Any) -> None:
    writer.save_checkpoint(state_at(step, **changes), writer.folder / f"step={step}.ckpt")


def steps_in(folder: Path) -> list[int]:
    """Of all that is in the folder, hidden scratch too."""
    return sorted(int(path.name.removeprefix("step=").removesuffix(".ckpt")) for path in folder.iterdir())


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    """No file of this process can grow beyond: writing more is refused as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def held_write(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Writes wait for the event, at most ten seconds."""
    may_write, original = threading.Event(), checkpoints.write_checkpoint

    def waiting(*given: Any) -> None:
        assert may_write.wait(10)
        original(*given)

    monkeypatch.setattr(checkpoints, "write_checkpoint", waiting)
    yield may_write
    may_write.set()


def test_what_is_written_is_the_state_of_its_step_though_training_goes_on(
    tmp_path: Path, held_write: threading.Event
) -> None:
    writer, state = writer_in(tmp_path), state_at(5)
    writer.save_checkpoint(state, tmp_path / "step=5.ckpt")
    state["weights"] += 1
    assert steps_in(tmp_path) == [], "nothing waited for the write"
    held_write.set()
    writer.settle()
    assert read_checkpoint(tmp_path / "step=5.ckpt")["weights"].unique().tolist() == [5]


def test_the_next_save_waits_for_the_one_before(tmp_path: Path, held_write: threading.Event) -> None:
    writer = writer_in(tmp_path)
    save(writer, 1)
    release = threading.Timer(0.2, held_write.set)
    release.start()
    began = time.perf_counter()
    save(writer, 2)
    assert time.perf_counter() - began > 0.15 and (tmp_path / "step=1.ckpt").exists()
    writer.settle()
    assert steps_in(tmp_path) == [1, 2]


def test_the_newest_and_the_best_stay(tmp_path: Path) -> None:
    writer = writer_in(tmp_path, keep=2, best=2)
    seen = []
    for step in range(1, 7):
        save(writer, step)
        writer.settle()
        seen.append(steps_in(tmp_path))
    assert seen == [[1], [1, 2], [2, 3], [2, 3, 4], [2, 4, 5], [2, 5, 6]]


def test_a_damaged_checkpoint_is_replaced_and_never_counts_among_the_newest(tmp_path: Path) -> None:
    writer = writer_in(tmp_path, keep=9)
    for step in (1, 2, 3, 4):
        save(writer, step)
    writer.settle()
    for step in (3, 4):
        (tmp_path / f"step={step}.ckpt" / TENSORS_NAME).write_bytes(b"")
    found = newest_valid_checkpoint(tmp_path)
    assert found.step == 2 and steps_in(tmp_path) == [1, 2, 3, 4], "looking changes nothing"
    writer = writer_in(tmp_path, keep=2, resumed=found)
    assert writer.load_checkpoint(found.path) is found.checkpoint, "what was read is not read again"
    save(writer, 3)
    writer.settle()
    assert steps_in(tmp_path) == [2, 3] and newest_valid_checkpoint(tmp_path).step == 3


def test_a_full_disk_at_any_byte_leaves_the_last_checkpoint_and_says_so(tmp_path: Path) -> None:
    writer = writer_in(tmp_path, keep=1)
    save(writer, 1)
    writer.settle()
    size = (tmp_path / "step=1.ckpt" / TENSORS_NAME).stat().st_size
    small = (tmp_path / "step=1.ckpt" / STATE_NAME).stat().st_size
    limits = [0, 1, small - 1, *range(small, size, size // 20), size - 1]
    for limit in limits:
        with files_of_at_most(limit):
            save(writer, 2)
            with pytest.raises(StorageError, match=r"(?s)checkpoint .*step=2\.ckpt.*too large.*goes on from step 1"):
                writer.settle()
        assert steps_in(tmp_path) == [1] and newest_valid_checkpoint(tmp_path).step == 1
    with files_of_at_most(size):
        save(writer, 2)
        writer.settle()
    assert steps_in(tmp_path) == [2]


def test_a_write_that_fails_ends_training_at_the_next_step_and_the_run_goes_on_later(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, begun = checkpoints.write_checkpoint, []

    def full(snapshot: Any, path: Path) -> None:
        with files_of_at_most(5000 if snapshot.step == 6 else 1 << 40):
            original(snapshot, path)

    def settled(callback: Checkpoints, trainer: Trainer, *rest: Any) -> None:
        begun.append(trainer.global_step)
        wait([callback.writer._pending] if callback.writer._pending else [])
        callback.writer.refuse_failure()

    monkeypatch.setattr(checkpoints, "write_checkpoint", full)
    monkeypatch.setattr(Checkpoints, "on_train_batch_start", settled)
    with pytest.raises(StorageError, match=r"(?s)step=6\.ckpt.*goes on from step 4"):
        train(tmp_path / "full")
    assert begun == [0, 1, 2, 3, 4, 5, 6]
    assert steps_in(tmp_path / "full" / "checkpoints") == [3, 4]
    assert not (tmp_path / "full" / LOCK_NAME).exists() and not (tmp_path / "full" / "run.json").exists()
    monkeypatch.undo()
    record, whole = train(tmp_path / "full"), train(tmp_path / "whole")
    assert record.archive_sha256 == whole.archive_sha256


def test_saved_are_due_judged_and_last_steps_with_their_judgement(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    original = checkpoints.write_checkpoint

    def watched(snapshot: Any, path: Path) -> None:
        saved.append(snapshot.step)
        original(snapshot, path)

    monkeypatch.setattr(checkpoints, "write_checkpoint", watched)
    left = tmp_path / "checkpoints" / ".step=3.ckpt.0a1b2c3d.part"
    left.mkdir(parents=True)
    preview = tmp_path / "previews" / ".step_000004.png.0a1b2c3d.part"
    preview.parent.mkdir()
    preview.touch()
    record = train(tmp_path, max_steps=10, checkpoint_every=3, judge_every=4, keep_checkpoints=9)
    assert saved == [3, 4, 6, 8, 9, 10] == steps_in(tmp_path / "checkpoints")
    assert not preview.exists()
    for step, judged in ((3, []), (4, [4]), (6, [4]), (8, [4, 8]), (10, [4, 8, 10])):
        state = read_checkpoint(tmp_path / "checkpoints" / f"step={step}.ckpt")
        course = HeldOutCourse.model_validate_json(state["callbacks"]["HeldOutJudge"]["course"])
        assert [point.step for point in course.points] == judged
        assert state["global_step"] == step
    assert 0 < (record.scores["train/checkpoint_share"] or 0) < 1


def test_save_now_returns_when_the_step_is_on_disk(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    class Stopping(Checkpoints):
        def on_train_batch_end(self, trainer: Trainer, *rest: Any) -> None:
            if trainer.global_step == 5:
                self.save_now(trainer)
                assert newest_valid_checkpoint(self.writer.folder).step == 5
                raise Stop
            super().on_train_batch_end(trainer, *rest)

    with monkeypatch.context() as patch, pytest.raises(Stop):
        patch.setattr(run, "Checkpoints", Stopping)
        train(tmp_path / "cut")
    assert train(tmp_path / "cut").archive_sha256 == train(tmp_path / "whole").archive_sha256


@pytest.mark.parametrize("name", ["checkpoint_every", "keep_checkpoints"])
def test_never_and_none_are_refused(train: Train, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"trainer.{name}"):
        train(tmp_path, **{name: 0})


HOLDER = """
import os, sys, time
from pathlib import Path
from interpositive.training.run_lock import run_lock
with run_lock(Path(sys.argv[1])):
    if not os.fork():
        print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_one_trainer_holds_a_folder_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    with subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            held = rf"(?s)being trained.*process {holder.pid} on \S+, since 20"
            with pytest.raises(StorageError, match=held), run_lock(folder):
                pytest.fail("two held the folder")
            holder.kill()
            holder.wait()
            os.kill(child, 0)
            with run_lock(folder):
                with pytest.raises(StorageError, match=f"process {os.getpid()} "), run_lock(folder):
                    pytest.fail("two held the folder")
                (folder / "config.yaml").touch()
        finally:
            holder.kill()
            os.kill(child, signal.SIGKILL)
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


def test_a_rank_holds_the_lock_with_its_launcher_and_longer_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock_module, "_SHARED", set())
    with run_lock(tmp_path) as handle:
        rank = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[handle])
        own = os.dup(handle)
        hold_with_parent(own)
        with run_lock(tmp_path) as shared:
            assert shared == own
        # As a launcher that is killed: the file stays.
        os.link(tmp_path / LOCK_NAME, tmp_path / "kept")
    (tmp_path / "kept").rename(tmp_path / LOCK_NAME)
    run_lock_module._SHARED.clear()
    os.close(own)
    with pytest.raises(StorageError, match="being trained"), run_lock(tmp_path):
        pytest.fail("two held the folder")
    rank.communicate()
    with run_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_lies_where_the_lock_belongs_is_not_written_through(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / LOCK_NAME).symlink_to(letter)
    with pytest.raises(StorageError, match=LOCK_NAME), run_lock(folder):
        pytest.fail("it was followed")
    assert letter.read_text() == "dear"


def test_a_folder_in_which_nothing_was_done_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), run_lock(tmp_path / "run"):
        raise ConfigError("no")
    assert list(tmp_path.iterdir()) == []


def test_two_trainers_in_one_folder_are_refused_before_they_write(train: Train, tmp_path: Path) -> None:
    with run_lock(tmp_path):
        with pytest.raises(StorageError, match="being trained by another process"):
            train(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]
