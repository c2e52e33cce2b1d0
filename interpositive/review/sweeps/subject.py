"""Reading a sweep as a stranger would find it: its question, its trials, and how each of them fared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interpositive.errors import RunFolderError
from interpositive.records.held_out_course import HELD_OUT_COURSE_NAME, HeldOutCourse
from interpositive.records.measures import MetricInfo
from interpositive.records.sweep_record import (
    SWEEP_RECORD_NAME,
    Objective,
    SweepRecord,
    TrialRecord,
    trial_folder,
    trials_of,
)
from interpositive.review.sweeps.figures import SweepFigures, sweep_figures

_OWN_WORDS = {
    "seconds_training": ("training time", "s", "What one training took on the machine that did it."),
    "num_parameters": ("size of the network", "parameters", "How many numbers the network learns."),
}


@dataclass(frozen=True)
class SweepSubject:
    """A sweep with its trials, and the numbers that follow from them.

    ``courses`` are how finished trials fared while they learned, by number of trial. ``record`` has objectives with a
    title and a unit even where the record on disk leaves them to the metric.
    """

    folder: Path
    record: SweepRecord
    trials: list[TrialRecord]
    courses: dict[int, HeldOutCourse]
    figures: SweepFigures

    @property
    def title(self) -> str:
        """Production, task, and what the sweep is called."""
        return " — ".join(part for part in (self.record.production, self.record.task, self.record.name) if part)

    @property
    def num_missing(self) -> int:
        """Trials that were asked for and have not ended."""
        return max(0, self.record.num_trials - sum(trial.state != "running" for trial in self.trials))

    def meaning(self, objective: Objective) -> str:
        """What an objective says of the picture, in a sentence; empty where nothing tells."""
        if objective.name in _OWN_WORDS:
            return _OWN_WORDS[objective.name][2]
        info = _metric_info(objective, self.courses.values())
        return info.meaning if info else ""

    def untrained(self, objective: Objective, number: int) -> dict[str, float]:
        """What methods that do not learn reach on the very frames of a trial's objective, by method."""
        course = self.courses.get(number)
        if course is None or course.kept_step is None or not (named := _metric_and_method(objective)):
            return {}
        metric, learns = named
        found = {method: values.get(metric) for method, values in course.kept.values.items() if method != learns}
        return {method: value for method, value in found.items() if value is not None}

    def by_window(self, objective: Objective, number: int) -> dict[str, float]:
        """A trial's objective on each held-out window that defines it, by the window's name."""
        course = self.courses.get(number)
        if course is None or course.kept_step is None or not (named := _metric_and_method(objective)):
            return {}
        metric, method = named
        values = course.kept.by_window.get(method, {}).get(metric, [])
        return {name: value for name, value in zip(course.windows, values, strict=False) if value is not None}


def is_sweep(folder: Path) -> bool:
    """Whether a folder is a sweep's."""
    return (folder / SWEEP_RECORD_NAME).is_file()


def read_sweep(folder: Path) -> SweepSubject:
    """Read a sweep; ``RunFolderError`` if the folder is none, has no objective, or two trials of one number."""
    record, trials = SweepRecord.read(folder), trials_of(folder)
    numbers = [trial.number for trial in trials]
    if not record.objectives:
        raise RunFolderError(f"{folder} has nothing to judge its trials by", expected="one objective or more")
    if len(set(numbers)) < len(numbers):
        raise RunFolderError(f"two trials of {folder} have one number", found=numbers, expected="a number for each")
    courses = {
        number: HeldOutCourse.read(trial_folder(folder, number))
        for number in numbers
        if (trial_folder(folder, number) / HELD_OUT_COURSE_NAME).is_file()
    }
    record = record.model_copy(update={"objectives": [_told(o, courses.values()) for o in record.objectives]})
    return SweepSubject(folder, record, trials, courses, sweep_figures(record, trials))


def _told(objective: Objective, courses: Iterable[HeldOutCourse]) -> Objective:
    title, unit, _ = _OWN_WORDS.get(objective.name, ("", "", ""))
    if named := _metric_and_method(objective):
        title = named[0]
    if info := _metric_info(objective, courses):
        title, unit = info.name, info.unit
    changes = {"title": objective.title or title or objective.name, "unit": objective.unit or unit}
    return objective.model_copy(update=changes)


def _metric_info(objective: Objective, courses: Iterable[HeldOutCourse]) -> MetricInfo | None:
    metric, _ = _metric_and_method(objective) or ("", "")
    return next((info for course in courses for info in course.metrics if info.name == metric), None)


def _metric_and_method(objective: Objective) -> tuple[str, str] | None:
    """The metric of held-out frames that an objective names, and the method that it is of."""
    kind, _, rest = objective.name.partition("/")
    metric, _, method = rest.rpartition("/")
    return (metric, method) if kind == "held_out" and metric and method else None
