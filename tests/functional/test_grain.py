"""Grain that a fill lacks is made up: as strong, as coarse and as alike in its channels as that of the plate around."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.functional.grain import Matched, match_grain, measure_grain
from interpositive.soundstage.rendering import render_take
from interpositive.soundstage.spec import StageSpec

HEIGHT, WIDTH = 140, 180
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[40:100, 50:130] = True


def graded_wall() -> NDArray[np.float32]:
    ramp = np.linspace(0.2, 0.7, WIDTH, dtype=np.float32)
    return np.repeat(np.repeat(ramp[None], HEIGHT, 0)[..., None], 3, 2)


def grain_of(strength: float, blur_px: float, seed: int = 0, alike: float = 0.6) -> NDArray[np.float32]:
    """Grain twice as strong in the shadows as in the lights."""
    random = np.random.default_rng(seed)
    own, shared = random.normal(size=(HEIGHT, WIDTH, 3)), random.normal(size=(HEIGHT, WIDTH, 1))
    noise = (alike**0.5 * shared + (1 - alike) ** 0.5 * own).astype(np.float32)
    if blur_px:
        noise = cv2.GaussianBlur(noise, (0, 0), blur_px)
    fall = np.linspace(2.0, 1.0, WIDTH, dtype=np.float32)[None, :, None]
    return np.asarray(strength * fall * noise / noise.std(), np.float32)


NOWHERE = np.zeros((HEIGHT, WIDTH), bool)


def matched_to(
    frame: NDArray[np.float32],
    seed: int = 3,
    neighbour: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
    plate: NDArray[np.float32] | None = None,
) -> Matched | None:
    return match_grain(frame, HOLE, measure_grain(frame, HOLE, neighbour), seed, plate)


def fine(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), 1.0), np.float32)


@pytest.mark.parametrize("blur_px", [0.0, 0.6, 1.0])
def test_a_fill_without_grain_gets_the_plate_s(blur_px: float) -> None:
    plate = graded_wall() + grain_of(0.012, blur_px)
    frame = np.where(HOLE[..., None], graded_wall(), plate)
    matched = matched_to(frame)
    assert matched is not None and matched.before < 0.2 and 0.85 < matched.after < 1.15
    assert np.array_equal(matched.picture[~HOLE], frame[~HOLE])
    made, true = fine(matched.picture), fine(plate)
    inner = np.zeros_like(HOLE)
    inner[40:100, 50:130] = True
    for half in (slice(54, 90), slice(90, 126)):
        np.testing.assert_allclose(made[44:96, half].std((0, 1)), true[44:96, half].std((0, 1)), rtol=0.2)
    np.testing.assert_allclose(np.corrcoef(made[inner].T), np.corrcoef(true[inner].T), atol=0.1)
    one, other = measure_grain(matched.picture, ~inner), measure_grain(plate, ~inner)
    assert one is not None and other is not None
    assert one.blur_px == pytest.approx(other.blur_px, abs=0.1)
    # It is no brighter or darker for it.
    assert abs(float((matched.picture - frame)[HOLE].mean())) < 1e-3


def test_a_fill_that_has_the_plate_s_grain_is_left_nearly_as_it_is() -> None:
    frame = graded_wall() + grain_of(0.012, 0.6)
    matched = matched_to(frame)
    assert matched is not None and matched.before > 0.9
    assert float((matched.picture - frame)[HOLE].std()) < 0.35 * float(fine(frame).std())


def test_half_of_the_grain_is_made_up_to_the_whole_and_detail_is_no_grain() -> None:
    sharp = graded_wall()
    sharp[:, ::30] = 0.95
    frame = sharp + grain_of(0.012, 0.6)
    frame[HOLE] = (sharp + 0.5 * grain_of(0.012, 0.6, seed=1))[HOLE]
    matched = matched_to(frame)
    assert matched is not None
    assert 0.3 < matched.before < 0.75 and 0.8 < matched.after < 1.2


def test_the_same_seed_gives_the_same_grain_and_another_frame_other() -> None:
    frame = np.where(HOLE[..., None], graded_wall(), graded_wall() + grain_of(0.012, 0.6))
    one, again, other = (matched_to(frame, seed) for seed in (3, 3, 4))
    assert one is not None and again is not None and other is not None
    assert np.array_equal(one.picture, again.picture)
    apart, added = (one.picture - other.picture)[HOLE], (one.picture - frame)[HOLE]
    assert apart.std() == pytest.approx(2**0.5 * added.std(), rel=0.1)


def test_where_grain_cannot_be_told_nothing_is_done() -> None:
    frame = graded_wall()
    plate = frame + grain_of(0.012, 0.6)
    assert measure_grain(plate, ~NOWHERE) is None, "nothing but hole"
    assert measure_grain(np.full_like(frame, 0.5), HOLE) is None, "a plate without grain"
    assert match_grain(frame, HOLE, None, 1) is None
    assert match_grain(frame, NOWHERE, measure_grain(plate, HOLE), 1) is None


def test_where_grain_stands_still_none_that_moves_is_put() -> None:
    plate = graded_wall() + grain_of(0.012, 0.6)
    frame = np.where(HOLE[..., None], graded_wall(), plate)
    still = matched_to(frame, neighbour=(plate, HOLE))
    assert still is not None and still.after == pytest.approx(still.before)
    assert np.array_equal(still.picture, frame)
    moving = matched_to(frame, neighbour=(graded_wall() + grain_of(0.012, 0.6, seed=1), HOLE))
    assert moving is not None and moving.after > 0.85


def test_leaves_are_no_grain() -> None:
    """A pan over leaves, where nothing is flat; with the grain of the stock off the truth is known."""
    shots = [
        render_take(StageSpec(seed=7001, num_frames=1, grain=grain), "12A", 2, with_truth=False) for grain in (1, 0)
    ]
    plate, clean = (np.asarray(shot.frames[0], np.float32) / 255 for shot in shots)
    nowhere = np.zeros(plate.shape[:2], bool)
    found, true = measure_grain(plate, nowhere), measure_grain(plate - clean + 0.5, nowhere)
    assert found is not None and true is not None
    assert found.strengths.mean() == pytest.approx(true.strengths.mean(), rel=0.25)
    assert found.blur_px == pytest.approx(true.blur_px, abs=0.11)
    # Detail alone is some times as strong there.
    assert fine(clean).std() > 3 * fine(plate - clean).std()


def test_what_is_clipped_has_no_grain_and_hides_none() -> None:
    plate = np.clip(graded_wall() + grain_of(0.012, 0.6), 0.0, 1.0)
    blown = plate.copy()
    blown[:90] = 1.0
    nowhere = np.zeros(plate.shape[:2], bool)
    found, all_of_it = measure_grain(blown, nowhere), measure_grain(plate, nowhere)
    assert found is not None and all_of_it is not None
    light = np.linspace(0.3, 0.6, 4, dtype=np.float32)[None]
    np.testing.assert_allclose(found.strength_at(light), all_of_it.strength_at(light), rtol=0.25)
    assert found.strength_at(np.ones((1, 1), np.float32)).max() < 1e-6
    sky = np.zeros(plate.shape[:2], bool)
    sky[20:60, 40:100] = True
    assert match_grain(blown, sky, found, 1) is None


def test_what_a_fill_kept_of_the_plate_keeps_its_grain_alone() -> None:
    plate = graded_wall() + grain_of(0.012, 0.6)
    frame = np.where(HOLE[..., None], graded_wall(), plate)
    frame[40:70] = plate[40:70] + 0.02
    matched = matched_to(frame, plate=plate)
    assert matched is not None and matched.before < 0.3 and 0.85 < matched.after < 1.15
    assert np.array_equal(matched.picture[40:68], frame[40:68])
    assert float((matched.picture - frame)[74:96, 54:126].std()) > 0.5 * float((plate - graded_wall())[HOLE].std())


@pytest.mark.parametrize("hidden", [0.0, 0.3, 1.0])
def test_what_hides_the_picture_may_have_no_grain_of_its_own(hidden: float) -> None:
    clean = graded_wall() + grain_of(0.012, 0.6)
    plate, frame = np.where(HOLE[..., None], np.float32(hidden), clean), np.where(HOLE[..., None], graded_wall(), clean)
    matched = matched_to(frame, plate=plate)
    assert matched is not None and matched.before < 0.2 and 0.85 < matched.after < 1.15
    # As much, up to the hole's edge, as where what hides it has the grain of the plate.
    otherwise = matched_to(frame, plate=clean + np.float32(0.1) * HOLE[..., None] * np.sign(grain_of(1.0, 0.0, 5)))
    assert otherwise is not None and np.array_equal(matched.picture, otherwise.picture)
    kept = matched_to(plate, plate=plate)
    assert kept is None
