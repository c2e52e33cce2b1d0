"""What a run would take on machines that are not here: memory, time and cost of each kind, from shapes alone."""

from __future__ import annotations

from typing import Literal

from interpositive.records.base import Record
from interpositive.records.device_kind import DeviceKind

Sharing = Literal["alone", "ddp", "fsdp2"]


class PlannedMemory(Record):
    """Bytes of one device: what it holds all the time, and ``activations`` at most beside these and the gradients."""

    weights: int
    gradients: int
    optimizer: int
    averaged: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.averaged + self.activations


class PlannedRun(Record):
    """A run on one kind of device, in the first way that fits its memory, or else in the thriftiest there is.

    ``batch_size`` is that of the whole run, ``anew`` whether blocks compute their inside again in the backward pass,
    and ``anew_argument`` the mini-model's argument that says so.
    ``kept_activations`` and ``anew_activations`` are those of one device in either way; the latter is None for a
    network that cannot.
    """

    name: str
    kind: DeviceKind
    batch_size: int
    sharing: Sharing
    anew: bool
    anew_argument: str | None
    memory: PlannedMemory
    kept_activations: int
    anew_activations: int | None
    fits: bool
    step_seconds: float
    hours: float

    @property
    def cost(self) -> float | None:
        """Of all devices and all steps; None without a price."""
        price = self.kind.price_per_hour
        return None if price is None else price * self.hours * self.kind.num_devices


class TrainingPlan(Record):
    """A run's parameters, latents on disk, and what each kind of machine would make of it.

    ``prepared_bytes`` are those of all windows, and None where that was measured instead.
    """

    num_trainable: int
    num_frozen: int
    max_steps: int
    prepared_bytes: int | None
    runs: list[PlannedRun]
    notes: list[str]
