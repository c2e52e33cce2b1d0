"""What a training run would take: a window, a few steps and a judgement of it, done in small and multiplied."""

from __future__ import annotations

import copy
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

import interpositive.training  # noqa: F401  isort: skip
import cv2
import torch

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import PreparedWindows, is_whole, prepare_windows, prepared_path
from interpositive.metrics.contract import MakeMetric
from interpositive.mini_models.contract import MiniModel
from interpositive.records.training_estimate import MemoryEstimate, TimeEstimate, TrainingEstimate
from interpositive.training.held_out import (
    HeldOutWindow,
    WindowsMovie,
    held_out_windows,
    measure_window,
    middle_pictures,
    write_preview,
)
from interpositive.training.settings import ComputeSettings, TrainSettings
from interpositive.training.trying_steps import activation_bytes, first_batch, try_steps

_NUM_PREPARED = 2
# The quicker and the slower quarter of the steps that were tried.
_QUICK, _SLOW = 0.25, 0.75
_NOT_COUNTED = "the machine does nothing else; the start of the command, and what W&B takes, are not counted"


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
    missing = {split: _num_missing(dailies, split) for split in ("train", "val")}
    prepared, prepare_seconds = _prepare(dailies, folder, notes)
    window_bytes = max(path.stat().st_size for path in prepared.paths)
    # A batch is no larger than all there is to learn from.
    num_examples = math.floor(dailies.num_windows["train"] * _examples_a_window(prepared))
    batch_size = max(1, min(dailies.batch_size, num_examples) // compute.num_processes)
    model = copy.deepcopy(mini_model).to(device)
    with _threads(_threads_of_a_process(compute)):
        measured_on = f"{device}, {torch.get_num_threads()} threads"
        batch = first_batch(prepared, batch_size).to(device)
        activations = activation_bytes(model, batch, settings.seed, compute.precision)
        tried = try_steps(copy.deepcopy(model), prepared, batch_size, settings, compute, device, folder)
        judging = _Judging(model, dailies, settings, metrics, device, folder)
    peak_gpu = int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
    num_missing = sum(missing.values())
    trainable = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    saved = sum(value.nbytes for value in model.state_dict().values())
    num_held_out_batches = math.ceil(dailies.num_windows["val"] * _examples_a_window(prepared) / batch_size)
    held_out = tried.held_out * num_held_out_batches
    quick, step, slow = (tried.step_seconds(dailies.num_workers, share) for share in (_QUICK, 0.5, _SLOW))
    return TrainingEstimate(
        num_trainable=mini_model.num_parameters,
        num_frozen=sum(parameter.numel() for parameter in mini_model.parameters()) - mini_model.num_parameters,
        max_steps=settings.max_steps,
        num_windows=sum(dailies.num_windows.values()),
        num_missing=num_missing,
        num_processes=compute.num_processes,
        num_workers=dailies.num_workers,
        num_prepare_workers=dailies.num_prepare_workers if num_missing > 1 else 0,
        measured_on=measured_on,
        memory=MemoryEstimate(
            weights=sum(value.nbytes for value in (*model.parameters(), *model.buffers())),
            gradients=trainable,
            optimizer=2 * trainable,
            averaged=trainable,
            activations=activations,
            process=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            peak_gpu=peak_gpu,
        ),
        time=TimeEstimate(
            prepare=_preparing(dailies, missing, prepare_seconds),
            start=_start_seconds() if dailies.num_workers else 0.0,
            step=step,
            step_range=(quick, slow),
            steps=step * settings.max_steps,
            judge=judging.seconds(held_out),
            validate_and_preview=num_validations(settings) * (held_out + judging.preview_seconds),
            save=tried.saving * num_saves(settings) + tried.closing,
        ),
        # Averaged and current weights, two moments of each, and the weights of the best judged step.
        checkpoint_bytes=3 * saved + 2 * trainable,
        # The newest, the best judged, and the one that is being written.
        num_checkpoints=settings.keep_checkpoints + 2,
        prepared_bytes=num_missing * window_bytes,
        archive_bytes=saved,
        notes=notes,
    )


def num_validations(settings: TrainSettings) -> int:
    """Those of a whole run: every so often, and at the last step."""
    return math.ceil(settings.max_steps / settings.validate_every)


def num_saves(settings: TrainSettings) -> int:
    """At every checkpoint, wherever the run is judged, and at the last step."""
    last, every, judged = settings.max_steps, settings.checkpoint_every, settings.judge_every
    both = last // math.lcm(every, judged)
    return last // every + last // judged - both + (last % every != 0 and last % judged != 0)


def _device(compute: ComputeSettings) -> tuple[torch.device, list[str]]:
    wanted = compute.accelerator in ("gpu", "cuda")
    if torch.cuda.is_available() and (wanted or compute.accelerator == "auto"):
        return torch.device("cuda"), [_NOT_COUNTED]
    notes = [_NOT_COUNTED]
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
    of_opencv = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        with _threads(1):
            yield
    finally:
        cv2.setNumThreads(of_opencv)


@contextmanager
def _threads(num: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads_of_a_process(compute: ComputeSettings) -> int:
    """As many as one process of the run would have."""
    if compute.threads is not None:
        return compute.threads
    return max(1, _num_cores() // compute.devices) if compute.num_processes > 1 else torch.get_num_threads()


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _preparing(dailies: ProductionDataModule, missing: dict[str, int], seconds: float) -> float:
    """Both splits in turn, each by workers that have to start first."""
    total = 0.0
    for num in missing.values():
        workers = min(dailies.num_prepare_workers, _num_cores(), num) if num > 1 else 0
        total += _start_seconds() + math.ceil(num / workers) * seconds if workers else num * seconds
    return total


@cache
def _start_seconds() -> float:
    """What a fresh process needs before it can prepare a window."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {PreparedWindows.__module__}"], check=True, capture_output=True)
    return time.perf_counter() - started


def _examples_a_window(prepared: PreparedWindows) -> float:
    return len(prepared) / len(prepared.paths)


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
        self.settings, self.model, self.metrics = settings, model.to(device).eval(), metrics
        self.movie_path = folder / "judged.mp4"
        started = time.perf_counter()
        window = self._window(dailies)
        self.reading = time.perf_counter() - started
        with torch.no_grad():
            self.all = self._judged(window, model.methods)
            self.learned = self._judged(window, (model.trained_method,))
            started = time.perf_counter()
            write_preview(model, window, folder / "preview.png")
            self.preview_seconds = time.perf_counter() - started

    def _judged(self, window: HeldOutWindow, methods: Sequence[str]) -> float:
        """Seconds of a window's restoration, measures, and pictures."""
        started = time.perf_counter()
        with WindowsMovie(self.movie_path, window) as movie:
            measured = measure_window(self.model, window, methods, self.metrics)
            movie.add(window, measured.frames[self.model.trained_method])
            middle_pictures(window, measured.frames)
        return time.perf_counter() - started

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
