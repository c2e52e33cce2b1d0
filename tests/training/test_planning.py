"""A plan of a run tells from shapes alone what a step takes: as much as real steps take, and for networks not here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from interpositive.backbones.pretrained.weights_folder import outlines_suffice
from interpositive.dailies.prepared_windows import window_content
from interpositive.errors import MissingWeightsError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.candidate_fusion import CandidateFusion
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.pretrained_fill import PretrainedFill
from interpositive.records.device_kind import DeviceKind
from interpositive.review.plan_table import plan_table
from interpositive.training.planning import is_outline, num_bytes, plan_training
from interpositive.training.settings import TrainSettings
from interpositive.training.shadow_step import batch_of, shadow_of, take_shadow_step
from interpositive.training.trying_steps import activation_bytes

DEVICE = DeviceKind(
    num_devices=1,
    memory_gb=1.0,
    bfloat16_tflops=100.0,
    float32_tflops=10.0,
    memory_gb_per_second=1000.0,
    link_gb_per_second=10.0,
    utilisation=0.5,
    launch_microseconds=0.0,
    price_per_hour=2.0,
)
SETTINGS = TrainSettings(max_steps=3600)


@pytest.fixture
def wan(tiny_folders: dict[str, Path], tmp_path: Path) -> PretrainedFill:
    model = PretrainedFill(family="wan_vace", weights=str(tiny_folders["wan_vace"]), precision="float32", rank=4)
    model.settle_in(tmp_path / "production")
    return model


def bank_example(side: int = 32, views: int = 5) -> Example:
    draw = generator_from("planning", side)
    condition = {
        "candidates": torch.rand(views, 3, side, side, generator=draw).half(),
        "valid": torch.ones(views, 1, side, side, dtype=torch.bool),
        "error": torch.rand(views, 1, side, side, generator=draw).half(),
        "kinds": torch.zeros(views, dtype=torch.int64),
        "distances": torch.zeros(views),
        "judged": torch.ones(1, 1, side, side),
    }
    picture = torch.rand(1, 3, side, side, generator=draw)
    condition |= {"plate": picture[0].half(), "thin": torch.ones(1, side, side)}
    return Example(picture.half(), torch.ones(1, 1, side, side), picture.half(), condition)


def real(example: Example) -> Example:
    """A batch of one."""
    target = None if example.target is None else example.target[None]
    return Example(
        example.input[None],
        example.mask[None],
        target,
        {name: value[None] for name, value in example.condition.items()},
    )


def values_of(outline: Example) -> Example:
    condition = {name: torch.rand(value.shape) for name, value in outline.condition.items()}
    return Example(torch.randn(outline.input.shape), torch.rand(outline.mask.shape), condition=condition)


def allocated(work: Callable[[], Any]) -> int:
    """The most bytes that lived at once of those allocated meanwhile, as torch's own profiler saw them."""
    work()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    assert seen.profiler is not None
    events: Any = seen.profiler.kineto_results.events()
    living = peak = 0
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        living += event.nbytes()
        peak = max(peak, living)
    return peak


def learn(model: MiniModel, batch: Example) -> None:
    model.train().zero_grad(set_to_none=True)
    torch.stack(list(model.losses(batch, generator_from("planning")).values())).sum().backward()


def test_a_step_without_values_takes_what_a_real_one_takes() -> None:
    torch.manual_seed(0)
    # Of a size at which convolutions take no room of their own.
    model = CandidateFusion()
    batch = real(bank_example(64))
    planned = take_shadow_step(shadow_of(model), batch)
    found = allocated(lambda: learn(model, batch))
    assert planned.peak_bytes == pytest.approx(found, rel=0.1)
    # Another account of the same: what the forward pass keeps for the backward one.
    kept = activation_bytes(model, batch, 0, "32-true")
    assert 0.5 * kept < planned.peak_bytes < 2.5 * kept
    assert not any(value.is_meta for value in model.parameters())


@pytest.mark.parametrize("anew", [False, True])
def test_a_pretrained_network_is_planned_as_it_learns(wan: PretrainedFill, anew: bool) -> None:
    wan.compute_anew(anew)
    outline = wan.outline(17, 64, 96)
    assert outline is not None
    batch = real(values_of(outline))
    shadow = shadow_of(wan)
    planned = take_shadow_step(shadow, batch_of(outline, 1))
    # Attention's own room, which no tensor of the graph is, is a tenth of so little.
    assert planned.peak_bytes == pytest.approx(allocated(lambda: learn(wan, batch)), rel=0.15)
    # Twins share what does not learn, but not with one that has no values.
    assert not any(value.is_meta for value in wan.parameters()) and all(value.is_meta for value in shadow.parameters())


