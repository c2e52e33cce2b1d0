"""Reads what W&B wrote offline as a test wants it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from interpositive.training.wandb_files import records


def whole(path: Path, patience_seconds: float = 60.0) -> None:
    """Wait until a file is whole: W&B's own process may still be writing when the run has ended."""
    until = time.monotonic() + patience_seconds
    while not any(record.HasField("exit") for record in records(path)):
        assert time.monotonic() < until, "the file has no end"
        time.sleep(0.05)


def history(path: Path) -> list[dict[str, Any]]:
    """What was logged, one mapping for each row."""
    whole(path)
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(path)
        if record.HasField("history")
    ]


def summary(path: Path) -> dict[str, Any]:
    """The run's summary as it stood at the end."""
    whole(path)
    found: dict[str, Any] = {}
    for record in records(path):
        for item in record.summary.update if record.HasField("summary") else ():
            found["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    return found
