"""Checkpoints read back as themselves, or not at all."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from blake3 import blake3
from safetensors.torch import load_file

import interpositive.training  # noqa: F401  isort: skip
from interpositive.errors import IntegrityError, StorageError
from interpositive.training import checkpoint_format
from interpositive.training.checkpoint_format import (
    RECORD_NAME,
    STATE_NAME,
    TENSORS_NAME,
    SafeCheckpointIO,
    newest_valid_checkpoint,
    read_checkpoint,
)
from interpositive.training.tensor_file import DTYPES

CHECKPOINT: dict[str, Any] = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7, dtype=torch.int64)},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.99)}],
    "plain": [1, 0.1, "text \ud800 é", None, True, -0.0, 2**70],
    "infinite": (-math.inf, math.inf),
    "none": torch.empty(0, 3),
    "mask": torch.tensor([True, False]),
    "awkward": {"$tensor": "not one", "": {}, "a/b": [[]]},
    7: "an int key stays an int",
    "global_step": 1,
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "step=1.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, folder)
    return folder


def seal(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record and give it the digest of what it says now, as a forger would."""
    path = folder / RECORD_NAME
    record = json.loads(path.read_text())
    del record["record_blake3"]
    change(record)
    text = json.dumps(record).encode()[:-1]
    path.write_bytes(text + f',"record_blake3":"{blake3(text).hexdigest()}"}}\n'.encode())


def test_a_checkpoint_reads_back_as_itself(saved: Path) -> None:
    back = read_checkpoint(saved)
    assert list(back) == list(CHECKPOINT)
    assert torch.equal(back["weights"]["a"], CHECKPOINT["weights"]["a"])
    assert back["weights"]["b"].dtype == torch.int64 and back["weights"]["b"].shape == ()
    assert back["none"].shape == (0, 3) and back["mask"].tolist() == [True, False]
    assert back["optimizer_states"][0]["betas"] == (0.9, 0.99)
    assert isinstance(back["optimizer_states"][0]["betas"], tuple)
    assert list(back["optimizer_states"][0]["state"]) == [0]
    assert repr(back["plain"]) == repr(CHECKPOINT["plain"]) and back["infinite"] == CHECKPOINT["infinite"]
    assert back["awkward"] == CHECKPOINT["awkward"]


def test_a_stranger_finds_each_tensor_under_its_place(saved: Path) -> None:
    tensors = load_file(saved / TENSORS_NAME)
    assert {"weights/a", "optimizer_states/0/state/0/step", "mask"} <= tensors.keys()
    assert torch.equal(tensors["weights/a"], CHECKPOINT["weights"]["a"])
    record = json.loads((saved / RECORD_NAME).read_text())
    assert record["step"] == 1
    for name, value in tensors.items():
        content = value.reshape(-1).view(torch.uint8).numpy().tobytes()
        assert record["tensors"][name]["blake3"] == blake3(content).hexdigest(), name


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_every_dtype_survives_and_the_library_agrees(tmp_path: Path, dtype: torch.dtype) -> None:
    value = torch.arange(6).reshape(2, 3).to(dtype)
    SafeCheckpointIO().save_checkpoint({"a": value, "odd": torch.ones(3, dtype=torch.uint8)}, tmp_path / "c")
    for back in (read_checkpoint(tmp_path / "c")["a"], load_file(tmp_path / "c" / TENSORS_NAME)["a"]):
        assert back.dtype == dtype and back.view(torch.uint8).equal(value.view(torch.uint8))


