"""A mini-model written for other programs, and tried through their own runtimes before it is published.

TorchScript by tracing, ONNX by torch's exporter over the same trace: it needs neither onnxscript nor a minute for a
network of a few thousand lines, and takes axes of any size. What comes out of both is compared with the mini-model.
"""

from __future__ import annotations

import importlib.util
import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from interpositive.errors import ConfigError, IntegrityError
from interpositive.mini_models.compositing_notes import flame_sidecar, nuke_notes
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.exportable import Exportable, Port
from interpositive.records.digests import sha256_of_file
from interpositive.records.export_manifest import (
    EXPORT_MANIFEST_NAME,
    ExportedFile,
    ExportedPart,
    ExportedPort,
    ExportManifest,
    ExportTrial,
)
from interpositive.records.publishing import publish_folder

Form = Literal["torchscript", "onnx", "lora"]
FORMS: tuple[str, ...] = get_args(Form)
TOLERANCE = 1e-4
_OPSET = 17
_NOTES_OF_MANIFEST = "interpositive.json"
Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def export_mini_model(
    mini_model: MiniModel, form: Form, folder: Path, about: ExportManifest, *, plate_height: int = 1080
) -> ExportManifest:
    """Write a mini-model in a form into a new folder, with what it is (``about``, without parts and files) beside it.

    ``ConfigError`` if it has nothing that travels so, ``IntegrityError`` if a file gives something else than the
    mini-model does by more than ``TOLERANCE``: then nothing is published.
    """
    if form == "onnx":
        _need("onnx", "onnxruntime")
    exportables = () if form == "lora" else mini_model.exportable(plate_height)
    with publish_folder(folder) as scratch:
        if form == "lora":
            mini_model.save_adapter(scratch)
        write = _write_torchscript if form == "torchscript" else _write_onnx
        parts = [_written(each, write, scratch, about) for each in exportables]
        files = [
            ExportedFile(path=path.name, sha256=sha256_of_file(path), num_bytes=path.stat().st_size)
            for path in sorted(scratch.iterdir())
        ]
        manifest = about.model_copy(update={"form": form, "tolerance": TOLERANCE, "parts": parts, "files": files})
        (scratch / EXPORT_MANIFEST_NAME).write_text(manifest.model_dump_json(indent=1))
    return manifest


def _written(
    exportable: Exportable,
    write: Callable[[Exportable, Path, ExportManifest], tuple[Path, Run]],
    folder: Path,
    about: ExportManifest,
) -> ExportedPart:
    module = exportable.module.eval()
    with torch.no_grad(), _quietly():
        path, run = write(exportable, folder, about)
        trials = []
        for trial in exportable.trials:
            ours, theirs = module(*trial), run(trial)
            difference = _largest_difference(ours, theirs)
            trials.append(ExportTrial(shapes=[list(t.shape) for t in trial], largest_difference=difference))
            # What is not a number, or of another shape, is no agreement either.
            if not difference <= TOLERANCE:
                raise IntegrityError(
                    f"{path.name} does not compute what the mini-model does; nothing was exported",
                    found=f"a difference of {difference:.3g} on {[tuple(t.shape) for t in trial]}",
                    expected=f"{TOLERANCE:g} at most",
                )
        first = exportable.trials[0]
        outputs = module(*first)
    return ExportedPart(
        file=path.name,
        purpose=exportable.purpose,
        inputs=[_port(port, value) for port, value in zip(exportable.inputs, first, strict=True)],
        outputs=[_port(port, value) for port, value in zip(exportable.outputs, outputs, strict=True)],
        trials=trials,
    )


def _largest_difference(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Of all values; not a number if one of them is none, infinite for tensors of other shapes."""
    pairs = list(zip(ours, theirs, strict=True))
    if any(a.shape != b.shape for a, b in pairs):
        return math.inf
    # Python's max would lose what is not a number.
    return float(torch.stack([(a - b).abs().max() for a, b in pairs]).max())


def _port(port: Port, value: Tensor) -> ExportedPort:
    dtype = str(value.dtype).removeprefix("torch.")
    return ExportedPort(name=port.name, axes=port.axes, dtype=dtype, meaning=port.meaning)


class _Packed(nn.Module):
    """A node's pictures stacked along their channels: one tensor in and one out, as Nuke wants it."""

    def __init__(self, node: nn.Module, channels: Sequence[int]) -> None:
        super().__init__()
        self.node = node
        self.channels = list(channels)

    def forward(self, stacked: Tensor) -> Tensor:
        return torch.cat(self.node(*torch.split(stacked, self.channels, 1)), 1)


def _write_torchscript(exportable: Exportable, folder: Path, about: ExportManifest) -> tuple[Path, Run]:
    path = folder / f"{exportable.name}.pt"
    made_with = exportable.trials[0]
    module = exportable.module
    if exportable.is_node:
        module = _Packed(module, [port.num_channels for port in exportable.inputs]).eval()
        made_with = (torch.cat(made_with, 1),)
        (folder / f"{exportable.name}_nuke.txt").write_text(nuke_notes(exportable, path.name, about))
    traced: Any = torch.jit.trace(module, made_with, check_trace=False)  # type: ignore[no-untyped-call]
    torch.jit.save(traced, str(path), _extra_files={_NOTES_OF_MANIFEST: about.model_dump_json()})
    loaded: Any = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    if not exportable.is_node:
        return path, lambda trial: loaded(*trial)
    given = [port.num_channels for port in exportable.outputs]
    return path, lambda trial: loaded(torch.cat(list(trial), 1)).split(given, 1)


def _write_onnx(exportable: Exportable, folder: Path, about: ExportManifest) -> tuple[Path, Run]:
    import onnx
    import onnxruntime

    path = folder / f"{exportable.name}.onnx"
    ports = (*exportable.inputs, *exportable.outputs)
    torch.onnx.export(
        exportable.module,
        exportable.trials[0],
        str(path),
        input_names=[port.name for port in exportable.inputs],
        output_names=[port.name for port in exportable.outputs],
        dynamic_axes={port.name: port.free_axes for port in ports},
        opset_version=_OPSET,
        dynamo=False,
    )
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {_NOTES_OF_MANIFEST: about.model_dump_json()})
    onnx.save(model, str(path))
    onnx.checker.check_model(model, full_check=True)
    if exportable.is_node:
        path.with_suffix(".json").write_text(json.dumps(flame_sidecar(exportable, about), indent=4))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(trial: Sequence[Tensor]) -> list[Tensor]:
        given = {port.name: value.numpy() for port, value in zip(exportable.inputs, trial, strict=True)}
        return [torch.from_numpy(value) for value in session.run(None, given)]

    return path, run


def _need(*names: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            "ONNX needs packages that are not installed",
            found=f"no {', '.join(missing)}",
            remedy="pip install 'interpositive[export]'",
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Tracers warn of every constant they keep; what these do is measured instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
