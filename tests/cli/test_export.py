"""``interpositive export``: from a trained run to files that other programs take, in one command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from productions import PRODUCTION_YAML, SMALL_TRAINING, TinyProduction

from interpositive.records.export_manifest import EXPORT_MANIFEST_NAME, ExportManifest
from interpositive.records.run_record import RunRecord

Command = Callable[..., Any]


@pytest.fixture
def run_folder(command: Command, tiny_production: TinyProduction, tmp_path: Path) -> Path:
    conf = tmp_path / "conf" / "production"
    conf.mkdir(parents=True)
    (conf / "tiny.yaml").write_text(PRODUCTION_YAML.format(folder=tiny_production.folder))
    folder = tmp_path / "run"
    trained = command(
        *("train", "--config-dir", str(conf.parent), "production=tiny", *SMALL_TRAINING, "mini_model.crop_px=32"),
        *("metric=[psnr]", "wandb=disabled", "progress=false", f"run_folder={folder}"),
    )
    assert trained.code == 0, trained.err
    return folder


def test_a_run_is_exported_or_the_command_says_why_not(command: Command, run_folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    asked = ("export", f"run={run_folder}", f"to={to}")
    ended = command(*asked, "form=torchscript", "plate_height=64")
    assert ended.code == 0, ended.err
    assert "node.pt" in ended.out and "3 trials, at most " in ended.out and f"exported to: {to}" in ended.out
    record = RunRecord.read(run_folder)
    manifest = ExportManifest.model_validate_json((to / EXPORT_MANIFEST_NAME).read_text())
    assert manifest.archive_sha256 == record.archive_sha256 and manifest.production == "tiny"
    assert manifest.training_takes == [take.name for take in record.takes if take.split == "train"]
    for key, code, said in (
        ("form=torchscript", 5, "already exists"),
        ("form=tensorflow", 2, "'torchscript', 'onnx' or 'lora'"),
    ):
        refused = command(*asked, key)
        assert refused.code == code and said in refused.err, refused.err
    refused = command("export", f"run={run_folder}", f"to={tmp_path / 'lora'}", "form=lora")
    assert refused.code == 2 and "no adapter" in refused.err and not (tmp_path / "lora").exists()
