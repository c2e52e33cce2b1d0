"""Held-out windows: the same for a seed, spread over takes, and measured where their truth was hidden."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
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
from interpositive.media.opening import open_reader
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.warp_error import WarpError
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.tasks.wire_removal import WireRemoval
from interpositive.training.held_out import (
    HeldOutWindow,
    WindowsMovie,
    held_out_windows,
    measure_window,
    write_preview,
)


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
    return HeldOutWindow("a", Example(frames, mask, frames.clone(), {"judged": mask}), range(1, 4), Fraction(24))


def test_a_window_is_measured_where_its_truth_was_hidden() -> None:
    measured = measure_window(Off(), window(), ("prior", "trained"), (Psnr, WarpError))
    assert measured.values["prior"]["psnr_hole"] == pytest.approx(20.0, abs=1e-3)
    assert measured.values["trained"]["psnr_hole"] == pytest.approx(40.0, abs=1e-3)
    assert len(measured.curves["trained"]["psnr_hole"]) == 3 and measured.frames["trained"].shape == (3, 3, 16, 16)
    assert window().judged.shape == (3, 1, 16, 16) and window().name == "a frames 1-3"


def test_what_is_known_to_be_damaged_is_not_measured() -> None:
    class Wrong(Off):
        def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> dict[str, Restored]:
            restored = super().restore(example, keep, methods)
            for each in restored.values():
                each.frames[:, :, 8:] = 0.0
            return restored

    assert measure_window(Wrong(), window(8), ("trained",), (Psnr,)).values["trained"]["psnr_hole"] == pytest.approx(
        40.0, abs=1e-3
    )


def test_nothing_judged_is_not_measured_and_says_why() -> None:
    measured = measure_window(Off(), window(0), ("trained",), (Psnr,))
    assert measured.values["trained"]["psnr_hole"] is None and any("mask is empty" in note for note in measured.notes)


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


def test_windows_are_spread_over_takes_and_within_them(tiny_production: TinyProduction) -> None:
    task = WireRemoval(width_px_at_1080=(30.0, 60.0))
    both = [TakeWindows(tiny_production.takes_of("train"), 8, size=(64, 96), seed=1, windows_per_epoch=1000)]
    many = list(held_out_windows(both, task.example, 6, 2, 0, {}))
    assert sorted(w.take for w in many) == ["10A_01_A"] * 3 + ["10A_02_A"] * 3
    for take in ("10A_01_A", "10A_02_A"):
        starts = sorted(w.start for w in many if w.take == take)
        assert starts[1] - starts[0] >= 4 and starts[2] - starts[1] >= 4, "24 frames have room for 3 windows of 8"
    few = list(held_out_windows(both, task.example, 3, 2, 0, {}))
    assert [w.name for w in few] == [w.name for w in many[:3]]
    assert len({w.name for w in many}) == 6 and all(w.rate == 24 for w in many)


def test_a_movie_shows_the_windows_in_turn_and_is_made_again(tmp_path: Path) -> None:
    frames = torch.full((3, 3, 16, 16), 0.25)
    odd = window()
    for _ in range(2):
        with WindowsMovie(tmp_path / "deep" / "m.mp4", odd) as movie:
            movie.add(odd, frames)
            movie.add(odd, frames)
    reader = open_reader(tmp_path / "deep" / "m.mp4")
    shown = reader.window(0, 6)
    assert len(reader) == 6 and shown.shape[1:] == (16, 48, 3)
    assert abs(int(shown[4, 8, 24, 1]) - 64) < 4 and abs(int(shown[4, 8, 8, 1]) - 128) < 4
    reader.close()


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
