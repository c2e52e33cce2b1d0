"""What a training run would take: a window, a step and a judgement of it, done once or a few times and multiplied."""

from __future__ import annotations

import copy
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import interpositive.training  # noqa: F401  isort: skip
import cv2
import torch
from torch import Tensor
from torch.utils.data import default_collate

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import PreparedWindows, is_whole, prepare_windows, prepared_path
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.metrics.contract import MakeMetric
from interpositive.mini_models.contract import MiniModel
from interpositive.records.training_estimate import MemoryEstimate, TimeEstimate, TrainingEstimate
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.held_out import HeldOutWindow, held_out_windows, measure_window, write_preview
from interpositive.training.settings import ComputeSettings, TrainSettings

_NUM_PREPARED = 2
_NUM_WARM_STEPS = 2
_NUM_TIMED_STEPS = 10
_MOST_STEPPING_SECONDS = 20.0
_HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def estimate_training(
    mini_model: MiniModel,
    dailies: ProductionDataModule,
    settings: TrainSettings,
    compute: ComputeSettings,
    metrics: Sequence[MakeMetric],
    folder: Path,
) -> TrainingEstimate:
    """Prepare a window or two into ``folder``, take a few steps and judge one window with copies of the mini-model.

    Nothing is kept of it: ``folder`` is the caller's to remove. Errors are those that training would raise.
    """
    device, notes = _device(compute)
    model = copy.deepcopy(mini_model).to(device)
    missing = {split: _num_missing(dailies, split) for split in ("train", "val")}
    prepared, prepare_seconds = _prepare(dailies, folder, notes)
    batch = _batch(prepared, max(1, dailies.batch_size // compute.num_processes))
    stepping = _Stepping(model, settings, compute, batch.to(device), device)
    activations = stepping.activation_bytes()
    step_seconds = stepping.seconds()
    window_bytes = max(path.stat().st_size for path in prepared.paths)
    peak_gpu = int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
    judging = _Judging(model, dailies, settings, metrics, device, folder)
    num_missing = sum(missing.values())
    trainable = sum(parameter.numel() * parameter.element_size() for parameter in _trainable(model))
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    num_forward = math.ceil(dailies.num_windows["val"] * _examples_a_window(prepared) / dailies.batch_size)
    validations = settings.max_steps // min(settings.validate_every, settings.max_steps)
    forward = stepping.forward_seconds() * num_forward
    return TrainingEstimate(
        num_trainable=mini_model.num_parameters,
        num_frozen=sum(parameter.numel() for parameter in mini_model.parameters()) - mini_model.num_parameters,
        max_steps=settings.max_steps,
        num_windows=sum(dailies.num_windows.values()),
        num_missing=num_missing,
        num_processes=compute.num_processes,
        num_workers=dailies.num_workers,
        num_prepare_workers=dailies.num_prepare_workers if num_missing > 1 else 0,
        measured_on=f"{device}, {torch.get_num_threads()} threads",
        memory=MemoryEstimate(
            weights=weights,
            gradients=trainable,
            optimizer=2 * trainable,
            averaged=weights,
            activations=activations,
            process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            peak_gpu=peak_gpu,
        ),
        time=TimeEstimate(
            prepare=_preparing(dailies, missing, prepare_seconds),
            step=step_seconds,
            steps=step_seconds * settings.max_steps,
            judge=judging.seconds(forward),
            validate_and_preview=validations * (forward + judging.preview_seconds),
        ),
        # Averaged and current weights, two moments of each, and the weights of the best judged step.
        checkpoint_bytes=3 * weights + 2 * trainable,
        # The newest, the best judged, and the one that is being written.
        num_checkpoints=settings.keep_checkpoints + 2,
        prepared_bytes=num_missing * window_bytes,
        notes=notes,
    )


def _device(compute: ComputeSettings) -> tuple[torch.device, list[str]]:
    wanted = compute.accelerator in ("gpu", "cuda")
    if torch.cuda.is_available() and (wanted or compute.accelerator == "auto"):
        return torch.device("cuda"), []
    notes = []
    if wanted:
        notes.append("there is no GPU here: steps were measured on the processor, and say nothing of a GPU's time")
    if compute.num_processes > 1:
        notes.append(f"what {compute.num_processes} processes tell each other in a step is not counted")
    return torch.device("cpu"), notes


def _num_missing(dailies: ProductionDataModule, split: str) -> int:
    folder = dailies.store_path(split)
    return sum(not is_whole(prepared_path(folder, index)) for index in range(dailies.num_windows[split]))


def _prepare(dailies: ProductionDataModule, folder: Path, notes: list[str]) -> tuple[PreparedWindows, float]:
    """A window or two as a worker makes them, and the seconds that each took."""
    num = min(_NUM_PREPARED, dailies.num_windows["train"])
    recipe = dailies.recipe("train")
    with _as_a_worker() if dailies.num_prepare_workers > 0 else nullcontext():
        started = time.perf_counter()
        prepared = prepare_windows(recipe, num, folder / "train", num_workers=0, progress=False)
        seconds = (time.perf_counter() - started) / num
    notes.append(f"windows take as long to prepare as the first {num}")
    return prepared, seconds


@contextmanager
def _as_a_worker() -> Iterator[None]:
    """Inside, libraries use the one thread that they use in a worker."""
    threads, of_opencv = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(of_opencv)


def _preparing(dailies: ProductionDataModule, missing: dict[str, int], seconds: float) -> float:
    """Both splits in turn, each by workers that have to start first."""
    total = 0.0
    for num in missing.values():
        workers = min(dailies.num_prepare_workers, torch.get_num_threads(), num) if num > 1 else 0
        total += _start_seconds() + math.ceil(num / workers) * seconds if workers else num * seconds
    return total


def _start_seconds() -> float:
    """What a fresh process needs before it can prepare a window."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {PreparedWindows.__module__}"], check=True, capture_output=True)
    return time.perf_counter() - started


def _examples_a_window(prepared: PreparedWindows) -> float:
    return len(prepared) / len(prepared.paths)


def _batch(prepared: PreparedWindows, size: int) -> Example:
    items = [prepared[index % len(prepared)] for index in range(size)]
    fields: dict[str, Tensor] = default_collate(items)
    condition = {name.removeprefix("condition."): v for name, v in fields.items() if name.startswith("condition.")}
    return Example(fields["input"], fields["mask"], fields.get("target"), condition, fields["number"])


def _trainable(model: MiniModel) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


class _Stepping:
    """Optimiser steps on one batch, as training takes them."""

    def __init__(
        self, model: MiniModel, settings: TrainSettings, compute: ComputeSettings, batch: Example, device: torch.device
    ) -> None:
        self.tuner = FineTuner(copy.deepcopy(model), max_steps=settings.max_steps, seed=settings.seed).to(device)
        self.tuner.train()
        self.averaged = copy.deepcopy(self.tuner.mini_model)
        self.optimizer = self.tuner.configure_optimizers()["optimizer"]
        self.settings = settings
        self.batch = batch
        self.device = device
        self.half = _HALF.get(compute.precision)

    def activation_bytes(self) -> int:
        """Bytes that the forward pass keeps for the backward one: the batch among them, the weights not."""
        own = {parameter.untyped_storage().data_ptr() for parameter in self.tuner.parameters()}
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = self._loss()
        loss.backward()  # type: ignore[no-untyped-call]
        return sum(kept.values())

    def seconds(self) -> float:
        """Of one step: the median of some, once caches are warm."""
        for _ in range(_NUM_WARM_STEPS):
            self._step()
        taken: list[float] = []
        while len(taken) < _NUM_TIMED_STEPS and sum(taken) < _MOST_STEPPING_SECONDS:
            taken.append(self._timed(self._step))
        return sorted(taken)[len(taken) // 2]

    def forward_seconds(self) -> float:
        """Of the loss of one batch alone, as the held-out loss is taken."""
        return self._timed(lambda: self.tuner.held_out_loss([self.batch]))

    def _loss(self) -> Tensor:
        half = torch.autocast(self.device.type, self.half) if self.half else nullcontext()
        with half:
            losses = self.tuner.mini_model.losses(self.batch, generator_from("dry run", self.settings.seed))
            return torch.stack(list(losses.values())).sum()

    def _step(self) -> None:
        self.optimizer.zero_grad()
        self._loss().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.tuner.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        with torch.no_grad():
            for average, value in zip(self.averaged.parameters(), self.tuner.mini_model.parameters(), strict=True):
                average.lerp_(value, 1.0 - self.settings.ema_decay)

    def _timed(self, work: Callable[[], Any]) -> float:
        self._finish()
        started = time.perf_counter()
        work()
        self._finish()
        return time.perf_counter() - started

    def _finish(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class _Judging:
    """One held-out window, restored and measured by all methods, and by the one that learns."""

    def __init__(
        self,
        model: MiniModel,
        dailies: ProductionDataModule,
        settings: TrainSettings,
        metrics: Sequence[MakeMetric],
        device: torch.device,
        folder: Path,
    ) -> None:
        self.settings = settings
        model = model.to(device).eval()
        started = time.perf_counter()
        window = self._window(dailies)
        self.reading = time.perf_counter() - started
        with torch.no_grad():
            self.all = _seconds(lambda: measure_window(model, window, model.methods, metrics))
            self.learned = _seconds(lambda: measure_window(model, window, (model.trained_method,), metrics))
            self.preview_seconds = _seconds(lambda: write_preview(model, window, folder / "preview.png"))

    def _window(self, dailies: ProductionDataModule) -> HeldOutWindow:
        settings = self.settings
        groups, damage = dailies.window_groups("val"), dailies.damage_paths
        found = held_out_windows(groups, dailies.make_example, 1, settings.held_out_frames, settings.seed, damage)
        return next(iter(found))

    def seconds(self, held_out_loss: float) -> float:
        """All evaluations: the first by all methods, within its budget, the others by the one that learns."""
        settings = self.settings
        judged = settings.held_out_windows
        if settings.judge_seconds is not None:
            within = max(2, math.ceil(settings.judge_seconds / self.all))
            judged = min(judged, within)
        points = math.ceil(settings.max_steps / settings.judge_every)
        reading = self.reading * settings.held_out_windows
        return reading + judged * (self.all + (points - 1) * self.learned) + points * held_out_loss


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
