"""Training checkpoints without pickle: tensors as safetensors, everything else as JSON, and a record over both.

A checkpoint is a folder that appears by one rename. Its ``record.json``, written last, holds a
digest of each tensor, of ``state.json`` and of itself: one flipped bit anywhere is refused, and its place named.
``docs/checkpoints.md`` describes the files for readers without this package.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from blake3 import blake3
from pytorch_lightning.plugins.io import CheckpointIO

from interpositive.errors import IntegrityError, StorageError
from interpositive.records.base import Record
from interpositive.records.publishing import publish_folder, retire_folder
from interpositive.training.tensor_file import TensorSpec, read_tensor_file, why_unstorable, write_tensor_file

CHECKPOINTS_NAME = "checkpoints"
TENSORS_NAME = "tensors.safetensors"
STATE_NAME = "state.json"
RECORD_NAME = "record.json"
# JSON takes many times its size once it is read; a state of 40,000 tensors fits.
MAX_JSON_BYTES = 8 << 20
_PLAIN = (str, int, float, bool, type(None))
_FOLDER_NAME = re.compile(r"step=(\d+)\.ckpt")
_SEALED = re.compile(rb'(.*),"record_blake3":"([0-9a-f]{64})"}\n', re.DOTALL)


@dataclass(frozen=True)
class Snapshot:
    """A training state at one moment: its plain tree, and copies of its tensors by their place in it."""

    step: int | None
    state: Any
    tensors: dict[str, torch.Tensor]


class CheckpointRecord(Record):
    """What a checkpoint's files must be; ``tensors`` in the order of the file."""

    schema_version: Literal[2] = 2
    step: int | None
    state_bytes: int
    state_blake3: str
    tensors: dict[str, TensorSpec]


class FoundCheckpoint(NamedTuple):
    """The newest checkpoint that is whole, as it was read, and a message for each newer one that is not."""

    path: Path | None
    checkpoint: dict[str, Any]
    damaged: list[str]

    @property
    def step(self) -> int:
        """The step to go on from, 0 if there is none."""
        return (checkpoint_step(self.path) or 0) if self.path else 0


class SafeCheckpointIO(CheckpointIO):
    """Lightning's checkpoints in such folders. Refuses to save what it could not read back as itself."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint folder, whole or not at all."""
        del storage_options
        write_checkpoint(take_snapshot(checkpoint), Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint folder; ``IntegrityError`` if it is damaged."""
        del map_location, weights_only
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint folder."""
        retire_folder(Path(path))


def checkpoint_step(path: Path) -> int | None:
    """The step in a checkpoint folder's name, None for another name."""
    match = _FOLDER_NAME.fullmatch(path.name)
    return int(match[1]) if match else None


def newest_valid_checkpoint(folder: Path) -> FoundCheckpoint:
    """Read the newest whole checkpoint of a folder; changes nothing there, so that several processes may look."""
    steps = {path: step for path in folder.glob("step=*.ckpt") if (step := checkpoint_step(path)) is not None}
    damaged: list[str] = []
    for path in sorted(steps, key=steps.__getitem__, reverse=True):
        try:
            checkpoint = read_checkpoint(path)
            if checkpoint.get("global_step") != steps[path]:
                held = checkpoint.get("global_step")
                raise IntegrityError(f"{path} is not what its name says", found=f"step {held}")
        except IntegrityError as error:
            damaged.append(str(error))
            continue
        return FoundCheckpoint(path, checkpoint, damaged)
    return FoundCheckpoint(None, {}, damaged)


def take_snapshot(checkpoint: dict[str, Any]) -> Snapshot:
    """Copy a state, so that training may go on; ``TypeError`` for what would not be read back as itself."""
    tensors: dict[str, torch.Tensor] = {}
    state = _encode(checkpoint, "", tensors)
    return Snapshot(checkpoint.get("global_step"), state, tensors)


def write_checkpoint(snapshot: Snapshot, final: Path) -> None:
    """Publish a checkpoint folder by one rename; what has its name is replaced once all is on disk.

    ``StorageError`` if the disk refuses; nothing new is left then.
    """
    state = json.dumps(snapshot.state, separators=(",", ":"), allow_nan=False).encode()
    with publish_folder(final, replaces=True) as scratch:
        specs = write_tensor_file(scratch / TENSORS_NAME, snapshot.tensors)
        _write_through(scratch / STATE_NAME, state)
        record = CheckpointRecord(
            step=snapshot.step, state_bytes=len(state), state_blake3=blake3(state).hexdigest(), tensors=specs
        )
        _write_through(scratch / RECORD_NAME, _sealed(record))


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """Read a checkpoint folder, each file once; ``IntegrityError`` names the file and tensor that is damaged."""
    try:
        expected, found = sorted((RECORD_NAME, STATE_NAME, TENSORS_NAME)), sorted(os.listdir(folder))
        if found != expected:
            raise IntegrityError(f"{folder} is not a whole checkpoint", found=found, expected=expected)
        record = _unsealed(folder / RECORD_NAME)
        text = _read_small(folder / STATE_NAME)
        if len(text) != record.state_bytes or blake3(text).hexdigest() != record.state_blake3:
            raise IntegrityError(f"{folder / STATE_NAME} is damaged", expected="the bytes that its record describes")
        _refuse_unless_file(folder / TENSORS_NAME)
        tensors = read_tensor_file(folder / TENSORS_NAME, record.tensors)
        unused = set(tensors)
        state = _decode(json.loads(text), tensors, unused)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, IntegrityError):
            raise
        raise IntegrityError(f"{folder} is not a checkpoint that can be read", found=repr(error)[:300]) from None
    if unused or not isinstance(state, dict):
        raise IntegrityError(f"{folder} has tensors that belong nowhere", found=sorted(unused)[:10])
    return state


