"""Reads what W&B wrote offline, without W&B's servers: a LevelDB log of protobuf records."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

_BLOCK = 32768
_FIRST, _LAST = (1, 2), (1, 4)


def records(path: Path) -> Iterator[wandb_internal_pb2.Record]:
    """Every record of a ``.wandb`` file: a header of 7 bytes, then chunks of checksum, length and type in blocks."""
    content, place, pieces = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if _BLOCK - place % _BLOCK < 7:
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        pieces = (b"" if kind in _FIRST else pieces) + content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in _LAST:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pieces)
            yield record


def history(path: Path, patience_seconds: float = 60.0) -> list[dict[str, Any]]:
    """What was logged, one mapping for each call; W&B's own process may still be writing when the run has ended."""
    until = time.monotonic() + patience_seconds
    while not any(record.HasField("exit") for record in records(path)):
        assert time.monotonic() < until, "the file has no end"
        time.sleep(0.05)
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records(path)
        if record.HasField("history")
    ]


def summary(path: Path) -> dict[str, Any]:
    """What the run's summary was told, the last word on each key."""
    return {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
        for record in records(path)
        if record.HasField("summary")
        for item in record.summary.update
    }
