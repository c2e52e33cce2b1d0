"""How a mini-model fared on held-out takes while it was trained: which checkpoint was kept, and why training ended."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.measures import MetricInfo
from interpositive.records.publishing import write_file_whole

HELD_OUT_COURSE_NAME = "held_out.json"


class HeldOutPoint(Record):
    """One evaluation during training.

    ``loss`` is the held-out loss. ``values[method][metric]`` is the mean over the held-out windows that define it,
    None if none does. ``by_window[method][metric]`` has one number a window, in the order of the course's windows,
    for the methods that were measured at this step: those that do not learn are measured once, at the first point,
    and their ``values`` repeated. ``score_low`` and ``score_high`` hold the score's mean with 95 %, None for
    fewer than two windows. ``gain_low`` is the lower end of the 95 % interval of the gain, window by window, over
    the last checkpoint that gained for sure (the first, if none did); above 0 it is a gain.
    ``flag`` says what is wrong with this checkpoint, None if nothing.
    """

    step: int
    loss: float
    values: dict[str, dict[str, float | None]]
    score_low: float | None
    score_high: float | None
    gain_low: float | None
    seconds: float
    flag: str | None = None
    by_window: dict[str, dict[str, list[float | None]]] = Field(default_factory=dict)


class HeldOutCourse(Record):
    """All evaluations of a run, in order; ``score`` names the number that chooses the checkpoint.

    ``method`` is the one that learns. ``kept_step`` is the step whose averaged weights are archived.
    ``stopped_because`` is empty while the run goes on.
    """

    schema_version: int = 1
    score: str
    higher_is_better: bool
    method: str
    metrics: list[MetricInfo]
    windows: list[str]
    points: list[HeldOutPoint] = Field(default_factory=list)
    kept_step: int | None = None
    stopped_because: str = ""
    notes: list[str] = Field(default_factory=list)

    @property
    def kept(self) -> HeldOutPoint:
        """The evaluation of the checkpoint that is kept; there must be one."""
        return next(point for point in self.points if point.step == self.kept_step)

    def write(self, folder: Path) -> None:
        """Write ``held_out.json`` into the run folder, whole or not at all."""
        write_file_whole(folder / HELD_OUT_COURSE_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> HeldOutCourse:
        """Read what :meth:`write` wrote; ``RunFolderError`` if it is missing or not of this kind."""
        path = Path(folder) / HELD_OUT_COURSE_NAME
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise RunFolderError(f"no held-out course at {path}", remedy="train with a newer version") from None
        except ValueError as error:
            raise RunFolderError(f"{path} is not a held-out course", found=str(error)[:300]) from None
