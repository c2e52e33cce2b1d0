"""What a training run leaves so that it can be read, applied and repeated."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.publishing import write_file_whole

RUN_RECORD_NAME = "run.json"


class RunTake(Record):
    """A take that a run used; ``split`` is train, val or test; ``encoding`` is empty where it is not known.

    ``layer`` is the picture of an EXR that the production meant, empty where none is named.
    """

    name: str
    split: str
    path: str
    sha256: str
    num_frames: int
    encoding: str = ""
    layer: str = ""


class RunRecord(Record):
    """The resolved facts of one run; the full config lies beside it as ``config.yaml``.

    ``encoding`` is what the mini-model works in: native (each plate's own codes), or a colour encoding.
    """

    schema_version: int = 1
    production: str
    task: str
    mini_model: str
    created: str
    finished: bool
    seed: int
    steps: int
    seconds_training: float
    encoding: str = "native"
    num_parameters: int
    takes: list[RunTake]
    catalogue: str
    catalogue_sha256: str
    config_sha256: str
    archive_sha256: str
    versions: dict[str, str]
    machine: str
    scores: dict[str, float | None] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write ``run.json`` into the run folder, whole or not at all."""
        write_file_whole(folder / RUN_RECORD_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read a run folder's record, with one clear error if it is no such folder."""
        path = Path(folder) / RUN_RECORD_NAME
        if not Path(folder).is_dir():
            raise RunFolderError(f"there is no run folder at {folder}", remedy="give the folder that train printed")
        if not path.is_file():
            raise RunFolderError(
                f"{folder} is not a finished run",
                found=f"no {RUN_RECORD_NAME}",
                remedy="run interpositive train again with the same settings; it resumes",
            )
        try:
            return cls.model_validate_json(path.read_text())
        except ValueError as error:
            raise RunFolderError(f"{path} is not a run record", found=str(error)[:300]) from None
