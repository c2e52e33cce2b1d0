"""What a sweep leaves: one folder with the record of the whole, and a run folder for each trial.

``<sweep>/sweep.json`` is written once when the sweep begins; ``<sweep>/trials/<number>/trial.json`` whenever a trial
begins and ends. A trial's own folder is its run folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from interpositive.errors import RunFolderError
from interpositive.records.base import Record
from interpositive.records.publishing import write_file_whole

SWEEP_RECORD_NAME = "sweep.json"
TRIAL_RECORD_NAME = "trial.json"
TRIALS_FOLDER = "trials"

Parameter = str | int | float | bool | None


class Objective(Record):
    """A number of a trial's run that the sweep wants high or low.

    ``name`` is a score of the run record (such as ``held_out/psnr_hole/trained``), or ``seconds_training`` or
    ``num_parameters``; ``title`` and ``unit`` are for pages.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    title: str = ""
    unit: str = ""


class ParameterSpace(Record):
    """What one swept key may be: one of ``choices``, or from ``low`` to ``high`` (whole numbers, ``log`` scale)."""

    key: str
    choices: list[Parameter] = Field(default_factory=list)
    low: float | None = None
    high: float | None = None
    is_integer: bool = False
    is_log: bool = False
    step: float | None = None


class SweepRecord(Record):
    """A sweep's question: what is varied, over what, judged by what; a killed sweep goes on only if it is the same.

    ``overrides`` are what every trial was told besides its parameters, as on the command line. ``num_parallel`` trials
    are proposed at a time: what they find is known to the next ones.
    """

    schema_version: int = 1
    name: str
    created: str
    production: str
    task: str
    sampler: str
    seed: int
    num_trials: int
    num_parallel: int = 1
    objectives: list[Objective]
    space: list[ParameterSpace]
    overrides: list[str]

    def write(self, folder: Path) -> None:
        """Write ``sweep.json`` into the sweep folder, whole or not at all."""
        write_file_whole(folder / SWEEP_RECORD_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> SweepRecord:
        """Read a sweep folder's record, with one clear error if it is no such folder."""
        path = folder / SWEEP_RECORD_NAME
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValidationError) as error:
            raise RunFolderError(f"{folder} is not a sweep", found=str(error)[:300], expected=str(path)) from None


class TrialRecord(Record):
    """One trial: its ``parameters`` by key, and how it went.

    ``values`` has the objectives by name once it is finished, ``reason`` and ``exit_code`` say why it failed.
    """

    schema_version: int = 1
    number: int
    parameters: dict[str, Parameter]
    state: Literal["running", "finished", "failed"]
    values: dict[str, float] = Field(default_factory=dict)
    reason: str = ""
    exit_code: int | None = None
    seconds: float | None = None

    def write(self, folder: Path) -> None:
        """Write ``trial.json`` into the trial's folder, whole or not at all."""
        write_file_whole(folder / TRIAL_RECORD_NAME, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, folder: Path) -> TrialRecord:
        """Read a trial's record; ``RunFolderError`` if it is none."""
        path = folder / TRIAL_RECORD_NAME
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValidationError) as error:
            raise RunFolderError(f"{folder} is not a trial", found=str(error)[:300], expected=str(path)) from None


def trial_folder(sweep: Path, number: int) -> Path:
    """Where a trial's run lies."""
    return sweep / TRIALS_FOLDER / f"{number:04d}"


def trials_of(sweep: Path) -> list[TrialRecord]:
    """Every trial that has a record, in order of number."""
    found = [TrialRecord.read(path.parent) for path in (sweep / TRIALS_FOLDER).glob(f"*/{TRIAL_RECORD_NAME}")]
    return sorted(found, key=lambda trial: trial.number)
