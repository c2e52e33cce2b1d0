"""A run judged on takes it never learned from: the truth judges, and only the damaged take is seen by the choice."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from productions import TinyProduction, panning_shot, write_shot
from stand_ins import ERRORS, FEW, KnownErrors, NothingDamaged, noise_codes, write_movie
from torch import Tensor

from interpositive.delivery.evaluation import (
    MEASURES_NAME,
    DamagedTake,
    EvaluationSettings,
    damage_take,
    evaluate_damaged,
    evaluate_run,
)
from interpositive.delivery.rehearsal import rehearse
from interpositive.delivery.restoring import GrainChoice, WindowPlan
from interpositive.errors import MediaError, StorageError
from interpositive.functional.examples import Example
from interpositive.media.opening import open_reader
from interpositive.mini_models.contract import MiniModel
from interpositive.mini_models.fitted_grade import FittedGrade
from interpositive.mini_models.steady_light import SteadyLight
from interpositive.records.measures import Measures
from interpositive.tasks.color_match import ColorMatch
from interpositive.tasks.contract import Task
from interpositive.tasks.deflicker import Deflicker

SETTINGS = EvaluationSettings(max_frames=6, height=64, windows=WindowPlan(4, 1, 1), gate=FEW, progress=False)


def draw_a_bar(frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
    """A black bar somewhere, as a task would draw its damage."""
    left = int(torch.randint(10, 60, (1,), generator=generator))
    mask = torch.zeros(frames.shape[0], 1, *frames.shape[-2:])
    mask[..., left : left + 4] = 1
    return Example(input=frames * (1 - mask), mask=mask, target=frames, condition={"judged": mask})


class DrawABar(NothingDamaged):
    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        return draw_a_bar(frames, generator, damage)


class Oracle(KnownErrors):
    """Knows the clean frames it was given, and misses them by each method's error."""

    def __init__(self, clean: Tensor) -> None:
        super().__init__()
        self.clean = clean

    def fill(self, example: Example, keep: range) -> Tensor:
        outside = (example.mask == 0).to(example.input)
        gaps = [((example.input[0] - frame).abs() * outside[0]).sum() for frame in self.clean]
        first = int(torch.stack(gaps).argmin())
        return self.clean[first + keep.start : first + keep.stop]


def test_every_method_is_judged_by_the_truth(tiny_production: TinyProduction, tmp_path: Path) -> None:
    (take,) = tiny_production.takes_of("test")
    damaged = damage_take(take, draw_a_bar, SETTINGS)
    assert damaged.damaged.shape == (6, 64, 96, 3) and damaged.first_frame == 9
    mini_model = Oracle(torch.from_numpy(damaged.clean).permute(0, 3, 1, 2) / 255.0)
    measures = evaluate_run([take], mini_model, DrawABar(), tmp_path / "evaluation", SETTINGS)
    (shot,) = measures.shots
    assert shot.role == "test" and shot.num_frames == 6
    for method, error in ERRORS.items():
        assert shot.values[method]["psnr_hole"] == pytest.approx(-20 * np.log10(error), abs=0.6)
        assert shot.values[method]["untouched_changed"] == 0
    assert shot.chosen_method == "trained" and shot.values["chosen"] == shot.values["trained"]
    assert any("one shot" in note for note in measures.notes)
    gaps = {d.other: d.mean for d in measures.differences if d.metric == "psnr_hole"}
    assert set(gaps) == set(ERRORS) and gaps["trained"] == 0 and gaps["telea"] == pytest.approx(20, abs=1)
    assert all(d.low is None for d in measures.differences) and "psnr_hole" in {i.name for i in measures.curve_metrics}
    folder = tmp_path / "evaluation"
    assert (folder / "frames.csv").read_text().count("\n") == 1 + 6 * (len(ERRORS) + 1)
    assert (folder / "plots" / f"shot-{shot.name}.svg").is_file()
    assert Measures.read(tmp_path / "evaluation" / MEASURES_NAME) == measures
    for path in shot.pictures.values():
        assert open_reader(tmp_path / "evaluation" / path).info.num_frames == 6


def test_what_is_chosen_is_judged_with_the_grain_that_it_is_delivered_with(tmp_path: Path) -> None:
    sigma = 4.0
    noise = np.random.default_rng(0).normal(128.0, sigma, (6, 96, 128, 3))
    clean, mask = np.rint(noise).astype(np.uint8), np.zeros((6, 96, 128), np.float32)
    mask[:, 30:70, 40:90] = 1.0
    damaged = DamagedTake("noisy", "test", Fraction(24), 0, None, np.where(mask[..., None] > 0, 0, clean), clean, mask)

    def error(grain: GrainChoice, method: str) -> float:
        shot = shots[grain].values[method]["psnr_hole"]
        assert shot is not None
        return float(10 ** (-shot / 10))

    # Filled with the very code that the noise is about.
    model = KnownErrors({"telea": 0.2, "trained": 0.5 / 255})
    choices: tuple[GrainChoice, ...] = ("match", "as_filled")
    shots = {
        grain: evaluate_damaged(damaged, model, NothingDamaged(), tmp_path / grain, replace(SETTINGS, grain=grain))[0]
        for grain in choices
    }
    # Grain that is not the plate's own is one more error of its size, to a number that knows no better.
    more = error("match", "chosen") - error("as_filled", "chosen")
    assert more == pytest.approx((sigma / 255) ** 2, rel=0.15)
    assert error("match", "chosen") == error("match", "trained")
    assert error("match", "telea") == error("as_filled", "telea")


