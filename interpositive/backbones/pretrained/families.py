"""Families are found by the name of their file."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from interpositive.backbones.pretrained.contract import VideoDiffusion
from interpositive.errors import ConfigError


def family_names() -> list[str]:
    """The files beside this one that hold a family."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in found if hasattr(_module(name), "FAMILY"))


def find_family(name: str) -> type[VideoDiffusion]:
    """The family of a file's name; ``ConfigError`` if there is none."""
    if name not in family_names():
        raise ConfigError("unknown family of pretrained networks", found=name, expected=", ".join(family_names()))
    family: type[VideoDiffusion] = _module(name).FAMILY
    assert issubclass(family, VideoDiffusion)
    return family


def _module(name: str) -> Any:
    return importlib.import_module(f"{__package__}.{name}")
