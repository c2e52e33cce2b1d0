"""Every YAML of a configuration group, and the class that it names, built with sizes of our choosing."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).resolve().parents[2] / "conf"


def yamls_of(group: str) -> list[Path]:
    found = sorted((CONF / group).glob("*.yaml"))
    assert found, f"no YAML in {CONF / group}"
    return found


def read(path: Path) -> dict[str, Any]:
    values = yaml.safe_load(path.read_text())
    assert isinstance(values, dict), path
    return values


def target_of(path: Path) -> type[Any]:
    module, _, name = read(path)["_target_"].rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, type), path
    return found


def arguments_of(path: Path) -> dict[str, Any]:
    return {name: value for name, value in read(path).items() if name not in ("_target_", "defaults")}


def parameters_of(kind: type[Any]) -> set[str]:
    return {name for name in inspect.signature(kind).parameters if name != "self"}
