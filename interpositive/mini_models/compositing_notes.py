"""What compositing programs want to be told of a node: Flame by a JSON beside the ONNX file, Nuke's artist by a text.

Flame: Autodesk, Inference Builder, Flame 2025.2. Nuke: Foundry, .cat File Creation Reference Guide, Nuke 14.0 to 17.0.
"""

from __future__ import annotations

from typing import Any

from interpositive.mini_models.exportable import Exportable, Port
from interpositive.records.export_manifest import ExportManifest

# The channels that CatFileCreator knows, in its guide's order.
NUKE_CHANNELS = (
    *("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha", "depth.Z", "forward.u", "forward.v", "backward.u"),
    *("backward.v", "deep.front", "deep.back", "disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
    *("mask.a", "rotopaint_mask.a", "mask_planartrack.a", "mask_splinewarp.a"),
)
_FLAME_VERSION = "2025.2"
_LETTERS = "RGBA"


def flame_sidecar(exportable: Exportable, about: ExportManifest) -> dict[str, Any]:
    """What lies beside an ONNX file under its name, for Flame's Inference node; since 2025.2 with channels."""
    inputs: list[dict[str, Any]] = []
    kinds = iter(("Front", "Back"))
    for port in exportable.inputs:
        # A socket of Flame carries RGB or a matte: a picture with its matte has two of the same name.
        for channels in {1: ("A",), 3: ("RGB",), 4: ("RGB", "A")}[port.num_channels]:
            kind = "Matte" if channels == "A" else next(kinds, "Aux")
            inputs.append(
                {"Name": port.name, "Description": port.meaning, "Type": kind, "Gain": 1.0, "Channels": channels}
            )
    outputs = [
        {
            "Name": port.name,
            "Description": port.meaning,
            "Type": "Result" if port.num_channels > 1 else "OutMatte",
            "InverseGain": 1.0,
            "ScalingFactor": 1.0,
            "Channels": "RGB" if port.num_channels > 1 else "A",
        }
        for port in exportable.outputs
    ]
    return {
        "ModelDescription": {
            "MinimumVersion": _FLAME_VERSION,
            "Name": f"{about.production} {about.task}",
            "Description": f"{exportable.purpose}. {_colour(about)}. {about.rights}",
            "SupportsSceneLinear": False,
            "KeepAspectRatio": False,
            "Padding": 1,
            "Inputs": inputs,
            "Outputs": outputs,
        }
    }


def nuke_notes(exportable: Exportable, file: str, about: ExportManifest) -> str:
    """How to make a TorchScript file that takes one tensor a ``.cat``, channel by channel."""
    taken = [f"{port.name}.{letter}" for port in exportable.inputs for letter in _letters(port)]
    given = [f"{port.name}.{letter}" for port in exportable.outputs for letter in _letters(port)]
    assert len(taken) <= len(NUKE_CHANNELS)
    rows = "\n".join(f"  {channel:<18} {what}" for channel, what in zip(NUKE_CHANNELS, taken, strict=False))
    back = "\n".join(f"  {channel:<18} {what}" for channel, what in zip(NUKE_CHANNELS, given, strict=False))
    ports = "\n".join(f"  {port.name:<10} {port.meaning}" for port in (*exportable.inputs, *exportable.outputs))
    return f"""{about.production} {about.task}: {exportable.purpose}

{ports}

{_colour(about)}. {about.rights}
The tensor is 1 x {len(taken)} x height x width, 32-bit floats; the one that comes back has {len(given)} channels.

CatFileCreator (NukeX or Nuke Studio)
  TorchScript File   {file}
  Cat File           {file.removesuffix(".pt")}.cat
  Channels In        {", ".join(NUKE_CHANNELS[: len(taken)])}
  Channels Out       {", ".join(NUKE_CHANNELS[: len(given)])}
  Model Id           any number that your other models do not have

Shuffle into the layer that goes into Inference
{rows}

Inference gives
{back}

Inference
  Optimize for Speed and Memory   off: the network was tried in 32 bits only
  All inputs have the plate's format and bounding box. Read back into the plate by the mask.

The file was traced with torch {about.versions.get("torch", "")} and tried with torch.jit.load, never in Nuke.
A Nuke with an older torch may not read it: then export again in an environment with Nuke's version.
"""


def _letters(port: Port) -> str:
    return "A" if port.num_channels == 1 else _LETTERS[: port.num_channels]


def _colour(about: ExportManifest) -> str:
    if about.encoding == "native":
        return "Pictures are the plate's own codes, 0 to 1 at full scale, as it was learned from; not linear light"
    return f"Pictures are {about.encoding}, as it was learned from: convert to it before, and back after"
