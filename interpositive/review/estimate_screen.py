"""One screen on a training run that was not begun: what was looked at, and what it would take."""

from __future__ import annotations

from collections.abc import Sequence

from interpositive.records.rights import Beginning
from interpositive.records.training_estimate import DataCheck, MemoryEstimate, TimeEstimate, TrainingEstimate
from interpositive.review.screens import Screen

_RIGHTS = (
    "every take is of this production's own catalogue. The catalogue holds no record of rights or consent, so none was "
    "checked: whether these takes may be learned from is yours to know"
)


def estimate_screen(
    name: str, checked: DataCheck, estimate: TrainingEstimate, begun_with: Sequence[Beginning] = ()
) -> Screen:
    """Data, rights, what is begun with, parameters, processes, memory, time and disk; then what the numbers assume."""
    rows = [
        ("data", _data(checked)),
        ("rights", _RIGHTS),
        *(("begins with", beginning.words().removeprefix("begins with ")) for beginning in begun_with),
        ("parameters", f"{estimate.num_trainable:,} trainable, {estimate.num_frozen:,} frozen"),
        ("processes", _processes(estimate)),
        ("memory", _memory(estimate.memory)),
        ("time", _time(estimate)),
        ("disk", _disk(estimate)),
        ("measured", f"on {estimate.measured_on}"),
        *(("assumed", note) for note in estimate.notes),
    ]
    return Screen(f"{name}: dry run, nothing is trained and nothing written", rows)


def estimate_line(name: str, estimate: TrainingEstimate) -> str:
    """The same in one line."""
    return (
        f"{name}: {estimate.num_trainable:,} parameters, {_bytes(estimate.memory.process)} of memory, "
        f"{_duration(estimate.time.total)}, {_bytes(estimate.disk_bytes)} of disk"
    )


def total_line(estimates: Sequence[TrainingEstimate]) -> str:
    """What all trials of a sweep take, one after the other; windows that several share are counted for each."""
    seconds, disk = sum(each.time.total for each in estimates), sum(each.disk_bytes for each in estimates)
    return (
        f"{len(estimates)} trials, dry run: {_duration(seconds)} one after the other, up to {_bytes(disk)} of disk; "
        "nothing is trained and nothing written"
    )


def _data(checked: DataCheck) -> str:
    counts = ", ".join(f"{num} {split}" for split, num in checked.num_takes.items())
    masks = f"; masks of {len(checked.masks)} takes are there and long enough" if checked.masks else "; no masks"
    return (
        f"takes: {counts}, {_bytes(checked.num_bytes)}; all are there and as large as ingested, {checked.num_decoded} "
        f"were read with their digests checked{masks}"
    )


def _processes(estimate: TrainingEstimate) -> str:
    parts = [f"{estimate.num_processes} training"]
    if estimate.num_workers:
        parts.append(f"{estimate.num_workers * estimate.num_processes} reading batches")
    if estimate.num_prepare_workers:
        parts.append(f"before that {estimate.num_prepare_workers} preparing windows")
    return ", ".join(parts)


def _memory(memory: MemoryEstimate) -> str:
    gpu = f"; {_bytes(memory.peak_gpu)} at most on the GPU" if memory.peak_gpu is not None else ""
    return (
        f"weights {_bytes(memory.weights)}, gradients {_bytes(memory.gradients)}, "
        f"optimiser {_bytes(memory.optimizer)}, averaged weights {_bytes(memory.averaged)}, "
        f"activations of a step {_bytes(memory.activations)}; "
        f"this process, doing all of it once, held {_bytes(memory.process)}{gpu}"
    )


def _time(estimate: TrainingEstimate) -> str:
    spent: TimeEstimate = estimate.time
    quick, slow = (_duration(seconds) for seconds in spent.total_range)
    return (
        f"about {_duration(spent.total)} ({quick} to {slow}, as steps differ): "
        f"{estimate.num_missing} of {estimate.num_windows} windows to prepare {_duration(spent.prepare)}, "
        f"{estimate.max_steps} steps of {spent.step:.2g} s {_duration(spent.steps)}, "
        f"judging {_duration(spent.judge)}, validation and previews {_duration(spent.validate_and_preview)}, "
        f"starting and saving {_duration(spent.start + spent.save)}"
    )


def _disk(estimate: TrainingEstimate) -> str:
    return (
        f"up to {_bytes(estimate.disk_bytes)}: {estimate.num_checkpoints} checkpoints of "
        f"{_bytes(estimate.checkpoint_bytes)}, prepared windows {_bytes(estimate.prepared_bytes)}"
    )


def _bytes(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
