"""Checkpoints read back as themselves, or not at all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

import interpositive.training  # noqa: F401  isort: skip
from interpositive.errors import IntegrityError
from interpositive.training.checkpoint_format import SafeCheckpointIO, newest_valid_checkpoint

CHECKPOINT: dict[str, Any] = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7, dtype=torch.int64)},
    "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.99)}],
    "plain": [1, 0.1, "text", None, True, -math.inf],
    "half": torch.ones(2, dtype=torch.bfloat16),
    7: "an int key stays an int",
}


def test_a_checkpoint_reads_back_as_itself(tmp_path: Path) -> None:
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, tmp_path / "step=1.ckpt")
    back = SafeCheckpointIO().load_checkpoint(tmp_path / "step=1.ckpt")
    assert back.keys() == CHECKPOINT.keys()
    assert torch.equal(back["weights"]["a"], CHECKPOINT["weights"]["a"])
    assert back["weights"]["b"].dtype == torch.int64
    assert back["optimizer_states"][0]["betas"] == (0.9, 0.99)
    assert isinstance(back["optimizer_states"][0]["betas"], tuple)
    assert list(back["optimizer_states"][0]["state"]) == [0]
    assert back["plain"] == CHECKPOINT["plain"] and back["half"].dtype == torch.bfloat16


def test_tensors_that_share_memory_come_back_whole(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    SafeCheckpointIO().save_checkpoint({"all": base, "every_other": base[::2]}, tmp_path / "step=1.ckpt")
    back = SafeCheckpointIO().load_checkpoint(tmp_path / "step=1.ckpt")
    assert back["every_other"].tolist() == [0, 2, 4, 6, 8]


def test_what_could_not_be_read_back_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Path"):
        SafeCheckpointIO().save_checkpoint({"path": Path("/")}, tmp_path / "step=1.ckpt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_every_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "step=1.ckpt"
    SafeCheckpointIO().save_checkpoint(CHECKPOINT, folder)
    content = (folder / name).read_bytes()
    same = 0
    for place in range(0, len(content), max(1, len(content) // 60)):
        for bit in (1, 128):
            flipped = bytearray(content)
            flipped[place] ^= bit
            (folder / name).write_bytes(bytes(flipped))
            with pytest.raises(IntegrityError, match=r"step=1\.ckpt"):
                SafeCheckpointIO().load_checkpoint(folder)
            same += 1
    (folder / name).write_bytes(content)
    assert same > 60 and SafeCheckpointIO().load_checkpoint(folder)[7] == CHECKPOINT[7]


def test_the_newest_whole_checkpoint_is_found_by_number(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        SafeCheckpointIO().save_checkpoint({"step": step}, tmp_path / f"step={step}.ckpt")
    (tmp_path / "step=100.ckpt" / "tensors.safetensors").unlink()
    newest, damaged = newest_valid_checkpoint(tmp_path)
    assert newest is not None and newest.name == "step=10.ckpt"
    assert len(damaged) == 1 and "step=100.ckpt" in damaged[0]
    assert newest_valid_checkpoint(tmp_path / "nowhere") == (None, [])
