"""What an evaluation of finished pictures was made of, so that it can be trusted, resumed and repeated."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.publishing import write_file_whole

EVALUATION_RECORD_NAME = "evaluation.json"


class JudgedFile(Record):
    """A movie or frame sequence that was judged or judged against; ``role`` is result, against, reference, …"""

    role: str
    path: str
    sha256: str


class JudgedShotFiles(Record):
    """All that belongs to one shot."""

    name: str
    files: list[JudgedFile]


class EvaluationRecord(Record):
    """The facts of an evaluation; its numbers lie beside it in ``measures.json``."""

    schema_version: int = 1
    title: str
    created: str
    config_sha256: str
    shots: list[JudgedShotFiles] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    machine: str = ""

    def write(self, folder: Path) -> None:
        """Write ``evaluation.json`` into the folder, whole or not at all."""
        write_file_whole(folder / EVALUATION_RECORD_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> EvaluationRecord:
        """Read what :meth:`write` wrote; ``RunFolderError`` if it is missing or not of this kind."""
        path = Path(folder) / EVALUATION_RECORD_NAME
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            raise RunFolderError(f"no evaluation at {folder}", remedy="run interpositive evaluate first") from None
        except ValueError as error:
            raise RunFolderError(f"{path} is not an evaluation's record", found=str(error)[:300]) from None