def test_anew_takes_less_memory_and_more_arithmetic(wan: PretrainedFill) -> None:
    outline = wan.outline(9, 64, 64)
    assert outline is not None
    steps = []
    for anew in (False, True):
        shadow = shadow_of(wan)
        shadow.compute_anew(anew)
        steps.append(take_shadow_step(shadow, batch_of(outline, 1)))
    kept, again = steps
    assert again.peak_bytes < 0.7 * kept.peak_bytes and kept.flops < again.flops < 1.5 * kept.flops
    assert kept.seconds(DEVICE) < again.seconds(DEVICE)


def test_windows_of_latents_are_told_to_the_byte(wan: PretrainedFill) -> None:
    frames, mask = torch.rand(9, 3, 48, 64), torch.zeros(9, 1, 48, 64)
    mask[..., 16:32, 16:32] = 1.0
    prepared = wan.prepare(Example(frames, mask, frames), generator_from("planning"))
    outline = wan.outline(9, 48, 64)
    assert outline is not None
    assert len(window_content([values_of(outline)])) == len(window_content(prepared))


def test_a_folder_of_configurations_is_enough_to_plan(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    for part, name in (("transformer", "config"), ("vae", "config"), ("scheduler", "scheduler_config")):
        (tmp_path / part).mkdir()
        settings = json.loads((tiny_folders["wan_vace"] / part / f"{name}.json").read_text())
        # As wide as the published one of 14 billion, and a fifth as deep.
        large = {"num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "num_layers": 8}
        more = (
            large | {"text_dim": 4096, "vace_layers": [0, 4], "rope_max_seq_len": 1024} if part == "transformer" else {}
        )
        (tmp_path / part / f"{name}.json").write_text(json.dumps(settings | more))
    given: dict[str, Any] = {"family": "wan_vace", "weights": str(tmp_path), "rank": 16}
    with pytest.raises(MissingWeightsError, match="not on this machine"):
        PretrainedFill(**given)
    with outlines_suffice():
        model = PretrainedFill(**given)
    assert is_outline(model) and 3e9 < sum(value.numel() for value in model.parameters()) < 4e9
    outline = model.outline(49, 480, 832)
    assert outline is not None and outline.input.shape == (13, 16, 60, 104)
    kinds = {
        "small": DEVICE.model_copy(update={"memory_gb": 16.0}),
        "large": DEVICE.model_copy(update={"memory_gb": 24.0}),
        "many": DEVICE.model_copy(update={"memory_gb": 16.0, "num_devices": 8}),
    }
    small, large, many = plan_training(model, outline, 1, SETTINGS, kinds).runs
    assert not small.fits and large.fits and large.anew and many.fits
    assert (many.sharing, many.anew, many.batch_size) == ("fsdp2", True, 8)
    assert many.memory.weights < 0.6 * large.memory.weights
    assert large.anew_activations is not None and large.anew_activations < 0.2 * large.kept_activations


def test_a_table_says_what_to_type_and_what_it_costs() -> None:
    torch.manual_seed(0)
    model, example = CandidateFusion(scorer_width=8, residual_widths=[8, 8, 8]), bank_example()
    kinds = {
        "one": DEVICE,
        "eight": DEVICE.model_copy(update={"num_devices": 8, "price_per_hour": None}),
        "tiny": DEVICE.model_copy(update={"memory_gb": 1e-4}),
    }
    plan = plan_training(model, example, 8, SETTINGS, kinds, prepared_bytes=123_456)
    one, eight, tiny = plan.runs
    assert plan.num_trainable == model.num_parameters and plan.num_frozen == 0
    assert one.hours == pytest.approx(one.step_seconds) and one.cost == pytest.approx(2.0 * one.hours)
    assert eight.cost is None and eight.batch_size == 8 and eight.step_seconds < one.step_seconds and not tiny.fits
    assert one.memory.weights == num_bytes(model) and one.memory.optimizer == 2 * one.memory.gradients
    table = plan_table(plan)
    assert "123 kB" in table and "compute=one_node compute.devices=8 compute.strategy=ddp dailies.batch_size=8" in table
    assert "tiny: " in table and "are wanted" in table
