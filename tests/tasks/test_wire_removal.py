"""What a wire-removal example promises: all damage is under the mask, and the truth is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from productions import panning_shot
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from
from interpositive.tasks.wire_removal import WireRemoval


def clean_window(seed: int = 0, num_frames: int = 6) -> Tensor:
    return torch.from_numpy(panning_shot(seed, num_frames=num_frames).transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("changes", [{}, {"shadow_share": 1.0, "mask_margin_px": (0, 0)}, {"bright_share": 1.0}])
def test_whatever_is_changed_is_under_the_mask(seed: int, changes: dict[str, Any]) -> None:
    clean = clean_window(seed % 3, num_frames=3)
    example = WireRemoval(width_px_at_1080=(10.0, 80.0), **changes).example(clean, generator_from(seed))
    assert example.target is not None
    changed = (example.input != example.target).any(1, keepdim=True)
    assert changed.any()
    assert (example.mask[changed] > 0).all(), f"{int((changed & (example.mask == 0)).sum())} changed pixels unmasked"
    assert torch.equal(example.target, clean)


def test_a_generator_decides_everything() -> None:
    clean, task = clean_window(), WireRemoval()
    one, two, other = (task.example(clean, generator_from("wire", key)) for key in (1, 1, 2))
    assert torch.equal(one.input, two.input) and torch.equal(one.mask, two.mask)
    assert torch.equal(one.condition["judged"], two.condition["judged"])
    assert not torch.equal(one.mask, other.mask)


def test_the_clean_frames_are_not_written_into() -> None:
    clean = clean_window()
    before = clean.clone()
    WireRemoval().example(clean, generator_from(0))
    assert torch.equal(clean, before)


def test_known_damage_joins_the_mask_and_is_never_judged() -> None:
    clean = clean_window()
    damage = torch.zeros(6, 1, 64, 96)
    damage[:, :, 10:50, 30:60] = 0.3
    example = WireRemoval(width_px_at_1080=(30.0, 60.0)).example(clean, generator_from(4), damage)
    plain = WireRemoval(width_px_at_1080=(30.0, 60.0)).example(clean, generator_from(4))
    judged = example.condition["judged"]
    assert (example.mask[damage > 0] == 1).all()
    assert (judged[damage > 0] == 0).all()
    assert torch.equal(judged, plain.condition["judged"] * (damage == 0))
    assert judged.sum() > 0 and judged.sum() < plain.condition["judged"].sum()
    assert torch.equal(example.mask, torch.maximum(plain.mask, (damage > 0).float()))


def test_masks_cover_a_plausible_share_of_the_frame() -> None:
    shares = [float(WireRemoval().example(clean_window(), generator_from(seed)).mask.mean()) for seed in range(12)]
    assert 0.02 < float(np.mean(shares)) < 0.5


def test_wires_on_the_set_move_with_the_camera_and_wires_on_the_frame_do_not() -> None:
    clean = clean_window(2, num_frames=8)
    for holds, expected in (((1, 0, 0), 0.0), ((0, 1, 0), -1.0)):
        task = WireRemoval(holds=holds, swing_px_at_1080=0.0)
        wires = task.random_wires(clean.numpy().transpose(0, 2, 3, 1).copy(), np.random.default_rng(3))
        for wire in wires:
            speed = np.diff(wire.ends[:, :, 0], axis=0)
            np.testing.assert_allclose(speed, expected, atol=0.15)


def test_a_window_of_one_frame_can_be_damaged() -> None:
    example = WireRemoval().example(clean_window(num_frames=1), generator_from(0))
    assert example.mask.any()


@pytest.mark.parametrize(
    "wrong",
    [{"holds": (1, 1)}, {"holds": (0, 0, 0)}, {"holds": (1, -1, 1)}, {"num_wires": (0, 3)}, {"num_wires": (4, 3)}],
)
def test_sizes_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        WireRemoval(**wrong)


def test_some_lessons_show_things_besides_that_are_masked_to_their_edge() -> None:
    clean = clean_window()
    never, always = WireRemoval(object_share=0.0), WireRemoval(object_share=1.0)
    for key in range(4):
        plain, lesson = (task.lesson(clean, generator_from("lesson", key)) for task in (never, always))
        judged = never.example(clean, generator_from("lesson", key))
        assert torch.equal(plain.input, judged.input) and torch.equal(plain.mask, judged.mask)
        # What the task is judged on is there too, and no lesson changes it.
        assert torch.equal(always.example(clean, generator_from("lesson", key)).input, judged.input)
        added = (lesson.mask > 0) & (plain.mask == 0)
        assert added.any() and (lesson.mask >= plain.mask).all()
        assert torch.equal(lesson.condition["judged"], lesson.mask)
        assert lesson.target is not None and torch.equal(lesson.target, clean)
        changed = (lesson.input != clean).any(1, keepdim=True)
        assert (lesson.mask[changed] > 0).all()
        # Unlike a wire's mask, there is no margin in which the plate is clean.
        assert changed[added].float().mean() > 0.95


def test_in_lessons_too_known_damage_is_never_judged() -> None:
    clean = clean_window()
    damage = torch.zeros(6, 1, 64, 96)
    damage[:, :, 10:50, 30:60] = 1.0
    lesson = WireRemoval(object_share=1.0).lesson(clean, generator_from(1), damage)
    assert (lesson.mask[damage > 0] == 1).all() and not lesson.condition["judged"][damage > 0].any()


def test_shares_of_lessons_are_drawn_as_asked() -> None:
    clean, task = clean_window(num_frames=1), WireRemoval(object_share=0.3)
    with_objects = 0
    for key in range(60):
        one = task.lesson(clean, generator_from("share", key))
        with_objects += int(not torch.equal(one.mask, task.example(clean, generator_from("share", key)).mask))
    assert 8 <= with_objects <= 28
