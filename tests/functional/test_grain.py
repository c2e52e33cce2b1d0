"""Grain that a fill lacks is made up: as strong, as coarse and as alike in its channels as that of the plate around."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from interpositive.functional.grain import match_grain, measure_grain

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


def fine(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), 1.0), np.float32)


@pytest.mark.parametrize("blur_px", [0.0, 0.6, 1.0])
def test_a_fill_without_grain_gets_the_plate_s(blur_px: float) -> None:
    plate = graded_wall() + grain_of(0.012, blur_px)
    frame = np.where(HOLE[..., None], graded_wall(), plate)
    matched = match_grain(frame, HOLE, seed=3)
    assert matched is not None and matched.before < 0.2 and 0.85 < matched.after < 1.15
    assert np.array_equal(matched.picture[~HOLE], frame[~HOLE])
    made, true = fine(matched.picture), fine(plate)
    inner = np.zeros_like(HOLE)
    inner[44:96, 54:126] = True
    for half in (slice(54, 90), slice(90, 126)):
        np.testing.assert_allclose(made[44:96, half].std((0, 1)), true[44:96, half].std((0, 1)), rtol=0.2)
    np.testing.assert_allclose(np.corrcoef(made[inner].T), np.corrcoef(true[inner].T), atol=0.1)
    one, other = measure_grain(matched.picture, inner), measure_grain(plate, inner)
    assert one is not None and other is not None
    assert one.beside == pytest.approx(other.beside, abs=0.12)
    # It is no brighter or darker for it.
    assert abs(float((matched.picture - frame)[HOLE].mean())) < 1e-3


def test_a_fill_that_has_the_plate_s_grain_is_left_nearly_as_it_is() -> None:
    frame = graded_wall() + grain_of(0.012, 0.6)
    matched = match_grain(frame, HOLE, seed=3)
    assert matched is not None and matched.before > 0.9
    assert float((matched.picture - frame)[HOLE].std()) < 0.35 * float(fine(frame).std())


def test_half_of_the_grain_is_made_up_to_the_whole_and_detail_is_no_grain() -> None:
    sharp = graded_wall()
    sharp[:, ::30] = 0.95
    frame = sharp + grain_of(0.012, 0.6)
    frame[HOLE] = (sharp + 0.5 * grain_of(0.012, 0.6, seed=1))[HOLE]
    matched = match_grain(frame, HOLE, seed=3)
    assert matched is not None
    assert 0.3 < matched.before < 0.75 and 0.8 < matched.after < 1.2


def test_the_same_seed_gives_the_same_grain_and_another_frame_other() -> None:
    frame = np.where(HOLE[..., None], graded_wall(), graded_wall() + grain_of(0.012, 0.6))
    one, again, other = (match_grain(frame, HOLE, seed) for seed in (3, 3, 4))
    assert one is not None and again is not None and other is not None
    assert np.array_equal(one.picture, again.picture)
    apart, added = (one.picture - other.picture)[HOLE], (one.picture - frame)[HOLE]
    assert apart.std() == pytest.approx(2**0.5 * added.std(), rel=0.1)


def test_where_grain_cannot_be_told_nothing_is_done() -> None:
    frame = graded_wall()
    assert match_grain(frame, np.zeros_like(HOLE), 1) is None
    assert match_grain(frame, np.ones_like(HOLE), 1) is None
    assert match_grain(np.full_like(frame, 0.5), HOLE, 1) is None, "a plate without grain"


def test_where_grain_stands_still_none_that_moves_is_put() -> None:
    plate = graded_wall() + grain_of(0.012, 0.6)
    frame = np.where(HOLE[..., None], graded_wall(), plate)
    still = match_grain(frame, HOLE, seed=3, neighbour=(plate, HOLE))
    assert still is not None and still.after == pytest.approx(still.before)
    assert np.array_equal(still.picture, frame)
    moving = match_grain(frame, HOLE, seed=3, neighbour=(graded_wall() + grain_of(0.012, 0.6, seed=1), HOLE))
    assert moving is not None and moving.after > 0.85
