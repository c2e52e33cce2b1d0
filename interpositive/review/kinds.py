"""What lies at a path: footage, a folder of it, something of ours, or paperwork; told by what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from interpositive.dailies.paperwork_kinds import CAMERA_RAW_EXTENSIONS
from interpositive.dailies.walking import walk_source
from interpositive.errors import MediaError
from interpositive.media.containers import MOVIE_EXTENSIONS, is_movie
from interpositive.media.still_formats import sniff_still
from interpositive.records.delivery_manifest import MANIFEST_NAME
from interpositive.records.evaluation_record import EVALUATION_RECORD_NAME
from interpositive.records.run_record import RUN_RECORD_NAME
from interpositive.records.sweep_record import SWEEP_RECORD_NAME

CATALOGUE_NAME = "catalogue.sqlite"
ASSET_MAP_NAME = "ASSETMAP.xml"
_MADE_BY_US = (MANIFEST_NAME, EVALUATION_RECORD_NAME, RUN_RECORD_NAME)
_SQLITE = b"SQLite format 3\0"

Kind = Literal["movie", "sequence", "still", "catalogue", "result", "sweep", "package", "dailies", "paperwork"]


def kind_of(path: Path) -> Kind:
    """The kind of thing at ``path``; ``MediaError`` if there is nothing, or a folder with nothing in it.

    ``"result"`` is a run, a delivery or an evaluation, ``"sweep"`` many runs that ask one question, ``"package"`` an
    IMF package, ``"dailies"`` any other folder.
    """
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.is_file():
        raise MediaError(
            f"there is nothing to inspect at {path}", expected="a file or a folder", remedy="check the path"
        )
    with path.open("rb") as stream:
        head = stream.read(len(_SQLITE))
    if head == _SQLITE:
        return "catalogue"
    if path.suffix.lower() in CAMERA_RAW_EXTENSIONS:
        # Inside many of them is a TIFF, whose picture is a thumbnail.
        return "paperwork"
    if sniff_still(path) is not None:
        return "still"
    if path.suffix.lower() in MOVIE_EXTENSIONS or is_movie(path):
        return "movie"
    return "paperwork"


def _kind_of_folder(folder: Path) -> Kind:
    if any((folder / name).is_file() for name in _MADE_BY_US):
        return "result"
    if (folder / SWEEP_RECORD_NAME).is_file():
        return "sweep"
    if (folder / CATALOGUE_NAME).is_file():
        return "catalogue"
    if (folder / ASSET_MAP_NAME).is_file():
        return "package"
    if not any(folder.iterdir()):
        raise MediaError(f"{folder} is empty", expected="frames, dailies, or something that interpositive wrote")
    walk = walk_source(folder)
    return "sequence" if [footage.path for footage in walk.footage] == [walk.source] else "dailies"
