"""What a run writes down step by step, in files that a killed run goes on with to the byte."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.functional.examples import Example
from interpositive.records.publishing import storage_error, sync, write_file_whole
from interpositive.training.callbacks import WaitMeter
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.run_folder import METRICS_NAME, WINDOWS_NAME

_METRICS_COLUMNS = ("step", "name", "value")
_WINDOWS_COLUMNS = ("step", "example", "window", "take", "first_frame")
_EVERY_STEPS = 25


class StepLog:
    """A CSV file of rows that begin with their step, in the order of the steps; rows are added and never changed.

    The rows of all steps that a checkpoint holds are on disk before the checkpoint is.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = columns
        self._stream: IO[str] | None = None

    def open_after(self, step: int) -> int:
        """Take the rows of later steps away, for these are taken again; gives the step of the last row that stays."""
        header = ",".join(self.columns) + "\n"
        # A link is replaced, not followed: what it leads to is not ours to cut.
        if self.path.is_symlink() or not self.path.is_file() or not step:
            write_file_whole(self.path, header)
            sync(self.path.parent)
        size, last = 0, 0
        with self.path.open("rb") as stream:
            for line in stream:
                found = _step_of(line) if size else 0
                if found is None or found > step:
                    break
                size, last = size + len(line), found
        os.truncate(self.path, size)
        self._stream = self.path.open("a", newline="", encoding="utf-8")
        self._rows = csv.writer(self._stream, lineterminator="\n")
        return last

    def add(self, step: int, *values: object) -> None:
        """Add a row; ``StorageError`` if the disk has no room for those that were added before."""
        with self._refusals():
            # One row is one line, whatever a file that became a take was called.
            self._rows.writerow([step, *(" ".join(str(value).splitlines()) for value in values)])

    def keep(self) -> None:
        """Force all rows to disk; ``StorageError`` if it has no room for them."""
        assert self._stream is not None, "opened before"
        with self._refusals():
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Write no more; rows that were not kept may be lost, and belong to steps that no checkpoint holds."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self.path) from error


def _step_of(line: bytes) -> int | None:
    """The step of a row, None for one that was torn or damaged."""
    number = line.split(b",", 1)[0]
    return int(number) if line.endswith(b"\n") and number.isdigit() else None


class _StepLogCallback(lightning.Callback):
    """Belongs before the checkpoints, so that one of step n finds the rows of step n."""

    def __init__(self, rows: StepLog) -> None:
        self.rows = rows
        self.last_step: int | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on after the step that training goes on from."""
        del pl_module
        if trainer.is_global_zero:
            self.last_step = self.rows.open_after(trainer.global_step)

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Rows first, then the checkpoint that says they are there."""
        del pl_module, checkpoint
        if trainer.is_global_zero:
            self.rows.keep()

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """A run may end at a step without a checkpoint."""
        del pl_module
        if trainer.is_global_zero:
            self.rows.keep()
        self.rows.close()

    def on_exception(self, *args: Any) -> None:
        """What stopped training is what gets told."""
        del args
        self.rows.close()


class MetricsLog(_StepLogCallback):
    """``metrics.csv``: losses and the share of waiting, every 25 steps and at the last, and what else is reported."""

    def __init__(self, folder: Path, wait_meter: WaitMeter, max_steps: int) -> None:
        super().__init__(StepLog(folder / METRICS_NAME, _METRICS_COLUMNS))
        self.wait_meter = wait_meter
        self.max_steps = max_steps

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Write the step's losses, if it is time to."""
        del args
        assert isinstance(pl_module, FineTuner)
        step = trainer.global_step
        if trainer.is_global_zero and (step % _EVERY_STEPS == 0 or step == self.max_steps):
            losses = {name: float(value) for name, value in pl_module.step_losses.items()}
            self.report(step, losses | {"train/wait_share": self.wait_meter.share})

    def report(self, step: int, values: Mapping[str, float]) -> None:
        """Write some numbers of a step."""
        for name, value in values.items():
            self.rows.add(step, name, repr(value))


class WindowsLog(_StepLogCallback):
    """``windows.csv``: which frames taught the model, a row for each example of each step, of all processes.

    A row names the example as prepared windows count them, the window that it was cut from, and that window's take and
    first frame in it. Each process makes sure that it was given the examples that are written down.
    """

    def __init__(self, folder: Path, dailies: ProductionDataModule) -> None:
        super().__init__(StepLog(folder / WINDOWS_NAME, _WINDOWS_COLUMNS))
        self.dailies = dailies

    def notes(self) -> list[str]:
        """What the record says of rows that were there and are not."""
        last, start = self.last_step, self.dailies.start_batch
        if last is None or last == start:
            return []
        return [f"{WINDOWS_NAME} was damaged: the rows of steps {last + 1} to {start} are lost"]

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Example, *args: Any
    ) -> None:
        """Write the step's rows."""
        del pl_module, outputs, args
        step, dailies = trainer.global_step, self.dailies
        order, prepared = dailies.order(), dailies.prepared["train"]
        whole = order.batch(step - 1)
        mine = whole[order.part(dailies.rank, dailies.num_ranks).stretch]
        assert batch.numbers is not None and batch.numbers.tolist() == mine, f"step {step} was given another batch"
        if trainer.is_global_zero:
            for number in whole:
                window = prepared.window_of(number)
                note = prepared.notes[window]
                self.rows.add(step, number, window, note.take, note.first_frame)
