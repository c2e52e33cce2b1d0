"""A few steps of a training, taken as training takes them and thrown away, to know how long one lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from interpositive.dailies.prepared_windows import PreparedWindows, batch_to_example
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.contract import MiniModel
from interpositive.training.callbacks import AveragedWeights
from interpositive.training.checkpoint_format import CHECKPOINTS_NAME, FoundCheckpoint
from interpositive.training.checkpoints import Checkpoints, CheckpointWriter
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.settings import ComputeSettings, TrainSettings
from interpositive.training.step_exchange import StepExchange
from interpositive.training.stopping import StopRequests, StopWhenAsked, interruptible
from interpositive.training.trainer import make_trainer

_NUM_WARM_STEPS = 3
_NUM_TIMED_STEPS = 20
_FEWEST_TIMED_STEPS = 2
_MOST_SECONDS = 20.0
_HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class TriedSteps:
    """Seconds of single steps, once caches are warm: ``reading`` a batch, and ``stepping`` on it with all callbacks.

    ``saving`` is what a checkpoint keeps training from going on, ``closing`` what comes after the last step;
    ``held_out`` is the loss of one batch alone, read anew.
    """

    reading: list[float]
    stepping: list[float]
    saving: float
    closing: float
    held_out: float

    def step_seconds(self, num_workers: int, share: float = 0.5) -> float:
        """Of one step, slower than this ``share`` of them; workers read batches meanwhile."""
        reading, stepping = _quantile(self.reading, share), _quantile(self.stepping, share)
        return max(stepping, reading / num_workers) if num_workers else reading + stepping


class _Clock(lightning.Callback):
    """When steps began and ended; ends training once enough are known. Belongs after all others."""

    def __init__(self, finish: Callable[[], None]) -> None:
        self.finish = finish
        self.begun: list[float] = []
        self.ended: list[float] = []

    def on_train_batch_start(self, *args: Any) -> None:
        """The batch is here."""
        del args
        self.begun.append(time.perf_counter())

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any) -> None:
        """The step is done."""
        del args
        self.finish()
        self.ended.append(time.perf_counter())
        enough = len(self.ended) >= _NUM_WARM_STEPS + _FEWEST_TIMED_STEPS
        if enough and self.ended[-1] - self.begun[0] > _MOST_SECONDS:
            trainer.should_stop = True


def try_steps(
    mini_model: MiniModel,
    prepared: PreparedWindows,
    batch_size: int,
    settings: TrainSettings,
    compute: ComputeSettings,
    device: torch.device,
    folder: Path,
) -> TriedSteps:
    """Take steps with a mini-model, which has learned from them then, on one process; ``folder`` gets a checkpoint."""
    num_steps = _NUM_WARM_STEPS + _NUM_TIMED_STEPS
    settings = replace(settings, checkpoint_every=num_steps, judge_every=num_steps, max_steps=num_steps, progress=False)
    alone = replace(
        compute, accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, num_nodes=1, strategy="ddp"
    )
    order = [[(step * batch_size + i) % len(prepared) for i in range(batch_size)] for step in range(num_steps)]
    batches = DataLoader(prepared, batch_sampler=order, collate_fn=_as_example)
    tuner = FineTuner(mini_model, max_steps=settings.max_steps, learning_rate=settings.learning_rate)
    writer = CheckpointWriter(folder / CHECKPOINTS_NAME, 1, lambda: None, FoundCheckpoint(None, {}, []))
    checkpoints = Checkpoints(writer, settings, lambda: None)
    clock = _Clock(lambda: _finish(device))
    stop = StopRequests()
    callbacks = [
        StepExchange(stop),
        AveragedWeights(settings.ema_decay, update_starting_at_step=0),
        StopWhenAsked(stop, checkpoints.save_now, lambda step: False),
        clock,
        checkpoints,
    ]
    trainer = make_trainer(settings, alone, folder, [], callbacks, writer)
    with interruptible():
        trainer.fit(tuner, batches)
    closed = time.perf_counter()
    tuner.to(device).eval()
    held_out = _seconds(lambda: tuner.held_out_loss([_as_example([prepared[i] for i in order[0]])]))
    begun, ended = clock.begun[_NUM_WARM_STEPS:], clock.ended[_NUM_WARM_STEPS - 1 :]
    return TriedSteps(
        reading=[start - end for start, end in zip(begun, ended, strict=False)],
        stepping=[end - start for start, end in zip(begun, ended[1:], strict=True)],
        saving=checkpoints.seconds,
        closing=closed - clock.ended[-1],
        held_out=held_out,
    )


def activation_bytes(mini_model: MiniModel, batch: Example, seed: int, precision: str) -> int:
    """Bytes that a forward pass keeps for the backward one: the batch among them, the weights not."""
    own = {parameter.untyped_storage().data_ptr() for parameter in mini_model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    half = torch.autocast(batch.input.device.type, _HALF[precision]) if precision in _HALF else nullcontext()
    with half, torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        losses = mini_model.losses(batch, generator_from("dry run", seed))
        # Kept alive until it has been counted.
        total = torch.stack(list(losses.values())).sum()
    del total
    return sum(kept.values())


def first_batch(prepared: PreparedWindows, batch_size: int) -> Example:
    """A batch of the first examples; where there are fewer, they come again."""
    return _as_example([prepared[index % len(prepared)] for index in range(batch_size)])


def _as_example(items: list[dict[str, Tensor]]) -> Example:
    return batch_to_example(default_collate(items))


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
