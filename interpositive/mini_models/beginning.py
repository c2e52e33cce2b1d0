"""A new mini-model takes over what an earlier one of its kind learned."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.mini_models.archive import archive_digest, read_archive
from interpositive.mini_models.contract import MiniModel
from interpositive.records.rights import Beginning

_NUM_SHOWN = 3


def begin_with(mini_model: MiniModel, archive: Path) -> list[Beginning]:
    """Load an archive's weights into a mini-model of the same class and shapes; returns what they were learned from,
    nearest first.

    ``ConfigError`` if class or shapes are others, naming both; else errors as
    :func:`~interpositive.mini_models.archive.read_archive`.
    """
    recipe, weights = read_archive(archive)
    own_class = f"{type(mini_model).__module__}.{type(mini_model).__qualname__}"
    if recipe.mini_model != own_class:
        raise ConfigError(
            f"{archive} is of another kind of mini-model",
            found=recipe.mini_model,
            expected=own_class,
            remedy="choose the mini_model that it was trained as, or start from another run",
        )
    _refuse_other_shapes(mini_model, weights, archive)
    mini_model.load_state_dict(weights)
    nearest = Beginning(
        production=recipe.production,
        task=recipe.task,
        mini_model=recipe.mini_model,
        footage=recipe.footage,
        archive_sha256=archive_digest(archive),
    )
    return [nearest, *recipe.begun_with]


def _refuse_other_shapes(mini_model: MiniModel, weights: dict[str, Tensor], archive: Path) -> None:
    own = {name: _shape(value) for name, value in mini_model.state_dict().items()}
    there = {name: _shape(value) for name, value in weights.items()}
    differing = [name for name in dict.fromkeys([*own, *there]) if own.get(name) != there.get(name)]
    if not differing:
        return
    shown, more = differing[:_NUM_SHOWN], len(differing) - _NUM_SHOWN
    rest = f" and {more} more" if more > 0 else ""

    def listed(shapes: dict[str, str]) -> str:
        return ", ".join(f"{name} {shapes.get(name, 'not there')}" for name in shown) + rest

    raise ConfigError(
        f"{archive} has weights of other shapes",
        found=listed(there),
        expected=listed(own),
        remedy="give mini_model the sizes that it was trained with, or start from another run",
    )


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a number"
