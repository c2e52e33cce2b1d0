"""Lets a stock torchvision wheel import beside a CPU build of torch.

torchvision's compiled operators load only with the torch build they were made
for. When they do not load, torchvision still imports if two of its operators,
``nms`` and ``qnms``, are declared; Lightning, torchmetrics and lpips import
torchvision and need no more than that. On a matching build this does nothing.
Calling a detection operator still raises torchvision's own error.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def declare_missing_operators() -> bool:
    """Declare the two operators if torchvision's library does not load; True if that was needed."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return False
    libraries = [
        library
        for folder in found.submodule_search_locations
        for library in sorted(Path(folder).glob("_C*"))
        if library.suffix in {".so", ".pyd", ".dylib"}
    ]
    for library in libraries:
        try:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]
        except OSError:
            continue
        return False
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(f"torchvision::{operator}", _SCHEMA)
    return True


declare_missing_operators()
