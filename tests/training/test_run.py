"""A run, cut short and taken up again, ends as if nobody had touched it."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from interpositive.errors import ConfigError, StorageError, TrainingError
from interpositive.functional.examples import Example
from interpositive.mini_models.archive import load_archive
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.records.held_out_course import HeldOutCourse
from interpositive.records.run_record import RunRecord
from interpositive.training import callbacks, held_out_judge
from interpositive.training.checkpoint_format import SafeCheckpointIO, newest_valid_checkpoint
from interpositive.training.fine_tuner import FineTuner
from interpositive.training.run_folder import LOGS_NAME, keep_config, refuse_strange_folder

Train = Callable[..., RunRecord]
NUM_STEPS = 12


class Cut(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float, float]]:
    """Of each step taken: its number, a sum over its batch, its learning rate."""
    seen: list[tuple[int, float, float]] = []
    original = FineTuner.training_step

    def watched(tuner: FineTuner, example: Any, batch_idx: int) -> Tensor:
        rate = tuner.trainer.optimizers[0].param_groups[0]["lr"]
        seen.append((tuner.global_step, float(example.input.double().sum()), rate))
        return original(tuner, example, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", watched)
    return seen


def cut_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original = FineTuner.training_step

    def cutting(tuner: FineTuner, example: Any, batch_idx: int) -> Tensor:
        if tuner.global_step == step:
            raise Cut
        return original(tuner, example, batch_idx)

    monkeypatch.setattr(FineTuner, "training_step", cutting)


def learned_state(folder: Path) -> dict[str, Any]:
    """All of the last checkpoint that decides how training goes on."""
    checkpoint = SafeCheckpointIO().load_checkpoint(folder / "checkpoints" / f"step={NUM_STEPS}.ckpt")
    names = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "loops")
    return {name: checkpoint[name] for name in names} | {"step": checkpoint["global_step"]}


def assert_equal(one: Any, other: Any, where: str = "") -> None:
    assert type(one) is type(other), where
    if isinstance(one, Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, f"{where}/{index}")
    else:
        assert one == other, where


def without_seconds(folder: Path) -> dict[str, Any]:
    """The course of a run, all but what a clock said."""
    course: dict[str, Any] = json.loads((folder / "held_out.json").read_text())
    for point in course["points"]:
        assert point.pop("seconds") > 0
    return course


def archive_bytes(folder: Path) -> bytes:
    return (folder / "archive" / "weights.safetensors").read_bytes()


def measured_nothing(path: Path) -> list[str]:
    """The lines of a metrics log, all but what a clock said."""
    return [line for line in path.read_text().splitlines() if ",train/wait_share," not in line]


def validated_steps(folder: Path) -> list[int]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return [int(row["step"]) for row in csv.DictReader(stream) if row["name"] == "val/loss"]


def test_a_cut_run_ends_byte_for_byte_like_a_whole_one(
    train: Train, tmp_path: Path, steps: list[tuple[int, float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    record = train(whole)
    expected = list(steps)
    assert [number for number, _, _ in expected] == list(range(NUM_STEPS))
    steps.clear()
    with monkeypatch.context() as patch:
        cut_at(7, patch)
        with pytest.raises(Cut):
            train(cut)
    assert steps == expected[:7]
    assert not (cut / "run.json").exists() and not (cut / "archive").exists()
    steps.clear()
    resumed = train(cut)
    assert steps == expected[6:], "batches and learning rates go on from the checkpoint of step 6"
    assert_equal(learned_state(whole), learned_state(cut))
    assert archive_bytes(whole) == archive_bytes(cut)
    assert (cut / "windows.csv").read_bytes() == (whole / "windows.csv").read_bytes()
    assert measured_nothing(cut / "metrics.csv") == measured_nothing(whole / "metrics.csv")
    assert resumed.scores.keys() == record.scores.keys()
    held_out = [name for name in record.scores if name.startswith("held_out/")]
    assert len(held_out) >= 5 and all(resumed.scores[name] == record.scores[name] for name in held_out)
    assert resumed.steps == record.steps == NUM_STEPS
    assert validated_steps(cut) == validated_steps(whole) == [4, 8, 12]
    assert without_seconds(whole) == without_seconds(cut) and len(HeldOutCourse.read(cut).points) == 3
    shown = sorted(path.name for path in (cut / "previews").iterdir())
    assert shown == sorted(f"step_{step:06d}.{kind}" for step in (4, 8, 12) for kind in ("png", "mp4"))
    for name in (name for name in shown if name.endswith(".png")):
        assert (cut / "previews" / name).read_bytes() == (whole / "previews" / name).read_bytes(), name

    # Killed once more, after the last step and before the record: what is archived are still the kept weights.
    # Nor is an archive trusted that a killed start left; and the seconds of all starts are counted.
    (cut / "run.json").unlink()
    (cut / "archive" / "weights.safetensors").write_bytes(b"damaged")
    steps.clear()
    again = train(cut)
    assert 0 < again.seconds_training <= resumed.seconds_training
    assert steps == []
    assert archive_bytes(cut) == archive_bytes(whole)
    assert (
        again.steps == NUM_STEPS
        and again.scores["held_out/psnr_hole/trained"] == record.scores["held_out/psnr_hole/trained"]
    )
    assert without_seconds(whole) == without_seconds(cut)


class NoisyFusion(CandidateFusion):
    """Draws from the global generator: noise beside the input, and dropout; and once from Python's and numpy's."""

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        noise = 0.05 * torch.randn(example.input.shape) * random.random() * np.random.rand()
        noisy = replace(example, input=torch.dropout(example.input.float() + noise, 0.1, self.training))
        return super().losses(noisy, generator)


def test_noise_from_the_global_generators_goes_on_where_it_was(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, make_mini_model in (("plain", CandidateFusion), ("whole", NoisyFusion)):
        train(tmp_path / name, make_mini_model=make_mini_model)
    with monkeypatch.context() as patch:
        cut_at(7, patch)
        with pytest.raises(Cut):
            train(tmp_path / "cut", make_mini_model=NoisyFusion)
    for draw in (torch.rand, np.random.rand, lambda _: random.random()):
        draw(5)
    train(tmp_path / "cut", make_mini_model=NoisyFusion)
    assert_equal(learned_state(tmp_path / "whole"), learned_state(tmp_path / "cut"))
    assert archive_bytes(tmp_path / "whole") == archive_bytes(tmp_path / "cut") != archive_bytes(tmp_path / "plain")
    assert without_seconds(tmp_path / "whole") == without_seconds(tmp_path / "cut")


def test_the_archive_holds_the_averaged_weights_of_the_kept_checkpoint(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = held_out_judge.measure_window, []

    def ever_worse(*given: Any) -> Any:
        measured = original(*given)
        calls.append(measured)
        measured.values["trained"]["psnr_hole"] -= len(calls)
        return measured

    # The first judged checkpoint is kept, and later ones are not.
    monkeypatch.setattr(held_out_judge, "measure_window", ever_worse)
    record = train(tmp_path, checkpoint_every=4)
    course = HeldOutCourse.read(tmp_path)
    scores = {point.step: point.values["trained"]["psnr_hole"] for point in course.points}
    assert scores[course.kept_step] == max(scores.values()) == record.scores["held_out/psnr_hole/trained"]
    assert record.scores["held_out/kept_step"] == course.kept_step == 4
    assert any("kept is the checkpoint of step 4" in note for note in record.notes)
    checkpoint = SafeCheckpointIO().load_checkpoint(tmp_path / "checkpoints" / "step=8.ckpt")
    kept = checkpoint["callbacks"]["HeldOutJudge"]["kept_weights"]
    archived = load_file(tmp_path / "archive" / "weights.safetensors")
    assert archived.keys() == kept.keys() and all(torch.equal(archived[name], kept[name]) for name in archived)
    assert any(not torch.equal(kept[name], checkpoint["state_dict"][f"mini_model.{name}"]) for name in kept)
    mini_model, recipe = load_archive(tmp_path / "archive")
    assert isinstance(mini_model, CandidateFusion) and recipe.production == "tiny"
    assert record.num_parameters == mini_model.num_parameters == sum(value.numel() for value in archived.values())
    assert RunRecord.read(tmp_path) == record


def test_what_is_judged_are_the_averaged_weights(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Tensor] = []
    original = held_out_judge.measure_window

    def watched(mini_model: CandidateFusion, *rest: Any) -> Any:
        assert not mini_model.training
        judged.append(mini_model.residual.last.weight.detach().clone())
        return original(mini_model, *rest)

    monkeypatch.setattr(held_out_judge, "measure_window", watched)
    train(tmp_path)
    assert len(judged) == 6, "two windows, three times"
    averaged, current = (learned_state(tmp_path)[name] for name in ("state_dict", "current_model_state"))
    name = "mini_model.residual.last.weight"
    assert torch.equal(judged[-1], averaged[name]) and not torch.equal(judged[-1], current[name])


def test_checkpoints_hold_no_pickle(train: Train, tmp_path: Path) -> None:
    train(tmp_path, max_steps=6)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    kept = [path for path in files if path.parent.suffix == ".ckpt"]
    assert {path.parent.name for path in kept} == {"step=4.ckpt", "step=6.ckpt"}
    assert {path.name for path in kept} == {"tensors.safetensors", "state.json", "record.json"}
    # A checkout with changes leaves them beside the run.
    suffixes = {path.suffix for path in files} - {".diff"}
    assert suffixes == {
        ".safetensors",
        ".json",
        ".yaml",
        ".csv",
        ".txt",
        ".png",
        ".mp4",
    }
    for path in files:
        if path.suffix == ".safetensors":
            assert load_file(path)
        elif path.suffix == ".json":
            assert json.loads(path.read_text())


@pytest.mark.parametrize(
    ("name", "part"),
    [("tensors.safetensors", "tensors.safetensors is damaged in "), ("state.json", "state.json is damaged")],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    train: Train,
    tmp_path: Path,
    steps: list[tuple[int, float, float]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    part: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        cut_at(7, patch)
        with pytest.raises(Cut):
            train(tmp_path, max_steps=9)
    damaged = tmp_path / "checkpoints" / "step=6.ckpt" / name
    content = bytearray(damaged.read_bytes())
    content[-5] ^= 1
    damaged.write_bytes(bytes(content))
    steps.clear()
    record = train(tmp_path, max_steps=9)
    assert [number for number, _, _ in steps] == [4, 5, 6, 7, 8], "step 4 was judged, and saved for that"
    assert any(f"step=6.ckpt/{part}" in note for note in record.notes)
    assert f"step=6.ckpt/{part}" in caplog.text
    found = newest_valid_checkpoint(tmp_path / "checkpoints")
    assert found.step == 9 and found.damaged == []


def test_a_run_folder_of_another_configuration_is_refused(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_at(1, patch)
        with pytest.raises(Cut):
            train(tmp_path)
    with pytest.raises(StorageError, match=r"another configuration\n.* in a: 1 → 2\n"):
        train(tmp_path, config_text="a: 2\n")
    assert (tmp_path / "config.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize("content", [b"a: [1", b"a: \xff", b"- a", b"", b"[" * 5000], ids=repr)
def test_a_configuration_that_is_damaged_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.yaml is not the configuration of a run\n"):
        keep_config(tmp_path, "a: 1\n")
    assert (tmp_path / "config.yaml").read_bytes() == content


def test_a_run_that_ended_before_it_had_a_configuration_is_no_strange_folder(tmp_path: Path) -> None:
    (tmp_path / LOGS_NAME).mkdir()
    refuse_strange_folder(tmp_path, "run_folder")
    (tmp_path / "letter.txt").touch()
    with pytest.raises(StorageError, match=r"(?s)not a run folder.*letter\.txt"):
        refuse_strange_folder(tmp_path, "run_folder")


def test_a_finished_run_is_refused_and_left_as_it_is(train: Train, tmp_path: Path) -> None:
    train(tmp_path, max_steps=3, validate_every=3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(StorageError, match="already holds a finished run"):
        train(tmp_path, max_steps=3, validate_every=3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_loss_that_is_not_finite_stops_the_run_by_name(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = CandidateFusion.losses

    def broken(model: CandidateFusion, example: Any, generator: torch.Generator) -> dict[str, Tensor]:
        losses = original(model, example, generator)
        return losses | {"gradient": losses["gradient"] * float("nan")}

    monkeypatch.setattr(CandidateFusion, "losses", broken)
    with pytest.raises(TrainingError, match=r"(?s)step 1.*gradient nan"):
        train(tmp_path)
    assert not (tmp_path / "run.json").exists()


def test_the_first_steps_see_everything_at_half_size(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    losses = CandidateFusion.losses

    def watched(self: CandidateFusion, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        if torch.is_grad_enabled():
            seen.append(example.input.shape[-1])
        return losses(self, example, generator)

    monkeypatch.setattr(CandidateFusion, "losses", watched)
    train(tmp_path, max_steps=5, half_size_share=0.5)
    assert seen == [16, 16, 16, 32, 32]


def test_a_run_shorter_than_its_warm_up_still_archives_what_it_learned(train: Train, tmp_path: Path) -> None:
    train(tmp_path, max_steps=3, warmup_steps=30, validate_every=3)
    archived = load_file(tmp_path / "archive" / "weights.safetensors")
    # The last layers start at zero, so that anything else was learned.
    assert archived["residual.last.weight"].abs().max() > 0


def test_previews_show_the_averaged_weights(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Tensor] = []
    original = callbacks.write_preview

    def watched(mini_model: CandidateFusion, *rest: Any) -> None:
        shown.append(mini_model.residual.last.weight.detach().clone())
        original(mini_model, *rest)

    monkeypatch.setattr(callbacks, "write_preview", watched)
    train(tmp_path)
    assert len(shown) == 3
    assert torch.equal(shown[-1], learned_state(tmp_path)["state_dict"]["mini_model.residual.last.weight"])
