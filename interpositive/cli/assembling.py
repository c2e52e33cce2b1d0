"""From plain configuration to objects: only our own classes, only arguments they have."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from interpositive.errors import ConfigError, InterpositiveError

Schema = TypeVar("Schema", bound=BaseModel)

_OWN = re.compile(r"interpositive(\.[A-Za-z_][A-Za-z0-9_]*)+")


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
    """The class that a ``_target_`` names, which must be defined in this package."""
    if not isinstance(name, str) or not _OWN.fullmatch(name):
        raise ConfigError(f"{where} names something outside this package", found=name, expected="interpositive.…")
    module_name, _, class_name = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except ImportError as error:
        raise ConfigError(f"{where} names a module that cannot be imported", found=f"{name}: {error}") from None
    if not isinstance(found, type) or found.__module__ != module_name:
        raise ConfigError(f"{where} names no class defined there", found=name, expected="a class of this package")
    return found


def assemble(node: object, where: str, kind: type) -> Any:
    """Build the object that a config node describes, which must be of the ``kind`` that this place is for.

    ``ConfigError`` for another kind, for keys that the class does not know (with the nearest one that it does), and
    for values that it cannot use.
    """
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where} is no group of keys", found=node, expected=f"a _target_ of kind {kind.__name__}")
    target = find_target(node.get("_target_"), f"{where}._target_")
    # Its class alone would let a config build anything of the package here, writers of files among them.
    if not issubclass(target, kind):
        raise ConfigError(
            f"{where}._target_ is of the wrong kind", found=node["_target_"], expected=f"a {kind.__name__}"
        )
    arguments = {key: value for key, value in node.items() if key != "_target_"}
    known = [name for name in inspect.signature(target).parameters if name != "self"]
    refuse_unknown_keys(arguments, known, where)
    try:
        return target(**arguments)
    except InterpositiveError:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ConfigError(
            f"{where} was given values that it cannot use",
            found=", ".join(f"{key}={value}" for key, value in arguments.items()),
            expected=f"what {node['_target_']} takes ({type(error).__name__}: {error})",
        ) from error


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
    _refuse_unknown_fields(schema, plain, where)
    try:
        return schema.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (where, *first["loc"]))
        raise ConfigError(f"{key}: {first['msg']}", found=first.get("input")) from None


def _refuse_unknown_fields(schema: type[BaseModel], plain: Mapping[str, Any], where: str) -> None:
    refuse_unknown_keys(plain, list(schema.model_fields), where)
    for name, field in schema.model_fields.items():
        part, value = field.annotation, plain.get(name)
        if isinstance(part, type) and issubclass(part, BaseModel) and isinstance(value, Mapping):
            _refuse_unknown_fields(part, value, f"{where}.{name}")
