"""What happens beside the steps: previews, averaged weights, and a steady eye on waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import EMAWeightAveraging

from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import HeldOutWindow, write_preview


class Previews(lightning.Callback):
    """In each validation, shows a held-out frame as damaged, prior, trained (averaged weights) and true.

    Belongs before the weight averaging among a trainer's callbacks.
    """

    def __init__(self, window: HeldOutWindow, folder: Path) -> None:
        self.window = window
        self.folder = folder

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write ``step_<n>.png``, and hand it to W&B if it listens."""
        assert isinstance(pl_module, FineTuner)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        path = self.folder / f"step_{trainer.global_step:06d}.png"
        was_training = pl_module.training
        pl_module.eval()
        write_preview(pl_module.mini_model, self.window, path)
        pl_module.train(was_training)
        for logger in trainer.loggers:
            if isinstance(logger, lightning.loggers.WandbLogger):
                logger.log_image("preview", [str(path)], step=trainer.global_step)


class AveragedWeights(EMAWeightAveraging):
    """Lightning's exponential average of the weights, to be had outside validation too."""

    @contextmanager
    def averaged(self, pl_module: lightning.LightningModule) -> Iterator[None]:
        """Within, the module has the averaged weights."""
        self._swap_models(pl_module)
        try:
            yield
        finally:
            self._swap_models(pl_module)


class WaitMeter(lightning.Callback):
    """The share of training time spent waiting for the next batch, logged as ``train/wait_share``."""

    def __init__(self) -> None:
        self.waiting_seconds = 0.0
        self.stepping_seconds = 0.0
        self._mark = 0.0

    def on_train_batch_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        """The batch is here: what went before was waiting."""
        now = time.perf_counter()
        if self._mark:
            self.waiting_seconds += now - self._mark
        self._mark = now

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """The step is done."""
        now = time.perf_counter()
        self.stepping_seconds += now - self._mark
        self._mark = now
        if trainer.global_step % 50 == 0:
            pl_module.log("train/wait_share", self.share)

    def on_validation_start(self, *args: Any) -> None:
        """Validation is neither."""
        self.pause()

    def pause(self) -> None:
        """What goes on until the next batch is there is neither."""
        self._mark = 0.0

    @property
    def share(self) -> float:
        """Waiting as a share of waiting and stepping."""
        total = self.waiting_seconds + self.stepping_seconds
        return self.waiting_seconds / total if total else 0.0
