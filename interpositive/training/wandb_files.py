"""What W&B keeps on this machine, read without W&B's servers: a LevelDB log of protobuf records for each segment."""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from wandb.proto import wandb_internal_pb2

STEP = "trainer/global_step"
_BLOCK = 32768
_FIRST, _LAST = (1, 2), (1, 4)


def records(path: Path) -> Iterator[Any]:
    """Every whole record of a ``.wandb`` file: a header of 7 bytes, then chunks of checksum, length and type in blocks.

    Ends where a killed writer did.
    """
    content, place, pieces = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if _BLOCK - place % _BLOCK < 7:
            place += _BLOCK - place % _BLOCK
            continue
        checksum, length, kind = struct.unpack_from("<IHB", content, place)
        chunk = content[place + 7 : place + 7 + length]
        # A file system may leave zeros where a killed writer's last bytes should be.
        if not 1 <= kind <= 4 or len(chunk) < length or zlib.crc32(chunk, zlib.crc32(bytes([kind]))) != checksum:
            return
        pieces = (b"" if kind in _FIRST else pieces) + chunk
        place += 7 + length
        if kind in _LAST:
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            try:
                record.ParseFromString(pieces)
            except DecodeError:
                return
            yield record


def logged_names(folder: Path, run_id: str) -> dict[int, set[str]]:
    """What all segments of a run hold already: the names that were logged for each step.

    A table or picture has a name for each of its facts (``held_out/video/path``); its own is the beginning of them.
    """
    names: dict[int, set[str]] = defaultdict(set)
    for path in sorted(folder.glob(f"*run-*-{run_id}*/run-{run_id}.wandb")):
        for record in records(path):
            if record.HasField("history"):
                items = {"/".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
                if STEP in items:
                    names[int(float(items[STEP]))] |= set(items)
    return names
