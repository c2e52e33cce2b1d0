"""What surrounds a run is measured and kept, and nothing that is nobody's business is."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from interpositive.errors import IntegrityError
from interpositive.records.digests import sha256_of_file
from interpositive.records.provenance import Starts, read_environment
from interpositive.records.run_record import RunRecord, refuse_tampered
from interpositive.training import surroundings
from interpositive.training.surroundings import begin, measure_provenance

Train = Callable[..., RunRecord]


def test_a_run_tells_what_it_was_made_of(train: Train, tmp_path: Path) -> None:
    record = train(tmp_path, max_steps=3, validate_every=3)
    (start,) = record.starts
    assert start == measure_provenance()
    assert read_environment((tmp_path / "environment.txt").read_text())["torch"] == torch.__version__
    assert start.environment.distributions_sha256 == sha256_of_file(tmp_path / "environment.txt")
    assert start.machine.threads == torch.get_num_threads()
    assert {"config.yaml", "metrics.csv", "held_out.json", "environment.txt", "provenance.json"} <= set(record.files)
    assert record.prepared["train"].num_windows == 3 and len(record.prepared["train"].sha256) == 64
    assert record.prepared["train"].store.startswith("train_")
    refuse_tampered(tmp_path)


@pytest.mark.parametrize("name", ["run.json", "metrics.csv", "held_out.json", "environment.txt", "config.yaml"])
def test_a_paper_that_was_changed_is_named(train: Train, tmp_path: Path, name: str) -> None:
    train(tmp_path, max_steps=3, validate_every=3)
    path = tmp_path / name
    text = path.read_text()
    path.write_text(text.replace('"seed": 0', '"seed": 1') if name == "run.json" else f"{text} ")
    assert path.read_text() != text
    with pytest.raises(IntegrityError, match=name):
        refuse_tampered(tmp_path)


def test_no_host_user_home_or_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in surroundings._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_API_KEY", "planted-secret")
    monkeypatch.setenv("MKL_CBWR", "/home/someone/secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    text = begin(tmp_path).model_dump_json() + (tmp_path / "environment.txt").read_text()
    for word in ("planted-secret", "/home/", str(Path.home()), platform.node()):
        assert word not in text
    assert getpass.getuser() == "root" or getpass.getuser() not in text
    assert json.loads((tmp_path / "provenance.json").read_text())["starts"][0]["environment"]["variables"] == {
        "OMP_NUM_THREADS": "1",
        "MKL_CBWR": "set, but to nothing that is known",
    }


def test_a_run_gone_on_with_under_something_else_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MKL_CBWR", raising=False)
    assert begin(tmp_path).notes() == [] and len(begin(tmp_path).starts) == 1
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    (note,) = begin(tmp_path).notes()
    assert note == "gone on with under something else: MKL_CBWR none, then AVX2"
    monkeypatch.delenv("MKL_CBWR")
    assert len(begin(tmp_path).starts) == 3 and Starts.read(tmp_path).notes() == [note]
