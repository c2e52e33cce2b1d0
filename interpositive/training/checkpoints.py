"""When a run's state is saved, and how it is written while training goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from interpositive.errors import InterpositiveError, StorageError
from interpositive.records.publishing import make_folder, retire_folder, storage_error
from interpositive.training.checkpoint_format import (
    FoundCheckpoint,
    SafeCheckpointIO,
    Snapshot,
    checkpoint_step,
    read_checkpoint,
    take_snapshot,
    write_checkpoint,
)
from interpositive.training.held_out_judge import HeldOutJudge
from interpositive.training.settings import TrainSettings

_LOG = logging.getLogger(__name__)


class CheckpointWriter(SafeCheckpointIO):
    """Writes checkpoints in a thread: a state is copied at its step, and training goes on while it is written.

    One write at a time, so that memory holds one copy at most. Only when a checkpoint is published are older ones
    removed: all but the newest ``keep`` that were read or written whole here, and the one of ``kept_step()``.
    """

    def __init__(self, folder: Path, keep: int, kept_step: Callable[[], int | None], resumed: FoundCheckpoint) -> None:
        self.folder = folder
        self.keep = keep
        self.kept_step = kept_step
        self._resumed = resumed
        self._whole = [] if resumed.path is None else [resumed.step]
        self._pending: Future[None] | None = None

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Hand over, once, the checkpoint that was read to find out whether it is whole; read any other."""
        resumed, self._resumed = self._resumed, FoundCheckpoint(None, {}, [])
        if Path(path) == resumed.path:
            return resumed.checkpoint
        return super().load_checkpoint(path, map_location, weights_only)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Copy the state and begin to write it, once the write before is done; ``StorageError`` if that one failed."""
        del storage_options
        self.settle()
        snapshot, kept_step = take_snapshot(checkpoint), self.kept_step()
        thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending = thread.submit(self._write, snapshot, Path(path), kept_step)
        thread.shutdown(wait=False)

    def add(self, path: Path, callback: lightning.Callback) -> None:
        """Write a checkpoint anew with the present state of a callback; returns when that is on disk."""
        checkpoint = read_checkpoint(path)
        checkpoint["callbacks"][callback.state_key] = callback.state_dict()
        try:
            super().save_checkpoint(checkpoint, path)
        except (OSError, StorageError) as error:
            raise self._failure(error, path) from error

    def settle(self) -> None:
        """Wait until what was begun is published; ``StorageError`` if it could not be."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def refuse_failure(self) -> None:
        """``StorageError`` if a write has failed meanwhile; waits for nothing."""
        if self._pending is not None and self._pending.done():
            self.settle()

    def _write(self, snapshot: Snapshot, path: Path, kept_step: int | None) -> None:
        step = checkpoint_step(path)
        assert step is not None, "a name that retention knows"
        try:
            write_checkpoint(snapshot, path)
            self._whole.append(step)
            self._remove_others(kept_step)
        except (OSError, StorageError) as error:
            raise self._failure(error, path) from error

    def _remove_others(self, kept_step: int | None) -> None:
        kept = {*self._whole[-self.keep :], kept_step}
        for path in self.folder.glob("step=*.ckpt"):
            if checkpoint_step(path) not in kept:
                retire_folder(path)

    def _failure(self, error: OSError | StorageError, path: Path) -> StorageError:
        cause = storage_error(error, path) if isinstance(error, OSError) else error
        before = f"goes on from step {self._whole[-1]}" if self._whole else "begins anew"
        return StorageError(
            f"could not write the checkpoint {path}",
            found=cause.found or cause.what,
            expected=cause.expected,
            remedy=f"free some space, then run the same command again: it {before}",
        )


class Checkpoints(Checkpoint):
    """Saves a run's state every ``checkpoint_every`` steps, wherever it was judged, and at its last step.

    Lightning calls it after all other callbacks, so that the state holds what they decided at its step. A judgement is
    saved at once, for it takes longer than a save. Training waits for a write only where the next is due.
    """

    def __init__(
        self,
        writer: CheckpointWriter,
        settings: TrainSettings,
        pause: Callable[[], None],
        judge: HeldOutJudge | None = None,
    ) -> None:
        """``writer`` belongs to the trainer's plugins as well; ``pause`` stops the meter of waiting."""
        self.writer = writer
        self.settings = settings
        self.pause = pause
        self.judge = judge
        self.seconds = 0.0
        self._saved_step = 0

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Make the folder."""
        del pl_module
        if trainer.is_global_zero:
            make_folder(self.writer.folder)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """What training goes on from is saved already; only a judgement that was made up for now is added."""
        del pl_module
        self._saved_step = trainer.global_step
        if trainer.is_global_zero and self.judge and self.judge.made_up:
            self.writer.add(self._path(self._saved_step), self.judge)

    def on_train_batch_start(self, *args: Any) -> None:
        """End training where a write has failed."""
        del args
        self.writer.refuse_failure()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Save, if it is time to."""
        del pl_module, args
        step, settings = trainer.global_step, self.settings
        if step % settings.checkpoint_every == 0 or step % settings.judge_every == 0 or step == settings.max_steps:
            self._save(trainer)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """A run ends when its last checkpoint is on disk."""
        del trainer, pl_module
        self.writer.settle()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Let the write that was begun come to its end; what stopped training is what gets told."""
        del trainer, pl_module, exception
        try:
            self.writer.settle()
        except InterpositiveError as error:
            _LOG.error("%s", error)

    def save_now(self, trainer: lightning.Trainer) -> None:
        """Save the present step and return when it is on disk: for a run that is told to stop at the end of a step.

        To be called on every process, and after all callbacks that add to the state. What training began from is not
        saved again.
        """
        self._save(trainer)
        self.writer.settle()

    def _save(self, trainer: lightning.Trainer) -> None:
        step = trainer.global_step
        if step == self._saved_step:
            return
        began = time.perf_counter()
        trainer.save_checkpoint(self._path(step), weights_only=False)
        self._saved_step = step
        self.seconds += time.perf_counter() - began
        self.pause()

    def _path(self, step: int) -> Path:
        return self.writer.folder / f"step={step}.ckpt"
