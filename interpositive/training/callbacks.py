"""What happens beside the steps: averaged weights, validation, and a steady eye on waiting."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.mini_models.contract import MiniModel
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import HeldOutWindow, write_preview
from interpositive.training.ranks import is_first
from interpositive.training.run_folder import PREVIEWS_NAME
from interpositive.training.settings import TrainSettings
from interpositive.training.sharding import ShardedStrategy, whole
from interpositive.training.wandb_logging import log_preview


class LearningAverage(AveragedModel):
    """torch's average, of what learns and of buffers; frozen parameters are let alone.

    They would cost a pass at every step. What does not change stays as it is, to the last bit: the weighted mean of a
    number with itself is rounded, and a digest or 16-bit weights that model and average share would wander off by it.
    """

    def __init__(self, model: nn.Module, decay: float, device: torch.device) -> None:
        super().__init__(model, device=device, use_buffers=True)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights as they are now."""
        is_first_time = bool(self.n_averaged == 0)
        for average, value in _averaged_pairs(self.module, model):
            now = value.detach().to(average.device)
            if is_first_time or not average.is_floating_point():
                average.copy_(now)
            else:
                average.add_((now - average) * (1.0 - self.decay))
        self.n_averaged += 1


class AveragedWeights(EMAWeightAveraging):
    """Lightning's exponential average of the weights, to be had outside its validation, and of sharded ones too.

    What does not learn is left as it is, to the last bit. Sharded weights are averaged share by share: each process
    keeps the average of what it keeps.
    """

    def __init__(self, decay: float, update_starting_at_step: int) -> None:
        super().__init__(decay=decay, update_starting_at_step=update_starting_at_step)
        self._decay = decay
        self._whole: FineTuner | None = None

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Begin with the weights as they are."""
        del trainer
        if stage == "fit":
            self._average_model = LearningAverage(pl_module, self._decay, pl_module.device)

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep the average where the weights are, in shares if they are."""
        average = self._average()
        if isinstance(trainer.strategy, ShardedStrategy):
            self._whole = copy.deepcopy(average) if is_first() else None
            trainer.strategy.shard(average.mini_model)
        average.to(pl_module.device)

    def averaged(self) -> FineTuner:
        """A tuner with the averaged weights, whole, to be judged by the first process; all must ask together."""
        average = self._average()
        weights = whole(average.state_dict())
        if self._whole is None:
            return average.eval()
        self._whole.load_state_dict(weights)
        return self._whole.to(average.device).eval()

    @property
    def whole_mini_model(self) -> MiniModel | None:
        """Where weights are sharded, the first process's mini-model that is not."""
        return self._whole.mini_model if self._whole else None

    def _average(self) -> FineTuner:
        assert self._average_model is not None
        average = self._average_model.module
        assert isinstance(average, FineTuner)
        return average


def _averaged_pairs(average: nn.Module, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    parameters = zip(average.parameters(), model.parameters(), strict=True)
    buffers = zip(average.buffers(), model.buffers(), strict=True)
    yield from ((ours, theirs) for ours, theirs in parameters if theirs.requires_grad)
    yield from ((ours, theirs) for ours, theirs in buffers if ours is not theirs)


class Validation(lightning.Callback):
    """The held-out loss, and a held-out frame, by the averaged weights: every ``validate_every`` steps and at the last.

    Belongs after the averaging and before the checkpoints, in the step itself: Lightning's own validation
    comes after a step's checkpoint, and a run that is killed between the two goes on without it.
    """

    def __init__(
        self,
        dailies: ProductionDataModule,
        averaging: AveragedWeights,
        settings: TrainSettings,
        folder: Path,
        report: Callable[[int, Mapping[str, float]], None],
        pause: Callable[[], None],
    ) -> None:
        """``window`` is set afterwards, before training; ``report`` writes the loss down, ``pause`` stops the meter."""
        self.window: HeldOutWindow | None = None
        self.dailies = dailies
        self.averaging = averaging
        self.settings = settings
        self.folder = folder
        self.report = report
        self.pause = pause

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Write ``step_<n>.png`` (damaged, prior, trained, true) and the loss, and hand both to W&B if it listens."""
        del pl_module, args
        step = trainer.global_step
        if step % self.settings.validate_every and step != self.settings.max_steps:
            return
        averaged = self.averaging.averaged()
        if not is_first():
            return
        assert self.window is not None
        path = self.folder / PREVIEWS_NAME / f"step_{step:06d}.png"
        values = {"val/loss": averaged.held_out_loss(self.dailies.held_out_batches())}
        write_preview(averaged.mini_model, self.window, path)
        self.report(step, values)
        for logger in trainer.loggers:
            logger.log_metrics(values, step=step)
        log_preview(trainer.loggers, step, path)
        self.pause()


class Stopwatch(lightning.Callback):
    """The seconds that a training takes, with those of the starts that it goes on from: checkpoints hold them."""

    def __init__(self) -> None:
        self._earlier = 0.0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of the whole training; steps that a killed start took and that are taken again count once."""
        return self._earlier + self.seconds_of_this_start

    @property
    def seconds_of_this_start(self) -> float:
        """Since this was made."""
        return time.monotonic() - self._began

    def state_dict(self) -> dict[str, float]:
        """The seconds so far."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: Mapping[str, float]) -> None:
        """Go on from those of a checkpoint."""
        self._earlier = state_dict["seconds"]


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

    def pause(self) -> None:
        """What goes on until the next batch is there is neither."""
        self._mark = 0.0

    @property
    def share(self) -> float:
        """Waiting as a share of waiting and stepping."""
        total = self.waiting_seconds + self.stepping_seconds
        return self.waiting_seconds / total if total else 0.0
