"""Training checkpoints without pickle: tensors as safetensors, everything else as JSON, in one folder.

A checkpoint appears by one rename, its record naming the digests of the
tensors and of itself; a damaged one is refused on loading.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO
from safetensors.torch import load, save

from interpositive.errors import IntegrityError
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.publishing import publish_folder

_TENSORS = "tensors.safetensors"
_STATE = "state.json"
_PLAIN = (str, int, float, bool, type(None))


class SafeCheckpointIO(CheckpointIO):
    """Lightning's checkpoints in a folder of safetensors and JSON.

    Refuses to save what it could not read back as itself.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint folder, whole or not at all."""
        del storage_options
        tensors: dict[str, torch.Tensor] = {}
        state = _encode(checkpoint, tensors)
        final = Path(path)
        if final.exists():
            shutil.rmtree(final)
        with publish_folder(final) as scratch:
            (scratch / _TENSORS).write_bytes(save(tensors))
            record = {
                "tensors_sha256": sha256_of_file(scratch / _TENSORS),
                "state_sha256": sha256_of_value(state),
                "state": state,
            }
            (scratch / _STATE).write_text(json.dumps(record))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint folder; ``IntegrityError`` if it is damaged."""
        del map_location, weights_only
        folder = Path(path)
        try:
            record = json.loads((folder / _STATE).read_text())
            expected = {_TENSORS: record["tensors_sha256"], _STATE: record["state_sha256"]}
            found = {_TENSORS: sha256_of_file(folder / _TENSORS), _STATE: sha256_of_value(record["state"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{folder} is not a whole checkpoint", found=repr(error)[:300]) from None
        for name, digest in found.items():
            if digest != expected[name]:
                raise IntegrityError(
                    f"{folder / name} is damaged",
                    found=digest,
                    expected=expected[name],
                    remedy="remove this checkpoint; training goes on from the one before",
                )
        decoded = _decode(record["state"], load((folder / _TENSORS).read_bytes()))
        assert isinstance(decoded, dict)
        return decoded

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint folder."""
        shutil.rmtree(path, ignore_errors=True)


def newest_valid_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that loads, and a line for each newer one that does not."""
    damaged = []
    for path in sorted(folder.glob("step=*.ckpt"), key=lambda p: int(p.stem.split("=")[1]), reverse=True):
        try:
            SafeCheckpointIO().load_checkpoint(path)
        except IntegrityError as error:
            damaged.append(str(error))
            continue
        return path, damaged
    return None, damaged


def _encode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = f"{len(tensors):06d}"
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, _PLAIN):
        return {"plain": value}
    if isinstance(value, dict):
        return {"dict": [[_encode(k, tensors), _encode(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_encode(v, tensors) for v in value]}
    raise TypeError(f"a checkpoint cannot hold {type(value).__module__}.{type(value).__qualname__}: {value!r:.100}")


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "plain":
        return content
    if kind == "dict":
        return {_decode(k, tensors): _decode(v, tensors) for k, v in content}
    items = [_decode(v, tensors) for v in content]
    return tuple(items) if kind == "tuple" else items
