"""What every task promises, whatever it removes; a new task's YAML is found and tried here."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from productions import HeldFrames, panning_shot
from torch import Tensor

from interpositive.cli.fitting import fitting
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from
from interpositive.media.plate_colour import PlateColour
from interpositive.tasks.contract import Task

sys.path.insert(0, str(Path(__file__).resolve().parent))

from configured import arguments_of, parameters_of, target_of, yamls_of

pytestmark = pytest.mark.parametrize("path", yamls_of("task"), ids=lambda path: path.stem)


def build(path: Path) -> Any:
    return target_of(path)(**arguments_of(path))


def clean_window(num_frames: int = 5) -> Tensor:
    return torch.from_numpy(panning_shot(1, num_frames=num_frames).transpose(0, 3, 1, 2).copy())


def examples(task: Task, count: int = 6) -> list[Example]:
    return [task.example(clean_window(), generator_from("contract", number)) for number in range(count)]


def test_the_yaml_names_a_task_and_lists_every_argument_at_its_default(path: Path) -> None:
    kind = target_of(path)
    assert issubclass(kind, Task)
    assert set(arguments_of(path)) == parameters_of(kind)
    for name, parameter in inspect.signature(kind).parameters.items():
        given = arguments_of(path)[name]
        assert parameter.default == (tuple(given) if isinstance(given, list) else given), name


def test_the_task_is_called_what_its_yaml_is(path: Path) -> None:
    assert build(path).name == path.stem


def test_examples_are_well_formed(path: Path) -> None:
    clean = clean_window()
    for example in examples(build(path)):
        assert example.target is not None and torch.equal(example.target, clean)
        assert example.input.dtype == example.mask.dtype == torch.float32
        for values in (example.input, example.mask, example.condition["judged"]):
            assert values.isfinite().all() and values.min() >= 0 and values.max() <= 1
        assert example.condition["judged"].shape == example.mask.shape
        assert (example.condition["judged"] <= example.mask).all(), "what is judged is hidden"


def test_all_that_changed_is_under_the_mask(path: Path) -> None:
    changed_at_all = 0
    for example in examples(build(path)):
        assert example.target is not None
        changed = (example.input != example.target).any(1, keepdim=True)
        assert (example.mask[changed] > 0).all()
        changed_at_all += int(changed.sum())
    assert changed_at_all > 0


def test_the_generator_decides_alone(path: Path) -> None:
    task, clean = build(path), clean_window()
    torch.manual_seed(1)
    one = task.example(clean, generator_from("a"))
    torch.manual_seed(2)
    two = build(path).example(clean, generator_from("a"))
    other = task.example(clean, generator_from("b"))
    assert torch.equal(one.input, two.input) and torch.equal(one.mask, two.mask)
    assert not torch.equal(one.input, other.input)


def test_known_damage_is_hidden_and_never_judged(path: Path) -> None:
    damage = torch.zeros(5, 1, 64, 96)
    damage[:, :, 5:40, 40:70] = 1
    example = build(path).example(clean_window(), generator_from("a"), damage)
    assert (example.mask[damage > 0] > 0).all()
    assert not example.condition["judged"][damage > 0].any()


def test_everything_it_tells_beside_the_frames_is_by_frame(path: Path) -> None:
    for example in examples(build(path)):
        assert {value.shape[0] for value in example.condition.values()} == {len(example.input)}


def test_a_plate_is_laid_out_and_says_whose_mask_it_is(path: Path) -> None:
    task, codes = build(path), (clean_window(8).permute(0, 2, 3, 1) * 255).round().byte().numpy()
    reader = HeldFrames(codes)
    try:
        laid_out = task.lay_out(reader, task.asks(), PlateColour())
    except ConfigError as error:
        # A task that needs to be asked says for what.
        assert task.asks.model_fields and "ask" in str(error)
        return
    assert len(laid_out.plate) == laid_out.plate.info.num_frames
    frames = laid_out.plate.window(0, len(laid_out.plate))
    assert frames.shape[1:3] == (laid_out.plate.info.height, laid_out.plate.info.width) and frames.dtype == np.uint8
    if laid_out.mask is not None:
        mask = laid_out.mask.window(1, 3)
        assert mask.shape == frames[1:3].shape[:3] and 0 <= mask.min() <= mask.max() <= 1
    assert all(value.isfinite().all() for value in laid_out.condition(1, 3).values())


def test_some_mini_model_can_learn_it(path: Path) -> None:
    assert fitting(build(path))
