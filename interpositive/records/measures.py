"""What was measured on a run's held-out takes or on a delivered shot, for tables and pages."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.publishing import write_file_whole


class MetricInfo(Record):
    """How to read a metric: ``direction`` is ``"higher"`` or ``"lower"`` (is better) or ``"neither"``, with its unit.

    ``group`` heads the rows that it stands among in tables, in a supervisor's words.
    ``headline`` says that it is one of the few numbers, or curves, to look at first.
    """

    name: str
    unit: str
    direction: str
    meaning: str
    group: str = ""
    headline: bool = False


class ShotMeasures(Record):
    """One shot or take, every method that was tried on it.

    ``values[method][metric]`` is a number, or None where it was not measured
    (the reason is in ``Measures.notes``). ``curves[method][metric]`` has one
    number a frame (None where undefined). ``pictures`` names movies by role
    (``"plate"``, ``"result"``, ``"matte"``, ``"target"``, or a method's name),
    relative to the file that holds this record. ``first_frame`` numbers the
    first frame of the curves. ``worst_frames`` has frame numbers, worst first.
    ``encoding`` is the colour encoding that fidelity was measured in, empty where it is not known.
    ``verdict`` is what to do with a delivered shot (``ship``, ``look`` or ``redo``), and why.
    """

    name: str
    role: str
    num_frames: int
    first_frame: int = 0
    rate: str = "24"
    start_timecode: str | None = None
    chosen_method: str = ""
    values: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    curves: dict[str, dict[str, list[float | None]]] = Field(default_factory=dict)
    worst_frames: list[int] = Field(default_factory=list)
    pictures: dict[str, str] = Field(default_factory=dict)
    encoding: str = ""
    comments: list[str] = Field(default_factory=list)
    verdict: str = ""
    verdict_reason: str = ""


class MeanInterval(Record):
    """A method's mean of one metric over shots, and the interval that holds it with ``confidence``.

    ``low`` and ``high`` are None for fewer than two shots: nothing is known of their spread.
    """

    method: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    num_shots: int
    confidence: float = 0.95


LEAST_SHOTS = 6
"""With fewer, no difference is called settled."""


class PairedDifference(Record):
    """Mean over shots of ``method`` minus ``other`` in one metric, shot by shot, with its interval."""

    method: str
    other: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    num_shots: int
    confidence: float = 0.95

    @property
    def is_settled(self) -> bool:
        """Whether the sign is not in doubt: the interval leaves out 0, and there are ``LEAST_SHOTS`` shots or more.

        The bootstrap cannot see what few shots hide: five that all agree do so by chance once in sixteen times
        (sign test, 2 / 2^5), six once in thirty-two.
        """
        if self.low is None or self.high is None or self.num_shots < LEAST_SHOTS:
            return False
        return self.low > 0 or self.high < 0


class Measures(Record):
    """A measured set of shots; ``notes`` holds what could not be measured, and why."""

    schema_version: int = 2
    metrics: list[MetricInfo] = Field(default_factory=list)
    curve_metrics: list[MetricInfo] = Field(default_factory=list)
    shots: list[ShotMeasures] = Field(default_factory=list)
    means: list[MeanInterval] = Field(default_factory=list)
    differences: list[PairedDifference] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write as indented JSON, whole or not at all."""
        write_file_whole(path, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, path: Path) -> Measures:
        """Read what :meth:`write` wrote; ``RunFolderError`` if it is missing or not of this kind."""
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise RunFolderError(f"no measures at {path}", remedy="run interpositive evaluate first") from None
        except ValueError as error:
            raise RunFolderError(f"{path} is not a measures file", found=str(error)[:300]) from None
