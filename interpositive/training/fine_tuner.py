"""The one training module; it knows no task."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.optim import Optimizer

from interpositive.errors import TrainingError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from, seed_from
from interpositive.mini_models.contract import MiniModel
from interpositive.training.sharding import clip_sharded_gradients, is_sharded


class FineTuner(lightning.LightningModule):
    """Minimises a mini-model's own losses with AdamW, a linear warm-up and a cosine to ``final_share``.

    The first steps, ``half_size_share`` of all, see their batches at half size.
    All randomness of a step comes from (seed, step): what is the batch's from a generator of its own, and the global
    generators (dropout) are seeded as the step begins, for each part of a batch another way, so that none
    of them has a state to be saved. A loss that is not finite ends training with ``TrainingError``, which names the
    terms, on all ranks and before anything of its step is kept.
    """

    def __init__(
        self,
        mini_model: MiniModel,
        *,
        max_steps: int,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        warmup_steps: int = 30,
        final_share: float = 0.02,
        half_size_share: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.mini_model = mini_model
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.betas = betas
        self.warmup_steps = warmup_steps
        self.final_share = final_share
        self.half_size_share = half_size_share
        self.seed = seed
        # Of the step that was taken last, by name, as they are logged: this rank's until they are settled.
        self.step_losses: dict[str, Tensor] = {}

    def training_step(self, example: Example, batch_idx: int) -> Tensor:
        """The sum of the mini-model's losses on one batch."""
        del batch_idx
        seed_global_generators("step", self.seed, self.global_step, self.global_rank * len(example.input))
        if self.global_step < self.half_size_share * self.max_steps:
            example = self.mini_model.half_size(example)
        losses = self.mini_model.losses(example, generator_from("step", self.seed, self.global_step))
        total = torch.stack(list(losses.values())).sum()
        named = {"loss": total, **losses}
        self.step_losses = {f"train/{name}": value.detach().float() for name, value in named.items()}
        return total

    def settle_losses(self, means: Tensor) -> None:
        """Take the mean of ``step_losses`` over all ranks, in their order, for those of the step, and log them."""
        self.step_losses = dict(zip(self.step_losses, means, strict=True))
        if not torch.isfinite(self.step_losses["train/loss"]):
            found = ", ".join(f"{name} {float(value):.4g}" for name, value in self.step_losses.items())
            raise TrainingError(
                f"the loss is not a number at step {self.global_step}",
                found=found.replace("train/", ""),
                expected="finite losses",
                remedy="lower trainer.learning_rate; the run folder keeps the checkpoints before this step",
            )
        for name, value in self.step_losses.items():
            self.log(name, value, on_step=True, on_epoch=False, prog_bar=name == "train/loss")

    @torch.no_grad()
    def held_out_loss(self, batches: Iterable[Example]) -> float:
        """The mean of the same losses over held-out examples, always with the same random choices."""
        total, num_examples = 0.0, 0
        for index, example in enumerate(batches):
            seed_global_generators("validation", self.seed, index)
            losses = self.mini_model.losses(example.to(self.device), generator_from("validation", self.seed, index))
            total += float(torch.stack(list(losses.values())).sum()) * len(example.input)
            num_examples += len(example.input)
        return total / num_examples

    def learning_rate_share(self, step: int) -> float:
        """The schedule: share of the peak learning rate at a step."""
        warmup = min(1.0, (step + 1) / max(1, self.warmup_steps))
        progress = min(1.0, step / max(1, self.max_steps))
        cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
        return warmup * (self.final_share + (1.0 - self.final_share) * cosine)

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip by the norm of all gradients, of sharded ones too."""
        if gradient_clip_val and is_sharded(self):
            clip_sharded_gradients(self.parameters(), gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:
        """AdamW on what learns, and the schedule stepped with every batch."""
        optimizer = torch.optim.AdamW(
            [parameter for parameter in self.mini_model.parameters() if parameter.requires_grad],
            lr=self.learning_rate,
            betas=self.betas,
            weight_decay=self.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.learning_rate_share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def seed_global_generators(*keys: object) -> None:
    """Seed those of torch (all devices), numpy and Python by names, whatever was drawn from them before."""
    lightning.seed_everything(seed_from(*keys) % (1 << 32), verbose=False)