@pytest.mark.parametrize(
    ("task", "mini_model"),
    [
        (Deflicker(kinds=("gain",), strength_stops=(0.2, 0.2), steady_share=0.0), SteadyLight(width=4)),
        (ColorMatch(), FittedGrade(width=4)),
    ],
    ids=["deflicker", "color_match"],
)
def test_what_is_known_of_a_whole_shot_is_told(
    tiny_production: TinyProduction, tmp_path: Path, task: Task, mini_model: MiniModel
) -> None:
    (take,) = tiny_production.takes_of("test")
    (shot,) = evaluate_run([take], mini_model.eval(), task, tmp_path / "evaluation", SETTINGS).shots
    found, untouched = (shot.values[name]["psnr"] for name in ("prior", "identity"))
    assert found is not None and untouched is not None and found > untouched + 1


def test_damage_is_the_same_every_time_and_another_with_another_seed(tiny_production: TinyProduction) -> None:
    (take,) = tiny_production.takes_of("val")
    first, again = (damage_take(take, draw_a_bar, SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(first.damaged, again.damaged)
    masks = [damage_take(take, draw_a_bar, replace(SETTINGS, seed=seed)).mask for seed in range(1000, 1004)]
    assert len({mask.tobytes() for mask in masks}) > 1
    kept = first.mask == 0
    np.testing.assert_array_equal(first.damaged[kept], first.clean[kept])


def test_the_damaged_stretch_has_its_own_timecode(tiny_production: TinyProduction) -> None:
    (take,) = tiny_production.takes_of("test")
    marked = take.model_copy(update={"start_frame": 24 * 3600 * 24 - 4, "drop_frame": False})
    damaged = damage_take(marked, draw_a_bar, SETTINGS)
    assert (damaged.first_frame, damaged.start_timecode) == (9, "00:00:00:05")


def test_an_evaluation_is_never_overwritten(tiny_production: TinyProduction, tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    with pytest.raises(StorageError, match="never overwritten"):
        evaluate_run(tiny_production.takes_of("test"), KnownErrors(), DrawABar(), tmp_path / "evaluation", SETTINGS)


class TestRehearsal:
    @pytest.fixture
    def take(self, tmp_path: Path) -> Path:
        return write_shot(tmp_path / "take.mov", panning_shot(4, num_frames=8))

    def test_shot_mask_and_truth_belong_together(self, take: Path, tmp_path: Path) -> None:
        folder = rehearse(take, draw_a_bar, tmp_path / "shot", start=2, num_frames=5)
        shot, truth = (open_reader(folder / name).window(0, 5) for name in ("shot.mkv", "truth.mkv"))
        mask = open_reader(folder / "mask").window(0, 5)[..., 0] > 0
        assert mask.any() and not mask.all()
        np.testing.assert_array_equal(shot[~mask], truth[~mask])
        assert np.all(shot[mask] < 100) and truth[mask].mean() > 10000
        clean = open_reader(take).window(2, 7).astype(np.float64) / 255
        assert np.abs(truth / 65535 - clean).max() < 0.01

    def test_frames_keep_their_timecode(self, tmp_path: Path) -> None:
        take = write_movie(tmp_path / "take.mkv", noise_codes(6), "ffv1", Fraction(24), "23:59:59:22")
        folder = rehearse(take, draw_a_bar, tmp_path / "shot", start=3, num_frames=2)
        assert open_reader(folder / "shot.mkv").info.start_timecode == "00:00:00:01"

    def test_it_may_be_made_smaller(self, take: Path, tmp_path: Path) -> None:
        folder = rehearse(take, draw_a_bar, tmp_path / "shot", height=32)
        info = open_reader(folder / "shot.mkv").info
        assert (info.width, info.height, info.num_frames) == (48, 32, 8)

    @pytest.mark.parametrize(("start", "num_frames"), [(0, 9), (8, 1), (-1, 2), (3, 0)])
    def test_frames_that_the_take_lacks_are_refused(
        self, take: Path, tmp_path: Path, start: int, num_frames: int
    ) -> None:
        with pytest.raises(MediaError) as caught:
            rehearse(take, draw_a_bar, tmp_path / "shot", start=start, num_frames=num_frames)
        assert str(start) in str(caught.value.found) and "0 to 8" in str(caught.value.expected)
        assert not (tmp_path / "shot").exists()

    def test_nothing_is_overwritten(self, take: Path, tmp_path: Path) -> None:
        (tmp_path / "shot").mkdir()
        with pytest.raises(StorageError):
            rehearse(take, draw_a_bar, tmp_path / "shot")
