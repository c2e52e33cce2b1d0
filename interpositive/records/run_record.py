"""What a training run leaves so that it can be read, applied and repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from interpositive.errors import IntegrityError, RunFolderError
from interpositive.records.base import Record
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.provenance import Provenance
from interpositive.records.publishing import write_file_whole
from interpositive.records.rights import Beginning

RUN_RECORD_NAME = "run.json"
_SEAL = "record_sha256"
_VERSIONS = (1, 2, 3)


class RunTake(Record):
    """A take that a run used; ``split`` is train, val or test; ``encoding`` is empty where it is not known.

    ``layer`` is the picture of an EXR that the production meant, empty where none is named. ``proxy_blake3`` is the
    digest of the proxy that could be learned from in place of the take, empty where there was none.
    """

    name: str
    split: str
    path: str
    sha256: str
    num_frames: int
    encoding: str = ""
    layer: str = ""
    proxy_blake3: str = ""


class RunPrepared(Record):
    """A split's prepared windows as the run saw them: their store's name, which is a digest of all they are made of,
    how many windows and examples, and one SHA-256 over the notes beside them, which hold the windows' digests."""

    store: str
    num_windows: int
    num_examples: int
    sha256: str


class RunRecord(Record):
    """The resolved facts of one run; the full config lies beside it as ``config.yaml``.

    ``encoding`` is what the mini-model works in: native (each plate's own codes), or a colour encoding.
    ``damage`` has the SHA-256 of each take's known damage, ``prepared`` the windows of each split. ``starts`` say under
    what code, packages and arithmetic it was begun, and gone on with where they were others. ``files`` are the digests
    of what lies beside the record. The last four are empty in records of version 1. ``begun_with`` is what was learned
    before, nearest first, and by what right it is used; ``adapter`` what learned from there (both since version 3).
    ``finder_sha256`` is the digest of the archived finder, empty where the run trained none.
    ``seconds_training`` are those of all starts of the run, each up to the checkpoint that was gone on from, with the
    preparing of windows; scores that are shares of time are of the last start alone.
    """

    schema_version: int = 3
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
    begun_with: list[Beginning] = Field(default_factory=list)
    adapter: str = "full"
    takes: list[RunTake]
    catalogue: str
    catalogue_sha256: str
    config_sha256: str
    archive_sha256: str
    finder_sha256: str = ""
    versions: dict[str, str]
    machine: str
    scores: dict[str, float | None] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    damage: dict[str, str] = Field(default_factory=dict)
    prepared: dict[str, RunPrepared] = Field(default_factory=dict)
    starts: list[Provenance] = Field(default_factory=list)
    files: dict[str, str] = Field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write ``run.json`` into the run folder, whole or not at all, with its own digest as the last field."""
        content = json.loads(self.model_dump_json())
        text = json.dumps({**content, _SEAL: sha256_of_value(content)}, indent=1, ensure_ascii=False)
        write_file_whole(folder / RUN_RECORD_NAME, text)

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
            content = json.loads(path.read_text())
            if isinstance(content, dict):
                content.pop(_SEAL, None)
                _refuse_other_version(content.get("schema_version", _VERSIONS[-1]), path)
            return cls.model_validate(content)
        except RunFolderError:
            raise
        except (ValueError, RecursionError) as error:
            raise RunFolderError(f"{path} is not a run record", found=str(error)[:300]) from None


def refuse_tampered(folder: Path) -> None:
    """Raise ``IntegrityError`` naming the first of a run's papers that is not as the run wrote it.

    Records of version 1 carry no digest of themselves and name no files.
    """
    record = RunRecord.read(folder)
    content: dict[str, Any] = json.loads((folder / RUN_RECORD_NAME).read_text())
    seal = content.pop(_SEAL, None)
    if seal is None and record.schema_version > 1:
        raise _tampered(folder / RUN_RECORD_NAME, "no digest of its own", "one, as its last field")
    if seal is not None and seal != (found := sha256_of_value(content)):
        raise _tampered(folder / RUN_RECORD_NAME, f"sha256 {found}", f"sha256 {seal}")
    for name, expected in record.files.items():
        path = folder / name
        if Path(name).name != name:
            raise _tampered(folder / RUN_RECORD_NAME, f"a file named {name!r}", "files of its own folder")
        found = f"sha256 {sha256_of_file(path)}" if path.is_file() else "no file"
        if found != f"sha256 {expected}":
            raise _tampered(path, found, f"sha256 {expected}")


def _refuse_other_version(found: object, path: Path) -> None:
    if found not in _VERSIONS:
        raise RunFolderError(
            f"{path} is a run record of another version",
            found=f"schema_version {found}",
            expected=" or ".join(map(str, _VERSIONS)),
            remedy="read it with the version of this package that wrote it, which it names under versions",
        )


def _tampered(path: Path, found: str, expected: str) -> IntegrityError:
    return IntegrityError(
        f"{path} is not what this run wrote",
        found=found,
        expected=expected,
        remedy="restore the run folder from a copy",
    )
