"""From plain configuration to objects: only our own classes, only arguments they have."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from interpositive.errors import ConfigError

Schema = TypeVar("Schema", bound=BaseModel)

_OWN = "interpositive."
_ALLOWED_ELSEWHERE: frozenset[str] = frozenset()


def refuse_foreign_targets(node: object, path: str = "") -> None:
    """Raise ``ConfigError`` naming the key of any ``_target_`` that is not a class of this package."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            where = f"{path}.{key}" if path else str(key)
            if key == "_target_":
                find_target(value, where)
            refuse_foreign_targets(value, where)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            refuse_foreign_targets(value, f"{path}[{index}]")


def find_target(name: object, where: str) -> type:
    """The class that a ``_target_`` names, which must be defined in this package (or be on the short list)."""
    if not isinstance(name, str) or not (name.startswith(_OWN) or name in _ALLOWED_ELSEWHERE):
        raise ConfigError(f"{where} names something outside this package", found=name, expected=f"{_OWN}…")
    module_name, _, class_name = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ImportError as error:
        raise ConfigError(f"{where} names a module that cannot be imported", found=f"{name}: {error}") from None
    if not isinstance(found, type) or (found.__module__ != module_name and name not in _ALLOWED_ELSEWHERE):
        raise ConfigError(f"{where} names no class defined there", found=name, expected="a class of this package")
    return found


def assemble(node: Mapping[str, Any], where: str, **given: Any) -> Any:
    """Build the object that a config node describes; ``given`` are arguments that no config can hold.

    ``ConfigError`` for keys that the class does not know, with the nearest one that it does.
    """
    target = find_target(node.get("_target_"), f"{where}._target_")
    arguments = {
        key: assemble(value, f"{where}.{key}") if isinstance(value, Mapping) and "_target_" in value else value
        for key, value in node.items()
        if key != "_target_"
    }
    known = [name for name in inspect.signature(target).parameters if name != "self"]
    refuse_unknown_keys(arguments, known, where)
    return target(**arguments, **given)


def refuse_unknown_keys(node: Mapping[str, Any], known: list[str], where: str) -> None:
    """Raise ``ConfigError`` for the first key that is not known."""
    for key in node:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, 1)
            raise ConfigError(
                f"{where} has no key {key!r}",
                found=f"{where}.{key}",
                expected=", ".join(known),
                remedy=f"did you mean {close[0]}?" if close else "remove it",
            )


def read_config(schema: type[Schema], plain: Mapping[str, Any], where: str) -> Schema:
    """Read a plain mapping into a schema, with one clear error for unknown keys and wrong values."""
    refuse_unknown_keys(plain, list(schema.model_fields), where)
    try:
        return schema.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (where, *first["loc"]))
        raise ConfigError(f"{key}: {first['msg']}", found=first.get("input")) from None
