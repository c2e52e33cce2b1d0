"""Tensors in one file of the safetensors format, with a digest of each; read once, into memory that no file backs.

The file's header follows from the specs alone. A reader that has them compares it byte for byte and needs to believe
nothing that it says: neither lengths, nor offsets, nor overlaps.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import interpositive.training  # noqa: F401  isort: skip
import torch
from blake3 import blake3
from pydantic import Field

from interpositive.errors import IntegrityError
from interpositive.records.base import Record

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


class TensorSpec(Record):
    """What a tensor of the file is, and the BLAKE3 digest of its bytes."""

    dtype: str = Field(pattern=f"^({'|'.join(DTYPES)})$")
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    blake3: str

    @property
    def num_bytes(self) -> int:
        """Bytes of the tensor in the file."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


TensorSpecs = dict[str, TensorSpec]


def why_unstorable(tensor: torch.Tensor) -> str:
    """Why the format cannot hold a tensor as itself; empty if it can."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return f"it is a {type(tensor).__qualname__}, of which this process may hold a part only"
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return "it is sparse, quantized or without values"
    return "" if tensor.dtype in _DTYPE_NAMES else f"the format has no {tensor.dtype}"


def write_tensor_file(path: Path, tensors: Mapping[str, torch.Tensor]) -> TensorSpecs:
    """Write contiguous CPU tensors and force them to disk; gives their specs in the order of the file."""
    # Wide types first keeps every tensor aligned to its own size.
    ordered = sorted(tensors, key=lambda name: -tensors[name].element_size())
    specs = {
        name: TensorSpec(
            dtype=_DTYPE_NAMES[tensors[name].dtype],
            shape=tuple(tensors[name].shape),
            blake3=blake3(_bytes_of(tensors[name])).hexdigest(),
        )
        for name in ordered
    }
    with path.open("wb") as stream:
        stream.write(_header(specs))
        for name in ordered:
            stream.write(_bytes_of(tensors[name]))
        stream.flush()
        os.fsync(stream.fileno())
    return specs


def read_tensor_file(path: Path, specs: TensorSpecs) -> dict[str, torch.Tensor]:
    """Read the tensors that ``specs`` describe; ``IntegrityError`` names what is damaged.

    Takes the memory of the tensors and of the header, and none before the file's size is the expected one.
    """
    header = _header(specs)
    expected = len(header) + sum(spec.num_bytes for spec in specs.values())
    with path.open("rb", buffering=0) as stream:
        found = os.fstat(stream.fileno()).st_size
        if found != expected:
            raise IntegrityError(f"{path} is cut or added to", found=f"{found} bytes", expected=f"{expected} bytes")
        if stream.read(len(header)) != header:
            raise IntegrityError(f"{path} is damaged in its header", expected="the header that its record describes")
        tensors, damaged = {}, []
        for name, spec in specs.items():
            tensors[name] = torch.empty(spec.shape, dtype=DTYPES[spec.dtype])
            rest = content = _bytes_of(tensors[name])
            while rest:
                rest = rest[stream.readinto(rest) or len(rest) :]
            if blake3(content).hexdigest() != spec.blake3:
                damaged.append(name)
    if damaged:
        more = f" and {len(damaged) - 1} more tensors" if damaged[1:] else ""
        raise IntegrityError(
            f"{path} is damaged in {damaged[0]}{more}",
            found=", ".join(damaged[:20]),
            expected="bytes with the recorded digests",
        )
    return tensors


def _header(specs: TensorSpecs) -> bytes:
    """The first bytes of the file: the length of a JSON text, and the text, padded to whole words."""
    places, end = {}, 0
    for name, spec in specs.items():
        start, end = end, end + spec.num_bytes
        places[name] = {"dtype": spec.dtype, "shape": spec.shape, "data_offsets": (start, end)}
    text = json.dumps(places, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().reshape(-1).view(torch.uint8).numpy().data
