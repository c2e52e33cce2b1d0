"""Every pretrained backbone that can be chosen, found by its YAML, keeps what a mini-model promises to training."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from productions import TinyProduction
from safetensors.torch import load_file
from tiny_backbones import BACKBONES, MINI_MODELS
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.archive import load_archive
from interpositive.mini_models.pretrained_fill import PretrainedFill
from interpositive.training.fine_tuner import FineTuner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))

from tiny_training import train_tiny

EACH = pytest.mark.parametrize("name", BACKBONES)
SMALL: dict[str, Any] = {
    "precision": "float32",
    "num_steps": 1,
    "rank": 4,
    "gradient_checkpointing": False,
    "window_frames": 9,
    "window_latents": 8,
    "shared_latents": 1,
    "reach_frames": 1,
}
Arguments = Callable[..., dict[str, Any]]


@pytest.fixture
def arguments(tiny_folders: dict[str, Path]) -> Arguments:
    """What a backbone's YAML gives its mini-model, made small, with tiny weights."""

    def given(name: str, **changes: Any) -> dict[str, Any]:
        return {**MINI_MODELS[name], "weights": str(tiny_folders[name]), **SMALL, **changes}

    return given


def settled(folder: Path, **given: Any) -> PretrainedFill:
    torch.manual_seed(0)
    model = PretrainedFill(**given)
    model.settle_in(folder)
    return model


def batch_for(model: PretrainedFill, num: int) -> Example:
    """Prepared windows of random frames."""
    generator = torch.Generator().manual_seed(0)
    prepared = []
    for number in range(num):
        clean = torch.rand(9, 3, 32, 32, generator=generator)
        mask = torch.zeros(9, 1, 32, 32)
        mask[..., 8:16, 8:24] = 1
        example = Example(torch.where(mask > 0, 0.1, clean), mask, clean, {"judged": mask})
        prepared += model.prepare(example, generator_from("prepare", number))
    told = {name: torch.stack([one.condition[name] for one in prepared]) for name in prepared[0].condition}
    inputs, masks = (torch.stack([getattr(one, name) for one in prepared]) for name in ("input", "mask"))
    return Example(inputs, masks, None, told, torch.arange(num))


def part_of(batch: Example, part: slice) -> Example:
    assert batch.numbers is not None
    told = {name: value[part] for name, value in batch.condition.items()}
    return Example(batch.input[part], batch.mask[part], None, told, batch.numbers[part])


def waken(model: PretrainedFill) -> None:
    """An adapter that does something: LoRA begins with none."""
    generator = torch.Generator().manual_seed(5)
    for value in model.parameters():
        if value.requires_grad:
            value.data.add_(0.05 * torch.randn(value.shape, generator=generator))


def loss_and_gradients(model: PretrainedFill, batch: Example) -> tuple[Tensor, Tensor]:
    model.zero_grad()
    total = torch.stack(list(model.losses(batch, generator_from("step")).values())).sum()
    total.backward()
    assert all(value.grad is None for value in model.parameters() if not value.requires_grad)
    found = [value.grad.flatten() for value in model.parameters() if value.grad is not None]
    # Each step asks every expert: none of several processes waits for a gradient that never comes.
    assert len(found) == sum(value.requires_grad for value in model.parameters())
    for network in model.backbone.networks.values():
        assert sum(float(value.grad.abs().sum()) for value in network.parameters() if value.requires_grad) > 0
    return total.detach(), torch.cat(found)


def apart(found: Tensor, expected: Tensor) -> float:
    """Their distance, beside the length of what is expected."""
    return float((found.float() - expected).norm() / expected.norm())


@EACH
def test_parts_of_a_batch_average_to_the_whole(name: str, arguments: Arguments, tmp_path: Path) -> None:
    model = settled(tmp_path, **arguments(name))
    waken(model)
    batch = batch_for(model, 4)
    loss, gradients = loss_and_gradients(model, batch)
    halves = [loss_and_gradients(model, part_of(batch, part)) for part in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(loss, (halves[0][0] + halves[1][0]) / 2, rtol=1e-5, atol=1e-7)
    assert apart((halves[0][1] + halves[1][1]) / 2, gradients) < 1e-4


@EACH
def test_activations_kept_or_made_again_are_the_same_and_16_bits_are_near(
    name: str, arguments: Arguments, tmp_path: Path
) -> None:
    plain = settled(tmp_path, **arguments(name)).train()
    waken(plain)
    batch = batch_for(plain, 2)
    loss, gradients = loss_and_gradients(plain, batch)
    for changes, tolerance in (({"gradient_checkpointing": True}, 1e-5), ({"precision": "bfloat16"}, 0.1)):
        other = settled(tmp_path, **arguments(name, **changes)).train()
        other.load_state_dict(plain.state_dict())
        other_loss, other_gradients = loss_and_gradients(other, batch)
        torch.testing.assert_close(other_loss, loss, rtol=tolerance, atol=0)
        assert apart(other_gradients, gradients) < 2 * tolerance, changes


class Cut(Exception):
    """Stands for whatever ends a process."""


@EACH
def test_a_cut_run_ends_byte_for_byte_like_a_whole_one_and_its_archive_restores(
    name: str,
    arguments: Arguments,
    tiny_production: TinyProduction,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(**given: Any) -> PretrainedFill:
        return settled(tmp_path / "production", **given)

    def train(folder: Path) -> None:
        train_tiny(
            tiny_production,
            tmp_path / "prepared",
            folder,
            make_mini_model=make,
            arguments=arguments(name),
            batch_size=2,
            max_steps=3,
            validate_every=3,
            checkpoint_every=1,
            judge_every=3,
            held_out_windows=1,
            held_out_frames=1,
        )

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole)
    original = FineTuner.training_step

    def cut_short(tuner: FineTuner, example: Example, batch_idx: int) -> Tensor:
        if tuner.global_step == 2:
            raise Cut
        return original(tuner, example, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuner, "training_step", cut_short)
        with pytest.raises(Cut):
            train(cut)
    train(cut)
    names = ["archive/weights.safetensors", "windows.csv", "checkpoints/step=3.ckpt/tensors.safetensors"]
    for file in names:
        assert (cut / file).read_bytes() == (whole / file).read_bytes(), file
    restored, _ = load_archive(whole / "archive")
    state = load_file(whole / "archive" / "weights.safetensors")
    assert all(torch.equal(value, state[key]) for key, value in restored.state_dict().items())
