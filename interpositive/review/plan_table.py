"""A training plan as a table: a line for each kind of machine."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from interpositive.records.training_plan import PlannedRun, TrainingPlan
from interpositive.review.estimate_screen import bytes_in_words
from interpositive.review.screens import WIDTH

_HEAD = ("machine", "weights", "learning", "activations", "anew", "in all", "fits", "a step", "hours", "cost")
_WAYS = {"alone": "", "ddp": "ddp", "fsdp2": "fsdp2"}


def plan_table(plan: TrainingPlan) -> str:
    """Memory is of one device: weights, what learning adds (gradients, moments, averages), activations kept and
    computed anew, and all together in the way that was chosen."""
    latents = "" if plan.prepared_bytes is None else f"; prepared windows {bytes_in_words(plan.prepared_bytes)} on disk"
    lines = [
        f"planned: {plan.num_trainable:,} parameters that learn, {plan.num_frozen:,} that do not; {plan.max_steps} "
        f"steps{latents}",
        "",
        *_aligned([_HEAD, *(_row(run) for run in plan.runs)]),
        "",
        *(f"  {line}" for run in plan.runs for line in _said(run)),
        *(line for note in plan.notes for line in _wrapped(note)),
    ]
    return "\n".join(lines)


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, WIDTH, initial_indent="  assumed  ", subsequent_indent=" " * 11)


def _row(run: PlannedRun) -> tuple[str, ...]:
    memory = run.memory
    learning = memory.gradients + memory.optimizer + memory.averaged
    return (
        f"{run.kind.num_devices} x {run.kind.memory_gb:.0f} GB",
        bytes_in_words(memory.weights),
        bytes_in_words(learning),
        bytes_in_words(run.kept_activations),
        "-" if run.anew_activations is None else bytes_in_words(run.anew_activations),
        bytes_in_words(memory.total),
        " ".join(
            word for word in ("yes" if run.fits else "no", _WAYS[run.sharing], "anew" if run.anew else "") if word
        ),
        f"{run.step_seconds:.2g} s",
        f"{run.hours:.2g}",
        "-" if run.cost is None else f"{run.cost:.2f}",
    )


def _said(run: PlannedRun) -> list[str]:
    """What to type, or what is lacking."""
    if not run.fits:
        wanted = bytes_in_words(run.memory.total)
        return [f"{run.name}: {wanted} are wanted, in the thriftiest way there is"]
    keys = ["compute=one_node" if run.kind.num_devices > 1 else "compute=one_gpu"]
    if run.kind.num_devices > 1:
        keys += [f"compute.devices={run.kind.num_devices}", f"compute.strategy={run.sharing}"]
        keys.append(f"dailies.batch_size={run.batch_size}")
    if run.anew_argument is not None:
        keys.append(f"mini_model.{run.anew_argument}={str(run.anew).lower()}")
    return [f"{run.name}: {' '.join(keys)}"]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  " + "  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
