"""Examples that do not fit are refused; seeds come from names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from interpositive.errors import MaskError
from interpositive.functional.examples import Example
from interpositive.functional.seeds import generator_from, generators_of, seed_from


@pytest.mark.parametrize("lead", [(5,), (2, 5)])
def test_an_example_of_a_window_or_a_batch(lead: tuple[int, ...]) -> None:
    frames = torch.rand(*lead, 3, 8, 6)
    example = Example(frames, torch.zeros(*lead, 1, 8, 6), target=frames, condition={"a": torch.ones(2)})
    moved = example.to("cpu")
    assert torch.equal(moved.input, frames) and torch.equal(moved.condition["a"], torch.ones(2))
    assert Example(frames, torch.zeros(*lead, 1, 8, 6)).to("cpu").target is None


@pytest.mark.parametrize(
    ("frames", "mask", "target", "words"),
    [
        ((3, 8, 6), (1, 8, 6), None, "an example needs"),
        ((5, 3, 8, 6), (4, 1, 8, 6), None, "mask does not fit"),
        ((5, 3, 8, 6), (5, 3, 8, 6), None, "mask does not fit"),
        ((5, 3, 8, 6), (5, 1, 6, 8), None, "mask does not fit"),
        ((2, 5, 3, 8, 6), (5, 1, 8, 6), None, "mask does not fit"),
        ((5, 3, 8, 6), (5, 1, 8, 6), (5, 3, 8, 7), "target does not fit"),
    ],
)
def test_what_does_not_fit_is_refused(
    frames: tuple[int, ...], mask: tuple[int, ...], target: tuple[int, ...] | None, words: str
) -> None:
    with pytest.raises(MaskError, match=words):
        Example(torch.zeros(frames), torch.zeros(mask), None if target is None else torch.zeros(target))


def test_seeds_depend_on_every_key_and_its_place() -> None:
    keys = [("a", "b"), ("b", "a"), ("ab",), ("a", "b", 0), ("a", "b", 1), ("a",), ()]
    seeds = [seed_from(*key) for key in keys]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_from("example", 0, "take", 7) == seed_from("example", "0", "take", "7")


def test_seeds_are_the_same_in_another_process() -> None:
    code = "from interpositive.functional.seeds import seed_from; print(seed_from('example', 3, 'take'))"
    environment = os.environ | {"PYTHONHASHSEED": "123"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert int(done.stdout) == seed_from("example", 3, "take")


def test_a_generator_repeats_itself_and_leaves_the_global_one_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = torch.rand(4, generator=generator_from("a", 1))
    assert torch.equal(first, torch.rand(4, generator=generator_from("a", 1)))
    assert not torch.equal(first, torch.rand(4, generator=generator_from("a", 2)))
    assert torch.equal(torch.rand(3), expected)


def test_an_examples_noise_is_its_own_in_any_part_and_order_of_a_step() -> None:
    def noise(step: int, numbers: list[int]) -> list[float]:
        generator = generator_from("step", step)
        torch.rand(step + 1, generator=generator)
        return [float(torch.rand((), generator=own)) for own in generators_of(generator, torch.tensor(numbers))]

    whole = noise(3, [7, 0, 4, 9])
    assert len(set(whole)) == 4
    assert noise(3, [7, 0]) + noise(3, [4, 9]) == whole and noise(3, [9, 4, 0, 7]) == whole[::-1]
    assert not set(noise(4, [7, 0, 4, 9])) & set(whole)
