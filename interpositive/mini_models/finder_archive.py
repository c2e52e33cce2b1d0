"""A finder as it is kept in its run's folder: weights as safetensors, and plain JSON that says how far to trust it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load, save

from interpositive.errors import IntegrityError, RunFolderError
from interpositive.mini_models.archive import RECIPE_NAME, WEIGHTS_NAME, archive_digest
from interpositive.mini_models.finder import Finder, Settling
from interpositive.records.base import Record
from interpositive.records.publishing import publish_folder

FINDER_NAME = "finder"


class FinderRecipe(Record):
    """How to build a finder, at what height it looks, and how its likelihoods become a mask.

    ``recall`` and ``precision`` were measured on ``num_frames`` held-out frames at just these settings; see
    :class:`interpositive.mini_models.finder.Counts` for what is counted.
    """

    schema_version: int = 1
    production: str
    task: str
    arguments: dict[str, Any]
    encoding: str
    height: int
    above: float
    least_px: float
    broad: float
    patience_px: float = 0.0
    num_beside: int = 0
    sure: float = 1.0
    recall: float
    precision: float
    num_frames: int
    weights_sha256: str = ""

    @model_validator(mode="before")
    @classmethod
    def _joins_nothing(cls, given: Any) -> Any:
        """Of a finder of before decision 59 that joined pieces over no gap, which none does any more."""
        if isinstance(given, dict) and given.get("join_px") == 0:
            return {name: value for name, value in given.items() if name != "join_px"}
        return given

    @property
    def settling(self) -> Settling:
        """How likelihoods become a mask."""
        return Settling(self.above, self.least_px, self.broad, self.patience_px, self.num_beside, self.sure)

    @property
    def words(self) -> str:
        """What a reader of a mask should know of it."""
        fine = " of fine things (broad ones are left to you)" if self.broad >= 1.0 else ""
        return (
            f"recall {self.recall:.2f} at precision {self.precision:.2f}{fine} on {self.num_frames} held-out frames, "
            f"{self.height} lines high"
        )


@dataclass(frozen=True)
class KeptFinder:
    """A finder, its recipe, and one digest over both."""

    finder: Finder
    recipe: FinderRecipe
    sha256: str


def save_finder(finder: Finder, recipe: FinderRecipe, folder: Path) -> str:
    """Save a finder; returns the archive's digest."""
    content = save({name: value.detach().cpu().contiguous() for name, value in finder.state_dict().items()})
    with publish_folder(folder, replaces=True) as scratch:
        (scratch / WEIGHTS_NAME).write_bytes(content)
        sealed = recipe.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
        (scratch / RECIPE_NAME).write_text(sealed.model_dump_json(indent=1))
    return archive_digest(folder)


def load_finder(folder: Path, expected_sha256: str) -> KeptFinder:
    """Build a finder from its archive, in evaluation mode.

    ``RunFolderError`` if it is missing, ``IntegrityError`` if it is not what the run saved.
    """
    for name in (RECIPE_NAME, WEIGHTS_NAME):
        if not (folder / name).is_file():
            raise RunFolderError(
                f"there is no finder at {folder}", expected=name, remedy="restore the run folder from a copy"
            )
    found = archive_digest(folder)
    if found != expected_sha256:
        raise IntegrityError(
            f"{folder} is not what this run wrote",
            found=f"sha256 {found}",
            expected=f"sha256 {expected_sha256}",
            remedy="restore the run folder from a copy, or train again",
        )
    try:
        recipe = FinderRecipe.model_validate_json((folder / RECIPE_NAME).read_text())
        finder = Finder(**recipe.arguments)
        finder.load_state_dict(load((folder / WEIGHTS_NAME).read_bytes()))
    except (ValidationError, SafetensorError, RuntimeError, TypeError) as error:
        raise IntegrityError(
            f"{folder} does not fit its recipe",
            found=str(error)[:300],
            expected="a finder of this version of interpositive",
            remedy="train again, or apply with a mask of your own",
        ) from None
    return KeptFinder(finder.eval(), recipe, found)
