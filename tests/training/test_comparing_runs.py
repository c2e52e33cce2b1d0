"""Two runs are told apart by their weights, and by the first thing in which their logs part."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import save_file

from interpositive.training.comparing_runs import compare_weights, first_other_step


def test_weights_are_compared_tensor_by_tensor_and_as_a_whole(tmp_path: Path) -> None:
    one = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([[1e-9]]), "c": torch.ones(3)}
    other = {**one, "a": torch.tensor([3.0, 4.5]), "b": torch.tensor([[-1e-9]])}
    paths = [tmp_path / "one.safetensors", tmp_path / "other.safetensors"]
    save_file(one, paths[0])
    save_file(other, paths[1])
    found, num_tensors, distance = compare_weights(*paths)
    assert num_tensors == 3 and [(tensor.name, round(tensor.relative or 0, 6)) for tensor in found] == [
        ("b", 2.0),
        ("a", 0.125),
    ]
    assert found[1].largest == 0.5
    # A weight of no weight may be anywhere: it is named, and hardly counts.
    assert math.isclose(distance, 0.5 / math.sqrt(9 + 16 + 3), rel_tol=1e-6)
    assert compare_weights(paths[0], paths[0]) == ([], 3, 0.0)


def test_weights_of_another_shape_or_that_are_no_numbers_are_infinitely_far(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in ("one", "shape", "gone", "nan")]
    for path, value in zip(paths, ([1.0, 2.0], [[1.0, 2.0]], None, [math.nan, 2.0]), strict=True):
        save_file({"z": torch.zeros(1)} | ({} if value is None else {"a": torch.tensor(value)}), path)
    for path in paths[1:]:
        (found,), _, distance = compare_weights(paths[0], path)
        assert found.name == "a" and found.relative is None and distance == math.inf


def test_the_first_logged_step_with_another_loss(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("step,name,value\n25,train/loss,0.5\n30,val/loss,0.7\n50,train/loss,0.25\n75,train/loss,0.125\n")
    other.write_text(
        "step,name,value\n25,train/loss,0.5\n30,val/loss,0.8\n50,train/loss,0.25000001\n75,train/loss,0.2\n"
    )
    assert first_other_step(one, other) == (50, "0.25", "0.25000001")
    assert first_other_step(one, one) is None
    other.write_text("step,name,value\n25,train/loss,0.5\n")
    assert first_other_step(one, other) == (50, "0.25", "none")
