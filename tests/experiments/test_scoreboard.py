"""The scoreboard's own numbers and verdicts: each says what it claims on shots whose answer is known."""

from __future__ import annotations

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from productions import panning_shot, textured_wall, write_shot
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments" / "scoreboard"))

from asked import BARS
from bars import CLASSICAL, Bar, Measured, gain, real, stage, worst_gain
from boards import BOARDS
from judging import lending, seconds_to_train
from own_measures import CoverLeft, GainJitter, GainLeft, MiddleFrames, Sharpness

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.ingest import ingest
from interpositive.delivery.evaluation import DamagedTake
from interpositive.media.contract import Frames
from interpositive.metrics.contract import ShotMetric
from interpositive.records.measures import ShotMeasures

CLEAN = torch.from_numpy(0.2 + 0.6 * panning_shot(1, 8).transpose(0, 3, 1, 2)).float()
WHOLE = torch.ones_like(CLEAN[:, :1])


def values(
    metric: ShotMetric, result: torch.Tensor, plate: torch.Tensor, mask: torch.Tensor = WHOLE
) -> dict[str, float]:
    metric.update(result, CLEAN, plate=plate, mask=mask)
    return metric.shot_values()


def lit(stops: list[float]) -> torch.Tensor:
    """The clean shot with a gain of light on every frame."""
    power = torch.tensor(stops)[:, None, None, None] / 2.2
    return ((CLEAN + 0.09) * 2**power - 0.09).clamp(0, 1)


def test_what_is_left_of_flicker_is_a_share_of_what_was_put_on() -> None:
    course = [0.2, -0.2] * 4
    plate = lit(course)
    assert values(GainLeft(), plate, plate)["gain_left"] == 1.0
    assert values(GainLeft(), CLEAN, plate)["gain_left"] == 0.0
    assert values(GainLeft(), lit([s / 4 for s in course]), plate)["gain_left"] == pytest.approx(0.25, abs=0.02)
    # A steady change of light is none, and of a steady plate there is no share.
    assert values(GainLeft(), lit([0.3] * 8), plate)["gain_left"] < 0.03
    assert math.isnan(values(GainLeft(), CLEAN, CLEAN)["gain_left"])


def test_the_middle_of_a_gap_is_judged_alone() -> None:
    mask = torch.zeros_like(WHOLE)
    mask[2:5] = 1
    result = CLEAN.clone()
    result[[2, 4]] += 0.3
    result[3] += 0.1
    found = values(MiddleFrames(), result, CLEAN, mask)
    assert found["psnr_middle"] == pytest.approx(20.0, abs=0.01) and found["gradient_middle"] == pytest.approx(
        0, abs=1e-3
    )


def test_what_is_left_of_a_wire_is_counted_and_a_soft_fill_is_not() -> None:
    plate = CLEAN.clone()
    plate[..., 4:6] = (CLEAN[..., 4:6] + 0.5).clamp(0, 1)
    mask = torch.zeros_like(WHOLE)
    mask[..., 2:8] = 1
    result = CLEAN.clone()
    result[..., 2:8] = CLEAN[..., 2:8] + 0.2 * (plate - CLEAN)[..., 2:8]
    assert values(CoverLeft(), result, plate, mask)["cover_left"] == 0.0
    assert values(CoverLeft(), plate, plate, mask)["cover_left"] == 1000.0
    result[0, ..., 4:6] = plate[0, ..., 4:6]
    assert values(CoverLeft(), result, plate, mask)["cover_left"] == pytest.approx(1000.0 / len(CLEAN), rel=0.2)
    assert math.isnan(values(CoverLeft(), CLEAN, CLEAN, mask)["cover_left"]), "nothing is covered"


def test_a_blur_of_half_a_pixel_is_softer_and_a_gain_is_not() -> None:
    def sharpness(result: torch.Tensor) -> float:
        return values(Sharpness(), result, CLEAN)["sharpness"]

    assert sharpness(CLEAN) == 1.0
    frames = CLEAN.numpy()
    blurred, sharpened = gaussian_filter(frames, (0, 0, 0.5, 0.5)), 2 * frames - gaussian_filter(frames, (0, 0, 1, 1))
    assert sharpness(torch.from_numpy(blurred)) < 0.9 and sharpness(torch.from_numpy(sharpened)) > 1.1
    ramp = torch.linspace(0.98, 1.02, CLEAN.shape[-1])
    for relit in (lit([-0.3] * 8), 0.8 * CLEAN + 0.1, ramp * CLEAN):
        assert sharpness(relit) == pytest.approx(1.0, abs=0.01)


def test_a_grade_of_one_gain_does_not_tremble() -> None:
    steady, trembling = (values(GainJitter(), lit(s), CLEAN)["gain_jitter"] for s in ([0.2] * 8, [0.2, 0.3] * 4))
    assert steady < 0.005 and trembling == pytest.approx(0.1, abs=0.01)


