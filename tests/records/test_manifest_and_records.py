"""Records read back as themselves; a delivery is believed only as far as its digests go."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from interpositive.errors import IntegrityError, RunFolderError
from interpositive.records.delivery_manifest import (
    MANIFEST_NAME,
    DeliveredFile,
    DeliveryManifest,
    FrameAccount,
    read_and_verify,
)
from interpositive.records.digests import sha256_of_file, sha256_of_value
from interpositive.records.measures import Measures, MetricInfo, ShotMeasures
from interpositive.records.run_record import RunRecord, RunTake

CONTENTS = {"frames/a.1.png": b"first", "frames/a.2.png": b"second", "matte/a.1.png": b"matte", "measures.json": b"{}"}


def manifest_of(folder: Path, paths: list[str]) -> DeliveryManifest:
    return DeliveryManifest(
        production="tiny",
        task="wire_removal",
        shot="a",
        method="trained",
        created="2024-01-01T00:00:00+00:00",
        rate="24",
        width=96,
        height=64,
        num_frames=2,
        first_frame=1,
        start_timecode=None,
        frame_format="png16",
        encoding="bt709",
        sources=[],
        config_sha256="0" * 64,
        seed=0,
        versions={},
        training_takes=[],
        frames=[FrameAccount(frame=1, timecode=None, mask_pixels=3, altered_pixels=2, untouched_violations=0)],
        files=[
            DeliveredFile(
                path=p, role="frames", sha256=sha256_of_file(folder / p), num_bytes=(folder / p).stat().st_size
            )
            for p in paths
        ],
    )


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    folder = tmp_path / "delivery"
    for path, content in CONTENTS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / MANIFEST_NAME).write_text(manifest_of(folder, list(CONTENTS)).model_dump_json())
    return folder


def test_a_sealed_delivery_is_believed(delivery: Path) -> None:
    assert read_and_verify(delivery) == manifest_of(delivery, list(CONTENTS))


@pytest.mark.parametrize("path", list(CONTENTS))
def test_a_changed_file_is_named(delivery: Path, path: str) -> None:
    content = bytearray((delivery / path).read_bytes())
    content[0] ^= 1
    (delivery / path).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{path} is not the file") as caught:
        read_and_verify(delivery)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)


@pytest.mark.parametrize("path", list(CONTENTS))
def test_a_missing_file_is_named(delivery: Path, path: str) -> None:
    (delivery / path).unlink()
    with pytest.raises(IntegrityError, match=f"{path} is missing"):
        read_and_verify(delivery)


@pytest.mark.parametrize("path", ["frames/a.3.png", "matte/.hidden"])
def test_an_added_file_is_named(delivery: Path, path: str) -> None:
    (delivery / path).write_bytes(b"stray")
    with pytest.raises(IntegrityError, match=f"{path} was added"):
        read_and_verify(delivery)


@pytest.mark.parametrize(
    "path", ["../outside", "frames/../../outside", "{absolute}", "..\\outside", "C:\\outside", "", "."]
)
def test_a_manifest_that_points_outside_is_refused(delivery: Path, path: str) -> None:
    outside = delivery.parent / "outside"
    outside.write_bytes(b"somebody's file")
    entry = {
        "path": path.format(absolute=outside),
        "role": "frames",
        "sha256": sha256_of_file(outside),
        "num_bytes": 15,
    }
    manifest = json.loads((delivery / MANIFEST_NAME).read_text())
    manifest["files"].append(entry)
    (delivery / MANIFEST_NAME).write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match="outside its delivery"):
        read_and_verify(delivery)


@pytest.mark.parametrize("damage", ["{", '{"schema_version": 1}', ""])
def test_a_damaged_manifest_is_refused(delivery: Path, damage: str) -> None:
    (delivery / MANIFEST_NAME).write_text(damage)
    with pytest.raises(IntegrityError, match="is damaged"):
        read_and_verify(delivery)


def test_a_folder_without_a_manifest_is_no_delivery(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is not a delivery"):
        read_and_verify(tmp_path)


def test_digests_are_the_standard_ones(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192 + b"tail"
    (tmp_path / "file").write_bytes(content)
    chunks: list[int] = []
    assert sha256_of_file(tmp_path / "file", chunks.append) == hashlib.sha256(content).hexdigest()
    assert sum(chunks) == len(content) and len(chunks) == 3
    assert sha256_of_value({"a": 1, "b": [2.5, None]}) == sha256_of_value({"b": [2.5, None], "a": 1})
    assert sha256_of_value([1, 2]) != sha256_of_value([2, 1]) != sha256_of_value(["2", 1])


def run_record() -> RunRecord:
    return RunRecord(
        production="tiny",
        task="wire_removal",
        mini_model="CandidateFusion",
        created="2024-01-01T00:00:00+00:00",
        finished=True,
        seed=3,
        steps=12,
        seconds_training=1.5,
        num_parameters=7,
        takes=[RunTake(name="a", split="val", path="/a.mov", sha256="0" * 64, num_frames=24)],
        catalogue="/c",
        catalogue_sha256="1" * 64,
        config_sha256="2" * 64,
        archive_sha256="3" * 64,
        versions={"torch": "2"},
        machine="one",
        scores={"held_out/psnr_hole/trained": 31.25, "held_out/psnr_hole/telea": None},
    )


def test_a_run_record_reads_back_as_itself(tmp_path: Path) -> None:
    run_record().write(tmp_path)
    assert RunRecord.read(tmp_path) == run_record()


def test_a_run_folder_that_is_none_or_unfinished_or_damaged_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run folder"):
        RunRecord.read(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match="not a finished run"):
        RunRecord.read(tmp_path)
    run_record().write(tmp_path)
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace('"steps"', '"stepz"'))
    with pytest.raises(RunFolderError, match="not a run record"):
        RunRecord.read(tmp_path)


def test_measures_read_back_as_themselves(tmp_path: Path) -> None:
    metric = MetricInfo(name="psnr", unit="dB", direction="higher", meaning="how close")
    shot = ShotMeasures(
        name="a",
        role="held out",
        num_frames=2,
        values={"prior": {"psnr": None}},
        curves={"prior": {"psnr": [1.5, None]}},
    )
    measures = Measures(metrics=[metric], shots=[shot], notes=["psnr: nothing was judged"])
    measures.write(tmp_path / "measures.json")
    assert Measures.read(tmp_path / "measures.json") == measures
    with pytest.raises(RunFolderError, match="no measures"):
        Measures.read(tmp_path / "other.json")
    (tmp_path / "measures.json").write_text("[]")
    with pytest.raises(RunFolderError, match="not a measures file"):
        Measures.read(tmp_path / "measures.json")


def test_records_neither_change_nor_take_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        run_record().steps = 13  # type: ignore[misc]
    with pytest.raises(ValidationError, match="extra"):
        MetricInfo(name="a", unit="", direction="higher", meaning="", colour="red")  # type: ignore[call-arg]
