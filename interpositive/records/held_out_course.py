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

    ``values[method][metric]`` is the mean over the held-out windows, None where not defined.
    ``score_low`` and ``score_high`` bound the kept score's mean with 95 %, None for fewer than two windows.
    ``gain_low`` bounds from below the gain over the best checkpoint before it, window by window.
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


class HeldOutCourse(Record):
    """All evaluations of a run, in order; ``score`` names the number that chooses the checkpoint."""

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
