"""What an export is: which mini-model, in which form, what its files take and give, and how near they came."""

from __future__ import annotations

from pydantic import Field

from interpositive.records.base import Record

EXPORT_MANIFEST_NAME = "export.json"


class ExportedFile(Record):
    """One file of an export; ``path`` is relative to its folder."""

    path: str
    sha256: str
    num_bytes: int


class ExportedPort(Record):
    """A tensor that a part takes or gives; ``axes`` as ``batch 3 height width``, where words are axes of any size."""

    name: str
    axes: str
    dtype: str
    meaning: str


class ExportTrial(Record):
    """Shapes that a file was run with, and the largest difference from what the mini-model itself computed."""

    shapes: list[list[int]]
    largest_difference: float


class ExportedPart(Record):
    """A file that another program runs, what it is for, and what it was tried on."""

    file: str
    purpose: str
    inputs: list[ExportedPort]
    outputs: list[ExportedPort]
    trials: list[ExportTrial]


class ExportManifest(Record):
    """Where an export comes from and what it holds; ``encoding`` is what its pictures are in (native: plates' codes).

    ``origins`` say what it began with that the production did not make. ``tolerance`` is the largest difference that
    would have been let through.
    """

    schema_version: int = 1
    production: str
    task: str
    mini_model: str
    form: str
    created: str
    archive_sha256: str
    encoding: str
    training_takes: list[str]
    origins: list[str]
    rights: str
    versions: dict[str, str]
    tolerance: float
    parts: list[ExportedPart] = Field(default_factory=list)
    files: list[ExportedFile] = Field(default_factory=list)
