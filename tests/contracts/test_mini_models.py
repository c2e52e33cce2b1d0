"""What every mini-model promises, whatever network it is made of; a new one's YAML is found and tried here."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from productions import panning_shot

from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.mini_models.archive import load_archive, save_archive
from interpositive.mini_models.contract import MiniModel

sys.path.insert(0, str(Path(__file__).resolve().parent))

from configured import arguments_of, parameters_of, target_of, yamls_of

pytestmark = pytest.mark.parametrize("path", yamls_of("mini_model"), ids=lambda path: path.stem)

NUM_FRAMES = 6
# Names that several mini-models may share, brought down to what a test can wait for.
SMALLER: dict[str, Any] = {
    "flow_offsets": [1, 2],
    "camera_offsets": [2],
    "scorer_width": 4,
    "residual_widths": [4, 4, 4],
    "crop_px": 32,
    "crops_per_frame": 2,
    "frames_per_window": 2,
    "candidates_per_step": 4,
    "num_steps": 2,
    "rank": 4,
    "precision": "float32",
    "window_frames": 5,
    "video_widths": [8, 8, 8],
    "widths": [4, 4, 4],
    "film_px": 32,
    "film_frames": 3,
}


@pytest.fixture
def arguments(path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of a YAML, brought down; weights that somebody else trained are tiny random ones."""
    given = arguments_of(path)
    smaller = SMALLER | (
        {"weights": str(request.getfixturevalue("tiny_folders")[given["family"]])} if "weights" in given else {}
    )
    return {name: smaller.get(name, value) for name, value in given.items()}


@pytest.fixture
def build(path: Path, arguments: dict[str, Any], tmp_path: Path) -> Callable[[], Any]:
    def building() -> Any:
        torch.manual_seed(0)
        model = target_of(path)(**arguments)
        model.settle_in(tmp_path / "production")
        return model

    return building


Window = Callable[..., Example]


@pytest.fixture
def window(path: Path) -> Window:
    """Makes a window that lacks what the mini-model supplies, on frames 2 and 3 of 6 at least."""
    supplies = target_of(path).supplies

    def making(seed: int = 4) -> Example:
        # Whole-pixel pans are too easy to make up.
        speed = (6.5, 1.5) if "frames" in supplies else (1.0, 0.0)
        clean = torch.from_numpy(panning_shot(seed, NUM_FRAMES, speed_px=speed).transpose(0, 3, 1, 2).copy())
        mask = torch.zeros(NUM_FRAMES, 1, 64, 96)
        if "frames" in supplies:
            mask[2:4] = 1
        elif "borders" in supplies:
            mask[..., :16] = 1
        else:
            mask[..., 40:44] = 1
        # A look to match, for those that match one.
        reference = clean[None, ::2].expand(NUM_FRAMES, *clean[::2].shape)
        condition = {"judged": mask.clone(), "reference": reference}
        return Example(torch.where(mask > 0, 0.1, clean), mask, clean, condition)

    return making


def batch(model: MiniModel, window: Window) -> Example:
    windows = (window(), window(seed=5))
    prepared = [example for each in windows for example in model.prepare(each, generator_from("prepare"))]
    assert prepared
    return Example(
        torch.stack([e.input for e in prepared]),
        torch.stack([e.mask for e in prepared]),
        None if prepared[0].target is None else torch.stack([e.target for e in prepared if e.target is not None]),
        {name: torch.stack([e.condition[name] for e in prepared]) for name in prepared[0].condition},
    )


def test_the_yaml_names_a_mini_model_and_lists_every_argument_at_its_default(path: Path) -> None:
    kind = target_of(path)
    assert issubclass(kind, MiniModel)
    assert set(arguments_of(path)) == parameters_of(kind)
    for name, parameter in inspect.signature(kind).parameters.items():
        given = arguments_of(path)[name]
        assert parameter.default == (tuple(given) if isinstance(given, list) else given), name


def test_it_says_how_it_restores(build: Callable[[], Any]) -> None:
    model = build()
    assert model.trained_method in model.methods and len(set(model.methods)) == len(model.methods)
    assert model.reach_frames >= 0 and model.num_parameters > 0


def test_what_is_not_masked_comes_back_exactly_by_every_method(build: Callable[[], Any], window: Window) -> None:
    example, keep = window(), range(1, 4)
    restored = build().eval().restore(example, keep)
    assert set(restored) == set(build().methods)
    outside = (example.mask[1:4] == 0).expand(3, 3, 64, 96)
    for name, result in restored.items():
        assert result.frames.shape == (3, 3, 64, 96) and result.confidence.shape == (3, 1, 64, 96)
        assert torch.equal(result.frames[outside], example.input[1:4][outside]), name
        assert result.frames.isfinite().all() and result.frames.min() >= 0 and result.frames.max() <= 1
        assert result.confidence.min() >= 0 and result.confidence.max() <= 1