def test_tensors_that_share_memory_come_back_whole(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    SafeCheckpointIO().save_checkpoint({"all": base, "every_other": base[::2], "again": base}, tmp_path / "c")
    back = read_checkpoint(tmp_path / "c")
    assert back["every_other"].tolist() == [0, 2, 4, 6, 8] and torch.equal(back["again"], base)


@pytest.mark.parametrize(
    "value",
    [
        Path("/"),
        numpy.float64(1),
        torch.Size([1]),
        {(1, 2): 3},
        torch.ones(2).to_sparse(),
        torch.empty(2, device="meta"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_back_is_refused_by_place_and_nothing_is_left(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match="outer/0"):
        SafeCheckpointIO().save_checkpoint({"outer": [value]}, tmp_path / "step=1.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_a_state_too_large_to_be_read_is_refused_when_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_format, "MAX_JSON_BYTES", 100)
    with pytest.raises(StorageError, match=r"state\.json"):
        SafeCheckpointIO().save_checkpoint({"text": "x" * 100}, tmp_path / "step=1.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_every_flipped_bit_is_refused_where_it_is(saved: Path) -> None:
    """A twentieth of the bits of a small checkpoint."""
    record = json.loads((saved / RECORD_NAME).read_text())
    header = 8 + int.from_bytes((saved / TENSORS_NAME).read_bytes()[:8], "little")
    starts = [place["data_offsets"] for place in json.loads((saved / TENSORS_NAME).read_bytes()[8:header]).values()]
    chance = random.Random(1)
    for name in (RECORD_NAME, STATE_NAME, TENSORS_NAME):
        content = (saved / name).read_bytes()
        for bit in range(8 * len(content)):
            if chance.random() > 0.05:
                continue
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            (saved / name).write_bytes(flipped)
            expected = f"{name} is damaged"
            if name == TENSORS_NAME:
                inside = [
                    place for place, (a, b) in zip(record["tensors"], starts, strict=True) if a <= bit // 8 - header < b
                ]
                expected += f" in {inside[0]}" if inside else " in its header"
            with pytest.raises(IntegrityError) as refusal:
                read_checkpoint(saved)
            assert refusal.value.what == f"{saved}/{expected}", (name, bit)
        (saved / name).write_bytes(content)
    assert read_checkpoint(saved)[7] == CHECKPOINT[7]


@pytest.mark.parametrize("name", [RECORD_NAME, STATE_NAME, TENSORS_NAME])
def test_files_that_are_cut_missing_added_or_not_files_are_refused(saved: Path, name: str) -> None:
    path = saved / name
    content = path.read_bytes()
    for wrong in (b"", content[:-1], content[: len(content) // 2], content + b"\0", content + content):
        path.write_bytes(wrong)
        with pytest.raises(IntegrityError, match=name):
            read_checkpoint(saved)
    elsewhere = saved.parent / "elsewhere"
    elsewhere.write_bytes(content)
    for make in (lambda: path.symlink_to(elsewhere), lambda: os.mkfifo(path), path.mkdir):
        path.unlink()
        make()
        with pytest.raises(IntegrityError, match=name):
            read_checkpoint(saved)
        if path.is_dir():
            path.rmdir()
            with pytest.raises(IntegrityError, match="not a whole checkpoint"):
                read_checkpoint(saved)
            path.write_bytes(content)
    (saved / "more").touch()
    with pytest.raises(IntegrityError, match="not a whole checkpoint"):
        read_checkpoint(saved)


def test_forged_lengths_and_overlaps_are_refused_by_their_sizes(saved: Path) -> None:
    """A record that agrees with itself is still not believed about the files."""
    path = saved / TENSORS_NAME
    content = path.read_bytes()
    for length in (2**63 - 1, 2**40, len(content), 0):
        path.write_bytes(length.to_bytes(8, "little") + content[8:])
        with pytest.raises(IntegrityError, match="damaged in its header"):
            read_checkpoint(saved)
    size = int.from_bytes(content[:8], "little")
    places = json.loads(content[8 : 8 + size])
    places["weights/a"]["data_offsets"] = [0, 24]
    text = json.dumps(places, separators=(",", ":")).encode().ljust(size)
    path.write_bytes(content[:8] + text + content[8 + size :])
    with pytest.raises(IntegrityError, match="damaged in its header"):
        read_checkpoint(saved)
    path.write_bytes(content)

    def forge(**changes: Any) -> None:
        seal(saved, lambda record: record["tensors"]["weights/a"].update(changes))

    forge()
    assert read_checkpoint(saved)
    for changes in ({"shape": [2**40, 2**20]}, {"shape": [-2, -3]}, {"dtype": "F31"}, {"shape": [3, 2]}, {"more": 1}):
        forge(**changes)
        with pytest.raises(IntegrityError):
            read_checkpoint(saved)
        shutil.rmtree(saved)
        SafeCheckpointIO().save_checkpoint(CHECKPOINT, saved)
    deep = b"[" * 200_000
    (saved / STATE_NAME).write_bytes(deep)
    seal(saved, lambda record: record.update(state_bytes=len(deep), state_blake3=blake3(deep).hexdigest()))
    with pytest.raises(IntegrityError, match="RecursionError"):
        read_checkpoint(saved)


def test_the_newest_whole_checkpoint_is_found_by_number(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        SafeCheckpointIO().save_checkpoint({"global_step": step}, tmp_path / f"step={step}.ckpt")
    (tmp_path / "step=100.ckpt" / TENSORS_NAME).unlink()
    shutil.copytree(tmp_path / "step=9.ckpt", tmp_path / "step=11.ckpt")
    (tmp_path / "step=twelve.ckpt").mkdir()
    found = newest_valid_checkpoint(tmp_path)
    assert found.step == 10 and found.path == tmp_path / "step=10.ckpt" and found.checkpoint == {"global_step": 10}
    assert len(found.damaged) == 2 and "step=100.ckpt" in found.damaged[0] and "step=11.ckpt" in found.damaged[1]
    assert newest_valid_checkpoint(tmp_path / "nowhere").path is None
