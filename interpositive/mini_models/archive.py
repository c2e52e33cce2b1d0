"""One saved mini-model: weights as safetensors, and plain JSON to build it again. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Sequence
from inspect import isabstract
from pathlib import Path
from typing import Any, cast

from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from interpositive.errors import IntegrityError, RunFolderError
from interpositive.mini_models.contract import MiniModel
from interpositive.records.base import Record
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.publishing import publish_folder
from interpositive.records.rights import Beginning, Footage

WEIGHTS_NAME = "weights.safetensors"
RECIPE_NAME = "recipe.json"
_HOME = "interpositive.mini_models."


class ArchiveRecipe(Record):
    """How to build the network that the weights belong to; ``mini_model`` is a class of this package.

    ``footage`` is what it learned from, ``begun_with`` what it had begun with, nearest first.
    """

    schema_version: int = 2
    mini_model: str
    arguments: dict[str, Any]
    production: str
    task: str
    footage: Footage = "camera"
    begun_with: list[Beginning] = Field(default_factory=list)
    weights_sha256: str


def archive_digest(folder: Path) -> str:
    """One digest over an archive's weights and recipe."""
    return sha256_of_value({name: sha256_of_file(folder / name) for name in (WEIGHTS_NAME, RECIPE_NAME)})


def save_archive(
    mini_model: MiniModel,
    folder: Path,
    *,
    arguments: dict[str, Any],
    production: str,
    task: str,
    footage: Footage = "camera",
    begun_with: Sequence[Beginning] = (),
) -> str:
    """Save a mini-model and the arguments it was built from; returns the archive's digest."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in mini_model.state_dict().items()}
    with publish_folder(folder) as scratch:
        (scratch / WEIGHTS_NAME).write_bytes(save(tensors))
        recipe = ArchiveRecipe(
            mini_model=f"{type(mini_model).__module__}.{type(mini_model).__qualname__}",
            arguments=arguments,
            production=production,
            task=task,
            footage=footage,
            begun_with=list(begun_with),
            weights_sha256=sha256_of_file(scratch / WEIGHTS_NAME),
        )
        (scratch / RECIPE_NAME).write_text(recipe.model_dump_json(indent=1))
    return archive_digest(folder)


def load_archive(folder: Path) -> tuple[MiniModel, ArchiveRecipe]:
    """Build a mini-model from its archive, in evaluation mode.

    Errors as :func:`read_archive`; ``IntegrityError`` too if the recipe names a class from elsewhere.
    """
    recipe, weights = read_archive(folder)
    kind = _find_class(recipe.mini_model, folder)
    try:
        mini_model = kind(**recipe.arguments)
        mini_model.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"{folder / WEIGHTS_NAME} does not fit its recipe",
            found=str(error)[:300],
            remedy="what another version of interpositive learned is used with that version; train again with this one",
        ) from None
    return mini_model.eval(), recipe


def read_archive(folder: Path) -> tuple[ArchiveRecipe, dict[str, Tensor]]:
    """An archive's recipe and weights; nothing is built of them.

    ``RunFolderError`` if it is missing, ``IntegrityError`` if the weights are not those that were saved.
    """
    try:
        recipe = ArchiveRecipe.model_validate_json((folder / RECIPE_NAME).read_text())
    except FileNotFoundError:
        raise RunFolderError(f"there is no mini-model at {folder}", expected=f"{RECIPE_NAME}") from None
    except ValueError as error:
        raise IntegrityError(f"{folder / RECIPE_NAME} is damaged", found=str(error)[:300]) from None
    weights_path = folder / WEIGHTS_NAME
    content = weights_path.read_bytes() if weights_path.is_file() else b""
    found = hashlib.sha256(content).hexdigest() if content else "no file"
    if found != recipe.weights_sha256:
        raise IntegrityError(
            f"{weights_path} is not what was saved",
            found=found,
            expected=recipe.weights_sha256,
            remedy="restore the archive from a copy, or train again",
        )
    try:
        return recipe, load(content)
    except SafetensorError as error:
        raise IntegrityError(f"{weights_path} does not fit its recipe", found=str(error)[:300]) from None


def _find_class(name: str, folder: Path) -> type[MiniModel]:
    module_name, _, class_name = name.rpartition(".")
    found: object = None
    beside = module_name.startswith(_HOME) and module_name.removeprefix(_HOME).isidentifier()
    if beside and importlib.util.find_spec(module_name) is not None:
        found = getattr(importlib.import_module(module_name), class_name, None)
    is_model = isinstance(found, type) and issubclass(found, MiniModel) and not isabstract(found)
    # A class that the module merely imported is not one that it offers.
    if is_model and found.__module__ == module_name:
        return cast(type[MiniModel], found)
    raise IntegrityError(
        f"{folder / RECIPE_NAME} names no mini-model of this package", found=name, expected=f"{_HOME}…"
    )
