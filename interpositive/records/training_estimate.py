"""What a training run would take, measured in small before it is begun."""

from __future__ import annotations

from interpositive.records.base import Record


class DataCheck(Record):
    """What was looked at of the takes and masks that training would read; what is wrong ends the check with an error.

    Of ``num_takes`` all are there and as large as ingested; ``num_decoded`` of them, evenly spread, gave their first
    frame through a checked read. ``masks`` are the takes with known damage, whose masks are as long as they are.
    """

    production: str
    num_takes: dict[str, int]
    num_bytes: int
    num_decoded: int
    masks: list[str]


class MemoryEstimate(Record):
    """Bytes of one process: what training holds all the time, and ``activations`` in the middle of a step.

    ``peak_gpu`` is None where nothing was measured on a GPU. ``process`` is the most that the dry run itself held
    resident, libraries and footage included.
    """

    weights: int
    gradients: int
    optimizer: int
    averaged: int
    activations: int
    process: int
    peak_gpu: int | None = None


class TimeEstimate(Record):
    """Seconds of what training does in turn, each measured in small and multiplied.

    ``step`` is one optimiser step with its batch, ``step_range`` that of the quicker and the slower quarter of those
    tried. ``start`` is the workers' that read batches, ``save`` what checkpoints keep training from going on.
    """

    prepare: float
    start: float
    step: float
    step_range: tuple[float, float]
    steps: float
    judge: float
    validate_and_preview: float
    save: float

    @property
    def total(self) -> float:
        """From the first window prepared to the archive."""
        return self.prepare + self.start + self.steps + self.judge + self.validate_and_preview + self.save

    @property
    def total_range(self) -> tuple[float, float]:
        """The same if all steps were as quick, or as slow, as those of ``step_range``."""
        quick, slow = (self.total + self.steps * (step / self.step - 1.0) for step in self.step_range)
        return quick, slow


class TrainingEstimate(Record):
    """A run as it would be: parameters, processes, memory, time, disk (bytes); ``notes`` say what it assumes."""

    num_trainable: int
    num_frozen: int
    max_steps: int
    num_windows: int
    num_missing: int
    num_processes: int
    num_workers: int
    num_prepare_workers: int
    measured_on: str
    memory: MemoryEstimate
    time: TimeEstimate
    checkpoint_bytes: int
    num_checkpoints: int
    prepared_bytes: int
    archive_bytes: int
    notes: list[str]

    @property
    def disk_bytes(self) -> int:
        """What a run adds to the disk at most; previews and logs are small beside it."""
        return self.checkpoint_bytes * self.num_checkpoints + self.prepared_bytes + self.archive_bytes
