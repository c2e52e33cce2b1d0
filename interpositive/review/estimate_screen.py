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


def data_screen(name: str, checked: DataCheck) -> Screen:
    """Of a network whose weights are not on this machine: data and rights alone."""
    rows = [
        ("data", _data(checked)),
        ("rights", _RIGHTS),
        ("weights", "not on this machine: planned by their configurations alone, and nothing was measured here"),
    ]
    return Screen(f"{name}: dry run, nothing is trained and nothing written", rows)


def estimate_line(name: str, estimate: TrainingEstimate) -> str:
    """The same in one line."""
    return (
        f"{name}: {estimate.num_trainable:,} parameters, {bytes_in_words(estimate.memory.process)} of memory, "
        f"{duration_in_words(estimate.time.total)}, {bytes_in_words(estimate.disk_bytes)} of disk"
    )


def total_line(estimates: Sequence[TrainingEstimate]) -> str:
    """What all trials of a sweep take, one after the other; windows that several share are counted for each."""
    seconds, disk = sum(each.time.total for each in estimates), sum(each.disk_bytes for each in estimates)
    return (
        f"{len(estimates)} trials, dry run: {duration_in_words(seconds)} one after the other, "
        f"up to {bytes_in_words(disk)} of disk; nothing is trained and nothing written"
    )


def _data(checked: DataCheck) -> str:
    counts = ", ".join(f"{num} {split}" for split, num in checked.num_takes.items())
    masks = f"; masks of {len(checked.masks)} takes are there and long enough" if checked.masks else "; no masks"
    return (
        f"takes: {counts}, {bytes_in_words(checked.num_bytes)}; all are there and as large as ingested, "
        f"{checked.num_decoded} were read with their digests checked{masks}"
    )


def _processes(estimate: TrainingEstimate) -> str:
    parts = [f"{estimate.num_processes} training"]
    if estimate.num_workers:
        parts.append(f"{estimate.num_workers * estimate.num_processes} reading batches")
    if estimate.num_prepare_workers:
        parts.append(f"before that {estimate.num_prepare_workers} preparing windows")
    return ", ".join(parts)


def _memory(memory: MemoryEstimate) -> str:
    gpu = f"; {bytes_in_words(memory.peak_gpu)} at most on the GPU" if memory.peak_gpu is not None else ""
    return (
        f"weights {bytes_in_words(memory.weights)}, gradients {bytes_in_words(memory.gradients)}, "
        f"optimiser {bytes_in_words(memory.optimizer)}, averaged weights {bytes_in_words(memory.averaged)}, "
        f"activations of a step {bytes_in_words(memory.activations)}; "
        f"this process, doing all of it once, held {bytes_in_words(memory.process)}{gpu}"
    )


def _time(estimate: TrainingEstimate) -> str:
    spent: TimeEstimate = estimate.time
    quick, slow = (duration_in_words(seconds) for seconds in spent.total_range)
    return (
        f"about {duration_in_words(spent.total)} ({quick} to {slow}, as steps differ): "
        f"{estimate.num_missing} of {estimate.num_windows} windows to prepare {duration_in_words(spent.prepare)}, "
        f"{estimate.max_steps} steps of {spent.step:.2g} s {duration_in_words(spent.steps)}, "
        f"judging {duration_in_words(spent.judge)}, "
        f"validation and previews {duration_in_words(spent.validate_and_preview)}, "
        f"starting and saving {duration_in_words(spent.start + spent.save)}"
    )


def _disk(estimate: TrainingEstimate) -> str:
    return (
        f"up to {bytes_in_words(estimate.disk_bytes)}: {estimate.num_checkpoints} checkpoints of "
        f"{bytes_in_words(estimate.checkpoint_bytes)}, prepared windows {bytes_in_words(estimate.prepared_bytes)}"
    )


def bytes_in_words(count: int) -> str:
    """To three digits, in the unit that suits."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def duration_in_words(seconds: float) -> str:
    """In seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