def test_what_is_masked_is_never_seen(build: Callable[[], Any], window: Window) -> None:
    model, example = build().eval(), window()
    if not model.hides_masked:
        pytest.skip("corrects what is under the mask, and must see it")
    other = Example(torch.where(example.mask > 0, 0.95, example.input), example.mask)
    one, two = (model.restore(e, range(2, 4)) for e in (example, other))
    for name in model.methods:
        assert torch.equal(one[name].frames, two[name].frames), name


def test_a_plate_without_a_mask_comes_back_as_it_is(build: Callable[[], Any], window: Window) -> None:
    example = window()
    nothing = Example(example.input, torch.zeros_like(example.mask))
    for result in build().eval().restore(nothing, range(NUM_FRAMES)).values():
        assert torch.equal(result.frames, example.input)


def test_restoring_repeats_itself_and_needs_no_target(build: Callable[[], Any], window: Window) -> None:
    model, example = build().eval(), window()
    one = model.restore(example, range(2, 4), [model.trained_method])
    two = model.restore(replace(example, target=None), range(2, 4), [model.trained_method])
    assert list(one) == [model.trained_method]
    assert torch.equal(one[model.trained_method].frames, two[model.trained_method].frames)


def test_it_learns_from_what_it_prepares(build: Callable[[], Any], window: Window) -> None:
    model = build()
    examples = batch(model, window)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    totals = []
    for _ in range(12):
        losses = model.losses(examples, generator_from("same"))
        assert losses and all(value.ndim == 0 and value.isfinite() for value in losses.values())
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < totals[0]


def test_parts_of_a_batch_average_to_the_loss_of_the_whole(build: Callable[[], Any], window: Window) -> None:
    model = build()
    whole = batch(model, window)
    half = len(whole.input) // 2
    assert half

    def loss_of(rows: slice) -> float:
        part = Example(
            whole.input[rows],
            whole.mask[rows],
            None if whole.target is None else whole.target[rows],
            {name: value[rows] for name, value in whole.condition.items()},
            torch.arange(2 * half)[rows],
        )
        return float(sum(value.detach() for value in model.losses(part, generator_from("same")).values()))

    parts = [loss_of(slice(0, half)), loss_of(slice(half, 2 * half))]
    assert loss_of(slice(0, 2 * half)) == pytest.approx(sum(parts) / 2, rel=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_learns_and_restores_as_the_processor_does(build: Callable[[], Any], window: Window) -> None:
    here, there = build(), build().to("cuda")
    examples = batch(here, window)
    expected, found = (
        torch.stack(list(model.losses(given, generator_from("same")).values())).sum()
        for model, given in ((here, examples), (there, examples.to("cuda")))
    )
    assert found.device.type == "cuda" and float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-2)
    with torch.autocast("cuda", torch.bfloat16):
        halved = torch.stack(list(there.losses(examples.to("cuda"), generator_from("same")).values())).sum()
    assert float(halved.detach()) == pytest.approx(float(expected.detach()), rel=0.05)
    expected.backward()
    torch.optim.SGD(here.parameters(), 1e-2).step()
    # What prepares windows may have left a part of it on the GPU.
    there.load_state_dict(here.to("cpu").state_dict())
    example, keep = window(), range(2, 4)
    wanted = here.eval().restore(example, keep)
    for given in (example, example.to("cuda")):
        restored = there.eval().restore(given, keep)
        for name in here.methods:
            apart = (restored[name].frames.cpu() - wanted[name].frames).abs()
            assert apart.mean() < 1e-3, f"{name}: {float(apart.mean()):.1e}, at most {float(apart.max()):.1e}"
    told = {**example.condition, "shot_pictures": example.input[None]}
    given, made = (model.papers(told, model.trained_method, "1A") for model in (here, there))
    assert set(given) == set(made)


def test_an_archive_gives_the_same_model_back(
    build: Callable[[], Any], arguments: dict[str, Any], tmp_path: Path, window: Window
) -> None:
    model = build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    save_archive(model, tmp_path / "a", arguments=arguments, production="tiny", task="contract")
    loaded, _ = load_archive(tmp_path / "a")
    one, two = (m.restore(window(), range(2, 3), [model.trained_method])[model.trained_method] for m in (model, loaded))
    assert torch.equal(one.frames, two.frames)
