"""The held-out score: pooled over windows, blind to what is not judged, and the same for a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from productions import TinyProduction, write_shot
from torch import Tensor

import interpositive.training  # noqa: F401  isort: skip
from interpositive.dailies.windows import TakeWindows
from interpositive.functional.examples import Example
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.held_out import HeldOutWindow, held_out_psnr, held_out_windows, write_preview


class Off(MiniModel):
    """Restores to the truth plus a known error."""

    methods = ("prior", "trained")
    trained_method = "trained"
    reach_frames = 0

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        raise NotImplementedError

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError

    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> dict[str, Restored]:
        assert example.target is not None
        truth = example.target[keep.start : keep.stop]
        sure = torch.ones(len(keep), 1, *truth.shape[-2:])
        errors = {"prior": 0.1, "trained": 0.01}
        return {name: Restored(truth + errors[name], sure) for name in methods or self.methods}


def window(judged_rows: int = 8, num_frames: int = 5) -> HeldOutWindow:
    frames, mask = torch.full((num_frames, 3, 16, 16), 0.5), torch.zeros(num_frames, 1, 16, 16)
    mask[..., :judged_rows, :] = 1
    return HeldOutWindow("a", Example(frames, mask, frames.clone(), {"judged": mask}), range(1, 4))


def test_the_score_is_the_psnr_of_what_was_hidden() -> None:
    scores = held_out_psnr(Off(), [window()])
    assert scores["prior"] == pytest.approx(20.0, abs=1e-3) and scores["trained"] == pytest.approx(40.0, abs=1e-3)


def test_windows_are_pooled_by_their_pixels() -> None:
    class Uneven(Off):
        def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> dict[str, Restored]:
            error = 0.1 if example.mask.mean() > 0.4 else 0.3
            assert example.target is not None
            frames = example.target[keep.start : keep.stop] + error
            return {name: Restored(frames, torch.ones(len(keep), 1, 16, 16)) for name in self.methods}

    scores = held_out_psnr(Uneven(), [window(12), window(4)])
    assert scores["trained"] == pytest.approx(-10 * math.log10((12 * 0.01 + 4 * 0.09) / 16), abs=1e-3)


def test_nothing_judged_is_not_measured() -> None:
    assert held_out_psnr(Off(), [window(0)]) == {"prior": None, "trained": None}


def test_a_perfect_method_has_a_finite_score() -> None:
    class Perfect(Off):
        def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> dict[str, Restored]:
            assert example.target is not None
            frames = example.target[keep.start : keep.stop]
            return {name: Restored(frames, torch.ones(len(keep), 1, 16, 16)) for name in self.methods}

    score = held_out_psnr(Perfect(), [window()])["trained"]
    assert score is not None and 100 < score < math.inf


def groups(production: TinyProduction) -> list[TakeWindows]:
    return [TakeWindows(production.takes_of("val"), 8, size=(64, 96), seed=1, windows_per_epoch=100)]


def test_windows_are_the_same_for_a_seed_and_keep_their_middle(tiny_production: TinyProduction) -> None:
    task = WireRemoval(width_px_at_1080=(30.0, 60.0))
    one, two, other = (list(held_out_windows(groups(tiny_production), task.example, 3, 2, s, {})) for s in (0, 0, 1))
    assert len(one) == 3 and all(w.take == "11B_01_A" and w.keep == range(3, 5) for w in one)
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a.example.input, b.example.input) and torch.equal(a.example.mask, b.example.mask)
    assert any(not torch.equal(a.example.input, b.example.input) for a, b in zip(one, other, strict=True))
    short = next(held_out_windows(groups(tiny_production), task.example, 1, 99, 0, {}))
    assert short.keep == range(0, 8)


def test_known_damage_of_a_held_out_take_is_not_judged(tiny_production: TinyProduction, tmp_path: Path) -> None:
    marks = np.zeros((24, 64, 96, 3), np.float32)
    marks[:, :, 24:72] = 1.0
    paths = {"11B_01_A": str(write_shot(tmp_path / "damage.mov", marks))}
    task = WireRemoval(width_px_at_1080=(30.0, 60.0))
    (plain,) = held_out_windows(groups(tiny_production), task.example, 1, 2, 0, {})
    (marked,) = held_out_windows(groups(tiny_production), task.example, 1, 2, 0, paths)
    judged = marked.example.condition["judged"]
    assert plain.example.condition["judged"][..., 26:70].any() and not judged[..., 26:70].any()
    assert (marked.example.mask[..., 26:70] == 1).all()
    assert torch.equal(judged[..., :20], plain.example.condition["judged"][..., :20])


def test_a_preview_shows_damage_methods_and_truth_side_by_side(tmp_path: Path) -> None:
    write_preview(Off(), window(), tmp_path / "deep" / "p.png")
    picture = cv2.imread(str(tmp_path / "deep" / "p.png"))
    assert picture.shape == (16, 64, 3)
    assert [int(picture[0, 16 * i, 0]) for i in range(4)] == [128, 153, 130, 128]
