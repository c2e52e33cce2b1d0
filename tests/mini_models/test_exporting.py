"""An exported mini-model computes what it computes here, in the runtimes of others, at sizes it was not made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from productions import panning_shot
from shots import small_model, tensor, waken, wired_example
from torch import Tensor, nn

from interpositive.errors import ConfigError, IntegrityError, StorageError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.compositing_notes import NUKE_CHANNELS
from interpositive.mini_models.exportable import Exportable, Port
from interpositive.mini_models.exporting import TOLERANCE, export_mini_model
from interpositive.mini_models.fusion_export import NUM_NODE_VIEWS, FusionNode, membrane
from interpositive.mini_models.mini_flow import MiniFlow
from interpositive.mini_models.view_comparing import level_and_compare
from interpositive.records.digests import sha256_of_file
from interpositive.records.export_manifest import EXPORT_MANIFEST_NAME, ExportManifest

ABOUT = ExportManifest(
    production="tiny",
    task="wire_removal",
    mini_model="CandidateFusion",
    form="",
    created="2026-01-01T00:00:00+00:00",
    archive_sha256="0" * 64,
    encoding="ACEScct",
    training_takes=["10A_T01_A_R01"],
    origins=["begins with nothing"],
    rights="for tiny alone",
    versions={"torch": torch.__version__},
    tolerance=TOLERANCE,
)
OFFSETS = (-6, 5, 8)
"""Frames that the node's views are taken from."""


@pytest.fixture(scope="module")
def model() -> CandidateFusion:
    return waken(small_model()).eval()


@pytest.fixture(scope="module")
def prepared(model: CandidateFusion) -> Example:
    """One that training would see, larger than any that the files were made with."""
    return model.prepare(wired_example(), generator_from(0))[0]


@pytest.fixture(scope="module")
def lined_up() -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
    """A frame with a wire of 8 px, its mask, views of the wall from other frames, and the wall behind it."""
    speed, frame, num_frames = 2, 10, 24
    truth = tensor(panning_shot(2, num_frames, 64, 96, (float(speed), 0.0), actor=False))
    mask = torch.zeros(1, 1, 64, 96)
    mask[..., 44:52] = 1.0
    plate = torch.where(mask > 0, 0.05, truth[frame : frame + 1])
    views = []
    for offset in OFFSETS:
        wired = torch.where(mask > 0, 0.05, truth[frame + offset : frame + offset + 1])
        shift = speed * offset
        moved = torch.roll(torch.cat([wired, 1.0 - mask], 1), shift, 3)
        # What came in from the other side shows nothing, and levels differ a little from frame to frame.
        moved[:, 3, :, slice(0, shift) if shift > 0 else slice(shift, None)] = 0.0
        moved[:, :3] += 0.02
        views.append(moved)
    return plate, mask, views, truth[frame : frame + 1]


