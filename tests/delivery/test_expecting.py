"""What is expected of a repair whose truth nobody knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interpositive.delivery.expecting import (
    EXPECTED_PSNR,
    ErrorByConfidence,
    Expectation,
    busyness,
    calibration_notes,
    verdict_of,
)
from interpositive.records.measures import ShotMeasures


def held_out(*pairs: tuple[float, float]) -> ErrorByConfidence:
    """Of pairs of a confidence and an error, a hundred pixels each."""
    found = ErrorByConfidence()
    for sure, error in pairs:
        plane = torch.ones(1, 1, 10, 10)
        found.add(sure * plane, error * plane.expand(1, 3, 10, 10), plane, plane)
    return found


def test_less_sure_is_never_taken_for_nearer() -> None:
    table = held_out((0.1, 0.2), (0.5, 0.01), (0.7, 0.03), (0.9, 0.001))
    squares, strange = table.expected(np.linspace(0.0, 1.0, 41, dtype=np.float32))
    assert (np.diff(squares) <= 0).all()
    assert squares[0] == pytest.approx(0.04) and squares[-1] == pytest.approx(1e-6)
    # 0.5 and 0.7 are in the wrong order, and share their mean.
    assert table.expected(np.array([0.6], np.float32))[0][0] == pytest.approx((0.01**2 + 0.03**2) / 2)
    assert strange == pytest.approx(4 / 41)


def test_a_picture_is_as_busy_as_what_lies_around_its_hole() -> None:
    values = torch.full((1, 3, 48, 96), 0.5)
    values[..., 48:] += 0.2 * ((torch.arange(48)[:, None] + torch.arange(48)) % 2 * 2 - 1)
    mask = torch.zeros(1, 1, 48, 96)
    mask[..., 20:26, 20:26] = mask[..., 20:26, 70:76] = 1.0
    values[mask.expand_as(values) > 0] = 9.0
    busy = busyness(values, mask)[0, 0]
    assert busy[23, 23] == pytest.approx(1e-5, rel=0.01)
    assert busy[23, 73] == pytest.approx(0.16, rel=0.05)
    # Deep in a wide hole, what there is further off; without any, nothing but grain.
    assert busyness(values, torch.ones_like(mask)).unique().tolist() == [pytest.approx(1e-5)]


def test_a_lamp_in_the_sky_is_no_lattice() -> None:
    values = torch.full((1, 3, 48, 48), 0.1)
    values[..., 22:26, 22:26] = 1.0
    lattice = 0.55 + 0.45 * ((torch.arange(48)[:, None] // 4 + torch.arange(48) // 4) % 2 * 2.0 - 1).expand(
        1, 3, -1, -1
    )
    mask = torch.zeros(1, 1, 48, 48)
    lamp, bars = (busyness(picture, mask)[0, 0, 24, 20] for picture in (values, lattice))
    assert lamp < 0.2 * bars


def test_one_error_on_a_plain_wall_does_not_stand_for_all() -> None:
    table, plane = ErrorByConfidence(), torch.ones(1, 1, 10, 10)
    table.add(0.5 * plane, 0.1 * plane.expand(1, 3, 10, 10), plane, 1e-2 * plane)
    wall = torch.full_like(plane, 1e-2)
    wall[..., 0, 0] = 1e-5
    table.add(0.5 * plane, 0.1 * plane.expand(1, 3, 10, 10), plane, wall)
    assert table.expected(np.array([0.5], np.float32))[0][0] == pytest.approx(1.0, rel=0.02)


def test_pixels_that_are_not_judged_or_not_numbers_are_not_counted() -> None:
    table, plane = ErrorByConfidence(), torch.ones(1, 1, 4, 4)
    error = torch.zeros(1, 3, 4, 4)
    error[..., 0, :], error[..., 1, :] = 9.0, torch.nan
    judged = plane.clone()
    judged[..., 0, :] = 0.0
    table.add(0.5 * plane, error, judged, plane)
    assert table.num_pixels == 8
    assert table.expected(np.array([0.5], np.float32))[0][0] == 0.0


def test_a_frame_is_expected_by_its_own_hole_and_the_worst_comes_first() -> None:
    expectation, mask = Expectation(held_out((0.2, 0.1), (0.9, 0.01))), np.zeros((4, 4), np.float32)
    mask[0, 0] = 0.5
    for sure in (0.9, 0.2, 0.9):
        confidence = np.full((4, 4), 0.2, np.float32)
        confidence[0, 0] = sure
        expectation.see(confidence, mask, np.ones_like(mask))
    expectation.see(confidence, np.zeros_like(mask), np.ones_like(mask))
    assert expectation.curve == [pytest.approx(40.0), pytest.approx(20.0), pytest.approx(40.0), None]
    assert expectation.worst_places == [1, 0, 2]
    assert expectation.verdict().word == "redo"


def test_a_verdict_says_what_it_rests_on() -> None:
    assert verdict_of([34.0, 50.0, None]).word == "ship"
    assert verdict_of([33.9, 50.0]).word == "look"
    assert verdict_of([23.0, 50.0, 50.0, 50.0]).word == "look"
    assert verdict_of([23.0, 23.0, 50.0]).word == "redo"
    assert verdict_of([50.0], strange_share=0.1).word == "look"
    # What is expected must be clear of the bounds by as much as it is commonly off.
    assert [verdict_of([value], 3.0).word for value in (36.9, 37.0, 21.0, 20.9)] == ["look", "ship", "look", "redo"]
    nothing = Expectation(ErrorByConfidence())
    nothing.see(*np.ones((3, 2, 2), np.float32))
    assert nothing.curve == [None]
    assert nothing.verdict().word == "look" and "no pixel of this shot was held out" in nothing.verdict().reason


def test_expectations_are_held_against_the_truth() -> None:
    curves = {"chosen": {EXPECTED_PSNR.name: [30.0, 36.0, 35.0, None], "psnr_hole": [31.0, 38.0, 36.0, 40.0]}}
    shot = ShotMeasures(name="12A", role="test", num_frames=4, curves=curves, verdict="look")
    (note,) = calibration_notes([shot], "chosen")
    assert "3 frames of 1 takes: -1.3 dB on average, 1.3 dB either way, rank correlation 1.00" in note
    assert note.endswith("1 said look")
    better = shot.model_copy(update={"verdict": "ship"})
    assert "1 said ship where the truth says look" in calibration_notes([better], "chosen")[0]
    assert calibration_notes([ShotMeasures(name="a", role="test", num_frames=1)], "chosen") == []