def shot(name: str, **psnr: float) -> ShotMeasures:
    curves = {method: {"psnr_hole": [number] * 16} for method, number in psnr.items()}
    numbers = {method: {"psnr_hole": number} for method, number in psnr.items()}
    return ShotMeasures(name=name, role="val", num_frames=16, values=numbers, curves=curves)


def test_a_bar_is_held_against_the_best_of_the_others_on_each_shot() -> None:
    shots = [shot("stage_12A", chosen=30, telea=20, recursive_flow=27), shot("gopro", chosen=25, telea=26)]
    found = gain("psnr_hole", "chosen", CLASSICAL, lambda s: s)(shots, {})
    assert found.value == pytest.approx(1.0) and found.over == "2 shots"
    assert worst_gain("psnr_hole", "chosen", CLASSICAL, lambda s: s)(shots, {}).value == pytest.approx(-1.0)
    one = gain("psnr_hole", "chosen", CLASSICAL, lambda s: s[:1])(shots, {})
    assert (one.value, one.low, one.high) == (3.0, 3.0, 3.0) and "2 windows" in one.over
    bar = Bar("wire_removal", "", gain("psnr_hole", "chosen", CLASSICAL, lambda s: s), 1.5)
    assert [bar.verdict(Measured(v)) for v in (2.0, 1.0, None)] == ["held", "missed", "not measured"]


def test_every_task_has_bars_and_none_is_of_a_task_there_is_not() -> None:
    assert {bar.task for bar in BARS} == {board.task for board in BOARDS}
    assert all(bar.least is not None or bar.most is not None for bar in BARS)
    assert np.isfinite([bar.least if bar.least is not None else bar.most for bar in BARS]).all()


def test_a_bar_of_one_kind_of_damage_counts_no_other() -> None:
    shots = [
        shot("stage_12A", chosen=22, telea=20, recursive_flow=21),
        shot("stage_12A_on_performers", chosen=26, telea=20, recursive_flow=24),
        shot("stage_12A_other_take", chosen=31, telea=20, recursive_flow=21),
        shot("stage_27", chosen=10, telea=20, recursive_flow=21),
    ]
    pans = [bar for bar in BARS if bar.task == "wire_removal" and bar.asked.startswith("pan")]
    assert [bar.measure(shots, {}).value for bar in pans] == [6, 2, 2, 1, 11, 10]
    shots.append(shot("stage_4101_12A_on_performers", chosen=30, telea=20, recursive_flow=24))
    assert [bar.measure(shots, {}).value for bar in pans] == [8, 4, 2, 1, 11, 10]


def test_shots_are_of_the_stages_or_real() -> None:
    names = ["stage_12A", "stage_4101_12A_other_take", "stage_31B", "gopro_hero7_12A"]
    shots = [shot(name, chosen=1) for name in names]
    assert [s.name for s in stage(shots)] == names[:3] and [s.name for s in stage(shots, "pan")] == names[:2]
    assert [s.name for s in real(shots)] == names[3:]


def test_training_on_two_cores_takes_no_longer_than_the_clock_nor_than_one_core(tmp_path: Path) -> None:
    run, clock = tmp_path / "run", tmp_path / "run.clock.json"
    # Two cores side by side, and one of a machine that did other things too.
    for seconds, shown, bound in ((400, 230, 230), (120, 500, 120)):
        clock.write_text(json.dumps({"seconds": seconds, "clock": shown}))
        assert seconds_to_train(run) == {"seconds": seconds, "two_cores": bound}


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_the_take_that_taught_lends_at_the_level_of_codes_and_of_values(tmp_path: Path, kind: type[np.generic]) -> None:
    wall = np.repeat(textured_wall(np.random.default_rng(5), 96, 160)[None], 4, 0)
    write_shot(tmp_path / "dailies" / "10A_T01_A.mov", 0.8 * wall)
    ingest(tmp_path / "dailies", tmp_path / "catalogue.sqlite", num_workers=0, progress=False)
    with Catalogue(tmp_path / "catalogue.sqlite") as catalogue:
        lender = catalogue.take("10A_01_A")
    clean: Frames = (wall * 255).round().astype(np.uint8) if kind is np.uint8 else wall
    damaged, mask = clean.copy(), np.zeros(clean.shape[:3], np.float32)
    damaged[:, 30:60, 60:90], mask[:, 30:60, 60:90] = 0, 1
    take = DamagedTake("10A", "val", Fraction(24), 0, None, damaged, clean, mask)
    with lending(take, None, tmp_path / "alone") as alone:
        assert not alone.condition_of(0, 4)
    with lending(take, lender, tmp_path / "shot") as lent:
        shown = lent.condition_of(0, 4)["lent_frames"]
    # Levelled to the shot's own values, whatever numbers those were handed over in.
    missed = (shown - torch.from_numpy(wall[:1]).permute(0, 3, 1, 2)).abs()[..., 8:-8, 8:-8]
    assert missed.median() < 0.01
