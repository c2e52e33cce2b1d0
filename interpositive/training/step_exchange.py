"""What all ranks tell one another at the end of a step, at once: each exchange waits for the slowest of them."""

from __future__ import annotations

from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
import torch

from interpositive.training.fine_tuner import FineTuner
from interpositive.training.ranks import mean_over_ranks
from interpositive.training.stopping import StopRequests


class StepExchange(lightning.Callback):
    """The mean losses of the whole batch, for the tuner to settle, and whether any rank was asked to stop.

    Belongs before all callbacks that keep something of a step: a loss that is not a number ends all ranks here.
    """

    def __init__(self, requests: StopRequests) -> None:
        self.requests = requests

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        """Exchange and settle."""
        del trainer, args
        assert isinstance(pl_module, FineTuner)
        losses = list(pl_module.step_losses.values())
        asked = torch.tensor(float(self.requests.asked is not None), device=losses[0].device)
        means = mean_over_ranks(torch.stack([*losses, asked]))
        self.requests.agreed = bool(means[-1] > 0)
        pl_module.settle_losses(means[:-1])