def _sealed(record: CheckpointRecord) -> bytes:
    """The record's text, with the digest of all that comes before it at its end."""
    text = record.model_dump_json().encode().removesuffix(b"}")
    return text + f',"record_blake3":"{blake3(text).hexdigest()}"}}\n'.encode()


def _unsealed(path: Path) -> CheckpointRecord:
    match = _SEALED.fullmatch(_read_small(path))
    if match is None or blake3(match[1]).hexdigest() != match[2].decode():
        raise IntegrityError(f"{path} is damaged", expected="a record that ends with its own digest")
    return CheckpointRecord.model_validate_json(match[1] + b"}")


def _read_small(path: Path) -> bytes:
    _refuse_unless_file(path)
    with path.open("rb") as stream:
        content = stream.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise IntegrityError(f"{path} is too large", expected=f"at most {MAX_JSON_BYTES} bytes")
    return content


def _refuse_unless_file(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise IntegrityError(f"{path} is not a file", expected="a file: no link, pipe or folder")


def _write_through(path: Path, content: bytes) -> None:
    """Write a new JSON file and force it to disk."""
    if len(content) > MAX_JSON_BYTES:
        raise StorageError(
            f"{path.name} of a checkpoint would be too large to be read back",
            found=f"{len(content)} bytes",
            expected=f"at most {MAX_JSON_BYTES} bytes: some 40,000 tensors",
        )
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _encode(value: Any, place: str, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON for a value: itself, or an object with one key that begins with ``$``."""
    if isinstance(value, torch.Tensor):
        if reason := why_unstorable(value):
            raise TypeError(f"a checkpoint cannot hold the tensor at {place}: {reason}")
        name = f"{place}#{len(tensors)}" if place in tensors or place in ("", "__metadata__") else place
        tensors[name] = torch.empty(value.shape, dtype=value.dtype).copy_(value.detach())
        return {"$tensor": name}
    if type(value) is float and not math.isfinite(value):
        return {"$float": repr(value)}
    if type(value) in _PLAIN:
        return value
    if type(value) in (list, tuple):
        items = [_encode(item, f"{place}/{index}".lstrip("/"), tensors) for index, item in enumerate(value)]
        return items if type(value) is list else {"$tuple": items}
    if type(value) in (dict, OrderedDict):
        _refuse_unless_plain(place, value)
        pairs = [[key, _encode(item, f"{place}/{key}".lstrip("/"), tensors)] for key, item in value.items()]
        named = all(type(key) is str and not key.startswith("$") for key in value)
        return dict(pairs) if named else {"$items": pairs}
    raise TypeError(
        f"a checkpoint cannot hold {type(value).__module__}.{type(value).__qualname__} at {place}: {value!r:.100}"
    )


def _refuse_unless_plain(place: str, keys: Any) -> None:
    for key in keys:
        if type(key) not in _PLAIN or (type(key) is float and not math.isfinite(key)):
            raise TypeError(f"a checkpoint cannot hold the key {key!r:.100} at {place}")


def _decode(value: Any, tensors: dict[str, torch.Tensor], unused: set[str]) -> Any:
    if isinstance(value, list):
        return [_decode(item, tensors, unused) for item in value]
    if not isinstance(value, dict):
        return value
    match list(value.items()):
        case [("$tensor", name)]:
            unused.remove(name)
            return tensors[name]
        case [("$float", text)]:
            return float(text)
        case [("$tuple", items)]:
            return tuple(_decode(item, tensors, unused) for item in items)
        case [("$items", pairs)]:
            return {key: _decode(item, tensors, unused) for key, item in pairs}
    return {key: _decode(item, tensors, unused) for key, item in value.items()}