@pytest.fixture(scope="module")
def torchscript(model: CandidateFusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "torchscript"
    export_mini_model(model, "torchscript", folder, ABOUT, plate_height=64)
    return folder


@pytest.fixture(scope="module")
def onnx(model: CandidateFusion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime", reason="onnx and onnxruntime are in the extra 'export'")
    folder = tmp_path_factory.mktemp("export") / "onnx"
    export_mini_model(model, "onnx", folder, ABOUT, plate_height=64)
    return folder


def given_by(example: Example) -> dict[str, Tensor]:
    condition = {name: value[None] for name, value in example.condition.items() if name != "judged"}
    floats = {name: value if name == "kinds" else value.float() for name, value in condition.items()}
    assert floats["thin"].any() and not torch.equal(floats["plate"], example.input.float())
    return {"prefill": example.input.float(), "hole": example.mask.float(), **floats}


def fused(model: CandidateFusion, given: dict[str, Tensor]) -> list[Tensor]:
    with torch.no_grad():
        result = model.fuse(given["prefill"], given["hole"], given)
    return [result.final, result.certainty]


def run_onnx(path: Path, given: dict[str, Tensor]) -> list[Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [torch.from_numpy(value) for value in session.run(None, {k: v.numpy() for k, v in given.items()})]


def test_torchscript_gives_what_the_mini_model_gives(
    model: CandidateFusion, prepared: Example, torchscript: Path
) -> None:
    given = given_by(prepared)
    loaded: Any = torch.jit.load(str(torchscript / "fusion.pt"))
    for ours, theirs in zip(fused(model, given), loaded(*given.values()), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)


def test_mini_flow_gives_out_its_own_fusion(prepared: Example, tmp_path: Path) -> None:
    torch.manual_seed(7)
    flow = MiniFlow(scorer_width=4, residual_widths=[4, 4, 4], crop_px=32, video_widths=[8, 8, 8], film_px=32).eval()
    waken(flow.fusion)
    export_mini_model(flow, "torchscript", tmp_path / "to", ABOUT, plate_height=64)
    given = given_by(prepared)
    loaded: Any = torch.jit.load(str(tmp_path / "to" / "fusion.pt"))
    for ours, theirs in zip(fused(flow.fusion, given), loaded(*given.values()), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)


def test_onnx_gives_what_the_mini_model_gives(model: CandidateFusion, prepared: Example, onnx: Path) -> None:
    given = given_by(prepared)
    for ours, theirs in zip(fused(model, given), run_onnx(onnx / "fusion.onnx", given), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)


def test_as_a_node_it_repairs_a_frame_and_leaves_the_rest(
    lined_up: tuple[Tensor, Tensor, list[Tensor], Tensor], torchscript: Path, onnx: Path
) -> None:
    plate, mask, views, truth = lined_up
    loaded: Any = torch.jit.load(str(torchscript / "node.pt"))
    stacked = loaded(torch.cat([plate, mask, *views], 1))
    assert stacked.shape == (1, 4, 64, 96)
    names = ["plate", "mask", *(f"view_{number}" for number in range(1, NUM_NODE_VIEWS + 1))]
    given = dict(zip(names, (plate, mask, *views), strict=True))
    repaired, certainty = run_onnx(onnx / "node.onnx", given)
    assert torch.allclose(torch.cat([repaired, certainty], 1), stacked, rtol=0, atol=1e-4)
    outside = (mask <= 0).expand_as(plate)
    assert torch.equal(repaired[outside], plate[outside]) and torch.equal(stacked[:, :3][outside], plate[outside])
    untrained = FusionNode(small_model().eval(), 64)
    with torch.no_grad():
        picture, _ = untrained(plate, mask, *views)
        bridged = membrane(plate, mask)
    by_node, by_bridge = (float((found - truth)[~outside].abs().mean()) for found in (picture, bridged))
    # Real pixels, levelled to the plate, where a bridge can only guess.
    assert by_node < 0.01 < 0.5 * by_bridge


def test_the_node_compares_views_as_the_bank_does(lined_up: tuple[Tensor, Tensor, list[Tensor], Tensor]) -> None:
    plate, mask, views, _ = lined_up
    known = (1.0 - mask) * views[0][:, 3:]
    as_bank = [value[0].permute(1, 2, 0).numpy().copy() for value in (views[0][:, :3], plate)]
    levelled, error = level_and_compare(*as_bank, known[0, 0].numpy() > 0)
    found = FusionNode(small_model(), 64).level_and_compare(views[0][:, :3], plate, known)
    assert np.allclose(found[0][0].permute(1, 2, 0).numpy(), levelled, atol=1e-4)
    assert np.allclose(found[1][0, 0].numpy(), error, atol=1e-4)


def test_a_membrane_continues_a_ramp() -> None:
    ramp = torch.linspace(0.1, 0.9, 60).expand(1, 3, 40, 60)
    hole = torch.zeros(1, 1, 40, 60)
    hole[..., 12:30, 20:38] = 1.0
    bridged = membrane(torch.where(hole > 0, 5.0, ramp), hole)
    assert float((bridged - ramp).abs().max()) < 0.06 and torch.equal(bridged[..., :20], ramp[..., :20])
    assert torch.equal(membrane(ramp, torch.ones_like(hole)), torch.full((1, 3, 40, 60), 0.5))


def test_says_what_it_is(torchscript: Path, onnx: Path) -> None:
    for folder, files in (
        (torchscript, {"fusion.pt", "node.pt", "node_nuke.txt"}),
        (onnx, {"fusion.onnx", "node.onnx", "node.json"}),
    ):
        manifest = ExportManifest.model_validate_json((folder / EXPORT_MANIFEST_NAME).read_text())
        assert {file.path for file in manifest.files} == files
        assert all(sha256_of_file(folder / file.path) == file.sha256 for file in manifest.files)
        assert manifest.origins == ABOUT.origins and manifest.rights == ABOUT.rights
        for part in manifest.parts:
            assert len({str(trial.shapes) for trial in part.trials}) >= 3
            assert all(trial.largest_difference <= TOLERANCE for trial in part.trials)
    held: dict[str, Any] = {"interpositive.json": ""}
    torch.jit.load(str(torchscript / "node.pt"), _extra_files=held)
    assert json.loads(held["interpositive.json"])["production"] == "tiny"


def test_tells_compositing_programs_of_every_channel(torchscript: Path, onnx: Path) -> None:
    import onnx as library

    told = json.loads((onnx / "node.json").read_text())["ModelDescription"]
    graph = library.load(str(onnx / "node.onnx")).graph
    assert [value.name for value in graph.input] == list(dict.fromkeys(each["Name"] for each in told["Inputs"]))
    assert [value.name for value in graph.output] == [each["Name"] for each in told["Outputs"]]
    assert sum(len(each["Channels"]) for each in told["Inputs"]) == 16
    assert "ACEScct" in told["Description"] and not told["SupportsSceneLinear"]
    notes = (torchscript / "node_nuke.txt").read_text()
    assert f"Channels In        {', '.join(NUKE_CHANNELS[:16])}\n" in notes
    assert "view_3.A" in notes and "ACEScct" in notes


class _Restless(nn.Module):
    """Gives another second tensor when it is traced."""

    def __init__(self, also: Tensor) -> None:
        super().__init__()
        self.also = also

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        return picture + 0.0, picture + self.also if torch.jit.is_tracing() else picture + 0.0


@pytest.mark.parametrize(
    ("also", "said"),
    [(torch.tensor(0.01), "0.01"), (torch.tensor(torch.nan), "nan"), (torch.zeros(2, 1, 1, 1), "inf")],
)
def test_a_file_that_computes_something_else_is_not_published(
    model: CandidateFusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: Tensor, said: str
) -> None:
    port = Port("picture", "batch 3 height width", "a picture")
    wrong = Exportable("wrong", "nothing", _Restless(also), (port,), (port, port), ((torch.rand(1, 3, 8, 8),),))
    monkeypatch.setattr(model, "exportable", lambda plate_height: (wrong,), raising=False)
    with pytest.raises(IntegrityError, match=r"wrong\.pt does not compute") as refused:
        export_mini_model(model, "torchscript", tmp_path / "to", ABOUT)
    assert f"a difference of {said}" in str(refused.value) and not list(tmp_path.iterdir())


def test_refuses_what_it_cannot(model: CandidateFusion, torchscript: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a network of its own, and no adapter"):
        export_mini_model(model, "lora", tmp_path / "to", ABOUT)
    with pytest.raises(StorageError, match="already exists"):
        export_mini_model(model, "torchscript", torchscript, ABOUT)
    assert not list(tmp_path.iterdir())
