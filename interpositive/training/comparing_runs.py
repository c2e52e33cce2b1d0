"""Two runs of one configuration side by side: their weights, their scores, and where their logs part."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from pathlib import Path

import interpositive.training  # noqa: F401  isort: skip
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from interpositive.errors import RunFolderError
from interpositive.mini_models.archive import WEIGHTS_NAME
from interpositive.records.digests import sha256_of_file
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.reproduction import Finding, TensorDifference
from interpositive.records.run_record import RunRecord
from interpositive.training.run_folder import ARCHIVE_NAME, METRICS_NAME, WINDOWS_NAME

_LOSS = "train/loss"


@dataclass(frozen=True)
class Comparison:
    """How near one run came to another; ``findings`` say in which of its stages they part, earliest first.

    ``distance`` is the length of the difference of all weights over the length of all weights: single weights that no
    result depends on may be anywhere. ``score`` names the score that chose the checkpoint.
    """

    weights_sha256: tuple[str, str]
    distance: float
    score: str
    tensors: list[TensorDifference]
    num_tensors: int
    scores: dict[str, tuple[float | None, float | None]]
    first_step: int | None
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether the archived weights are the same bytes."""
        return self.weights_sha256[0] == self.weights_sha256[1]

    def is_within(self, tolerance: float) -> bool:
        """Whether weights and the score that chose the checkpoint are as near as this share of their size."""
        was, is_now = self.scores.get(self.score, (None, None))
        if was is None or is_now is None:
            return self.distance <= tolerance and was == is_now
        return self.distance <= tolerance and abs(was - is_now) <= tolerance * abs(was)


def refuse_incomparable(folder: Path) -> None:
    """Raise ``RunFolderError`` naming what of a finished run cannot be read: nothing can be compared with it then."""
    HeldOutCourse.read(folder)
    _losses(folder / METRICS_NAME)
    _lines(folder / WINDOWS_NAME)
    _weights(folder / ARCHIVE_NAME / WEIGHTS_NAME)


def compare_runs(recorded: Path, anew: Path) -> Comparison:
    """Compare two finished run folders."""
    was, is_now = RunRecord.read(recorded), RunRecord.read(anew)
    paths = [folder / ARCHIVE_NAME / WEIGHTS_NAME for folder in (recorded, anew)]
    tensors, num_tensors, distance = compare_weights(*paths)
    course = HeldOutCourse.read(recorded)
    first_step = first_other_step(recorded / METRICS_NAME, anew / METRICS_NAME)
    stages = _stages(was, is_now, recorded, anew, first_step)
    if tensors and not stages:
        stages = [_numerics("the weights, while all that was logged is the same", "", "")]
    names = [name for name in was.scores if name.startswith("held_out/")]
    return Comparison(
        weights_sha256=(sha256_of_file(paths[0]), sha256_of_file(paths[1])),
        distance=distance,
        score=f"held_out/{course.score}/{course.method}",
        tensors=tensors,
        num_tensors=num_tensors,
        scores={name: (was.scores[name], is_now.scores.get(name)) for name in names},
        first_step=first_step[0] if first_step else None,
        findings=stages,
    )


def compare_weights(recorded: Path, anew: Path) -> tuple[list[TensorDifference], int, float]:
    """The tensors that differ, furthest first, how many there are, and the relative distance of all of them."""
    was, is_now = _weights(recorded), _weights(anew)
    found, squares, whole = [], 0.0, 0.0
    for name in sorted(was.keys() | is_now.keys()):
        one, other = was.get(name), is_now.get(name)
        if one is None or other is None or one.shape != other.shape:
            found.append(TensorDifference(name=name, largest=None, relative=None))
            continue
        difference, one = one.double() - other.double(), one.double()
        squares, whole = squares + float((difference**2).sum()), whole + float((one**2).sum())
        largest, scale = float(difference.abs().max()), float(one.abs().max()) or 1.0
        if not math.isfinite(largest):
            found.append(TensorDifference(name=name, largest=None, relative=None))
        elif largest > 0:
            found.append(TensorDifference(name=name, largest=largest, relative=largest / scale))
    comparable = all(tensor.relative is not None for tensor in found)
    distance = math.sqrt(squares / whole) if whole else math.sqrt(squares)
    ordered = sorted(found, key=lambda tensor: -math.inf if tensor.relative is None else -tensor.relative)
    return ordered, len(was), distance if comparable else math.inf


def first_other_step(recorded: Path, anew: Path) -> tuple[int, str, str] | None:
    """The first logged step whose loss is another, with both losses as they were written; None if all are the same."""
    was, is_now = _losses(recorded), _losses(anew)
    for step in sorted(was.keys() | is_now.keys()):
        if was.get(step) != is_now.get(step):
            return step, was.get(step, "none"), is_now.get(step, "none")
    return None


def _losses(path: Path) -> dict[int, str]:
    if not path.is_file():
        return {}
    try:
        with path.open(newline="") as stream:
            return {int(row["step"]): row["value"] for row in csv.DictReader(stream) if row["name"] == _LOSS}
    except (ValueError, LookupError, TypeError, csv.Error) as error:
        raise _unreadable(path, error) from None


def _lines(path: Path) -> list[str]:
    """Of a text that is there; none else."""
    try:
        return path.read_text().splitlines() if path.is_file() else []
    except ValueError as error:
        raise _unreadable(path, error) from None


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(f"{path} is not what a run writes", found=f"{type(error).__name__}: {str(error)[:200]}")


def _stages(
    was: RunRecord, is_now: RunRecord, recorded: Path, anew: Path, first_step: tuple[int, str, str] | None
) -> list[Finding]:
    """Where the runs part, earliest first: the prepared windows, the order they were drawn in, the losses."""
    found = _prepared(was, is_now)
    if line := _first_other_line(recorded / WINDOWS_NAME, anew / WINDOWS_NAME):
        found.append(_numerics(f"the windows drawn, from line {line[0]} of {WINDOWS_NAME} on", *line[1:]))
    if first_step:
        found.append(_numerics(f"the loss, logged first at step {first_step[0]}", *first_step[1:]))
    for one, other in zip(HeldOutCourse.read(recorded).points, HeldOutCourse.read(anew).points, strict=False):
        if (one.step, one.loss) != (other.step, other.loss):
            found.append(_numerics(f"the held-out loss at step {one.step}", f"{one.loss!r}", f"{other.loss!r}"))
            break
    return found


def _prepared(was: RunRecord, is_now: RunRecord) -> list[Finding]:
    found = []
    for split in sorted(was.prepared.keys() & is_now.prepared.keys()):
        digests = [record.prepared[split].sha256 for record in (was, is_now)]
        if digests[0] != digests[1]:
            what = f"the prepared windows of the {split} split: decoding, flow or alignment gave other values"
            found.append(_numerics(what, *(f"sha256 {digest[:12]}" for digest in digests)))
    return found


def _first_other_line(recorded: Path, anew: Path) -> tuple[int, str, str] | None:
    if not recorded.is_file() or not anew.is_file():
        return None
    was, is_now = _lines(recorded), _lines(anew)
    for number in range(max(len(was), len(is_now))):
        pair = [lines[number] if number < len(lines) else "the end" for lines in (was, is_now)]
        if pair[0] != pair[1]:
            return number + 1, pair[0][:120], pair[1][:120]
    return None


def _numerics(what: str, recorded: str, here: str) -> Finding:
    return Finding(part="numerics", what=what, recorded=recorded, here=here)
