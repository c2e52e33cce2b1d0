"""What an evaluation of finished pictures was made of, so that it can be trusted, resumed and repeated."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.measures import MetricInfo, ShotMeasures
from interpositive.records.publishing import write_file_whole

EVALUATION_RECORD_NAME = "evaluation.json"
PLAN_NAME = "plan.json"
SHOT_REPORT_NAME = "shot.json"


class JudgedFile(Record):
    """A movie or frame sequence that was judged or judged against; ``role`` is result, against, reference, …"""

    role: str
    path: str
    sha256: str


class JudgedShotFiles(Record):
    """All that belongs to one shot."""

    name: str
    files: list[JudgedFile]


class EvaluationPlan(Record):
    """What an evaluation was told before its first shot: a resumed one must be told the same.

    ``settings`` is flat: a key and its value in words.
    """

    schema_version: int = 1
    settings: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write ``plan.json`` into the folder, whole or not at all."""
        write_file_whole(folder / PLAN_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> EvaluationPlan | None:
        """Read what :meth:`write` wrote; None if nothing was, ``RunFolderError`` if it is not of this kind."""
        return _read(cls, Path(folder) / PLAN_NAME)


class ShotReport(Record):
    """One finished shot of an evaluation, complete in its own folder; pictures are named relative to that."""

    schema_version: int = 1
    files: list[JudgedFile]
    metrics: list[MetricInfo]
    curve_metrics: list[MetricInfo]
    measures: ShotMeasures
    notes: list[str] = Field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write ``shot.json`` into the folder, whole or not at all."""
        write_file_whole(folder / SHOT_REPORT_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> ShotReport | None:
        """Read what :meth:`write` wrote; None if nothing was, ``RunFolderError`` if it is not of this kind."""
        return _read(cls, Path(folder) / SHOT_REPORT_NAME)


class EvaluationRecord(Record):
    """The facts of a finished evaluation; its numbers lie beside it in ``measures.json``.

    ``settings`` is what ``config_sha256`` is the digest of; ``notes`` says how the numbers are to be read.
    """

    schema_version: int = 1
    title: str
    created: str
    config_sha256: str
    settings: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    shots: list[JudgedShotFiles] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    machine: str = ""

    def write(self, folder: Path) -> None:
        """Write ``evaluation.json`` into the folder, whole or not at all."""
        write_file_whole(folder / EVALUATION_RECORD_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> EvaluationRecord:
        """Read what :meth:`write` wrote; ``RunFolderError`` if it is missing or not of this kind."""
        found = _read(cls, Path(folder) / EVALUATION_RECORD_NAME)
        if found is None:
            raise RunFolderError(f"no evaluation at {folder}", remedy="run interpositive evaluate first")
        return found


Kind = TypeVar("Kind", bound=Record)


def _read(kind: type[Kind], path: Path) -> Kind | None:
    try:
        return kind.model_validate_json(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunFolderError(
            f"{path} is not an evaluation's record",
            found=str(error)[:300],
            remedy="evaluate again into another folder",
        ) from None
