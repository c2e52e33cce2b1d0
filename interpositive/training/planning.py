"""What a run would take on machines that are not here, from a step without values and the makers' figures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import interpositive.training  # noqa: F401  isort: skip
import torch
from torch import nn

from interpositive.dailies.data_module import ProductionDataModule
from interpositive.dailies.prepared_windows import PreparedWindows, window_content
from interpositive.errors import MissingWeightsError
from interpositive.functional.examples import Example
from interpositive.mini_models.contract import MiniModel
from interpositive.records.device_kind import DeviceKind
from interpositive.records.training_plan import PlannedMemory, PlannedRun, Sharing, TrainingPlan
from interpositive.training.settings import TrainSettings
from interpositive.training.shadow_step import ShadowStep, batch_of, shadow_of, take_shadow_step
from interpositive.training.trying_steps import first_batch

USABLE = 0.92
"""The share of a device's memory that is planned with: its driver and the gaps between tensors take the rest."""
_NOTES = (
    "nothing here was measured on a GPU: memory is that of every tensor of a step without values, time a roofline over "
    "the makers' figures and the share of them said in device_kind",
    "hours are those of the steps; preparing, judging and saving are not counted, nor is autocast of compute.precision",
)


def plan_training(
    mini_model: MiniModel,
    prepared: Example,
    batch_size: int,
    settings: TrainSettings,
    kinds: Mapping[str, DeviceKind],
    prepared_bytes: int | None = None,
) -> TrainingPlan:
    """A run of batches of ``prepared`` examples (one, whose shapes alone are looked at), on each kind of machine."""
    planner = _Planner(shadow_of(mini_model), prepared)
    runs = [planner.run(name, kind, batch_size, settings.max_steps) for name, kind in kinds.items()]
    return TrainingPlan(
        num_trainable=mini_model.num_parameters,
        num_frozen=sum(value.numel() for value in mini_model.parameters()) - mini_model.num_parameters,
        max_steps=settings.max_steps,
        prepared_bytes=prepared_bytes,
        runs=runs,
        notes=list(_NOTES),
    )


class _Planner:
    def __init__(self, shadow: MiniModel, prepared: Example) -> None:
        self.shadow, self.prepared = shadow, prepared
        self.can_anew = shadow.anew_argument is not None
        self.step = cache(self._step)

    def _step(self, num_examples: int, anew: bool) -> ShadowStep:
        self.shadow.compute_anew(anew)
        return take_shadow_step(self.shadow, batch_of(self.prepared, num_examples))

    def run(self, name: str, kind: DeviceKind, batch_size: int, max_steps: int) -> PlannedRun:
        """In the first way that fits, the quickest first."""
        num = kind.num_devices
        each = max(1, batch_size // num)
        sharings: tuple[Sharing, ...] = ("ddp", "fsdp2") if num > 1 else ("alone",)
        ways = [(sharing, anew) for sharing in sharings for anew in ((False, True) if self.can_anew else (False,))]
        for sharing, anew in ways:
            step = self.step(each, anew)
            memory = self.memory(step, sharing, num)
            fits = memory.total <= USABLE * kind.memory_gb * 1e9
            if fits:
                break
        seconds = step.seconds(kind) + self.sent_bytes(sharing, num) / (
            kind.link_gb_per_second * 1e9 * kind.utilisation
        )
        return PlannedRun(
            name=name,
            kind=kind,
            batch_size=each * num,
            sharing=sharing,
            anew=anew,
            anew_argument=self.shadow.anew_argument,
            memory=memory,
            kept_activations=self._activations(self.step(each, False)),
            anew_activations=self._activations(self.step(each, True)) if self.can_anew else None,
            fits=fits,
            step_seconds=seconds,
            hours=seconds * max_steps / 3600.0,
        )

    def memory(self, step: ShadowStep, sharing: Sharing, num: int) -> PlannedMemory:
        """Of one device."""
        blocks = list(self.shadow.blocks())
        whole, learning = num_bytes(self.shadow), num_bytes(self.shadow, learning=True)
        weights = whole
        if sharing == "fsdp2":
            in_blocks = sum(num_bytes(block) for block in blocks)
            learning_in_blocks = sum(num_bytes(block, learning=True) for block in blocks)
            # One block is computed with, and the next is brought together meanwhile.
            together = 2 * max((num_bytes(block) for block in blocks), default=0)
            weights = whole - in_blocks + in_blocks // num + together
            learning = learning - learning_in_blocks + learning_in_blocks // num
        return PlannedMemory(
            weights=weights,
            # Copies of them are what processes send each other.
            gradients=learning * (2 if sharing == "ddp" else 1),
            optimizer=2 * learning,
            averaged=learning,
            activations=self._activations(step),
        )

    def sent_bytes(self, sharing: Sharing, num: int) -> float:
        """By one device in a step: gradients, and what is sharded, for the way there and the way back."""
        gradients = num_bytes(self.shadow, learning=True)
        in_blocks = sum(num_bytes(block) for block in self.shadow.blocks())
        share = (num - 1) / num
        return {"alone": 0.0, "ddp": 2.0 * gradients * share, "fsdp2": (2.0 * in_blocks + gradients) * share}[sharing]

    def _activations(self, step: ShadowStep) -> int:
        return step.batch_bytes + max(0, step.peak_bytes - num_bytes(self.shadow, learning=True))


def prepared_here(folder: Path) -> Example:
    """The first example of windows that were prepared into ``folder``."""
    batch = first_batch(PreparedWindows(folder, 1), 1)
    target = None if batch.target is None else batch.target[0]
    return Example(batch.input[0], batch.mask[0], target, {name: value[0] for name, value in batch.condition.items()})


def prepared_elsewhere(mini_model: MiniModel, dailies: ProductionDataModule) -> tuple[Example, int]:
    """The shapes of an example of the largest windows, by a mini-model that tells them, and bytes of all windows."""
    groups = dailies.window_groups("train")
    outlines = [mini_model.outline(group.num_frames, *(group.size or (0, 0))) for group in groups]
    found = [outline for outline in outlines if outline is not None]
    if not found:
        raise MissingWeightsError(
            "without its weights this network is not planned: what it is told has to be prepared once",
            expected="the weights, or a network that is told of latents alone",
        )
    largest = max(found, key=lambda outline: outline.input.numel())
    empty = Example(
        torch.zeros(largest.input.shape),
        torch.zeros(largest.mask.shape),
        condition={name: torch.zeros(value.shape, dtype=value.dtype) for name, value in largest.condition.items()},
    )
    return largest, len(window_content([empty])) * sum(dailies.num_windows.values())


def is_outline(mini_model: MiniModel) -> bool:
    """Whether it has shapes and no values: its weights are elsewhere."""
    return any(value.is_meta for value in mini_model.parameters())


def num_bytes(module: nn.Module, *, learning: bool = False) -> int:
    """Of a module's parameters and buffers, or of the parameters that learn."""
    if learning:
        return sum(value.nbytes for value in module.parameters() if value.requires_grad)
    return sum(value.nbytes for value in (*module.parameters(), *module.buffers()))
