"""Noise on the plate: white, normal, and at home where it lies."""

import numpy as np
import pytest

from interpositive.functional.plate_noise import noise_through, plate_noise


def normal_and_white(field: np.ndarray) -> None:
    """``h w``: mean, variance and kurtosis of a normal field, and no correlation of neighbours."""
    bound = 5.0 / np.sqrt(field.size)
    assert abs(field.mean()) < bound and abs(field.var() - 1) < 2 * bound
    assert abs((field**4).mean() / field.var() ** 2 - 3) < 10 * bound
    for axis in (0, 1):
        one, two = np.moveaxis(field, axis, 0)[1:], np.moveaxis(field, axis, 0)[:-1]
        assert abs((one * two).mean()) < bound


def test_the_field_is_normal_white_and_another_for_each_seed_and_channel() -> None:
    field, other = (plate_noise(seed, range(-150, 150), range(40, 340)) for seed in (7, 8))
    for channel in field:
        normal_and_white(channel)
    for one, two in ((field[0], field[1]), (field[1], field[2]), (field[0], other[0])):
        assert abs((one * two).mean()) < 5 / np.sqrt(one.size)


def test_a_place_has_its_number_whoever_asks() -> None:
    wide = plate_noise(3, range(-20, 60), range(-10, 90))
    np.testing.assert_array_equal(plate_noise(3, range(5, 25), range(30, 50)), wide[:, 25:45, 40:60])


def test_a_camera_that_moves_by_whole_pixels_sees_the_same_noise_elsewhere() -> None:
    still = noise_through(3, np.eye(3), 40, 60)
    moved = noise_through(3, np.asarray([[1, 0, 7], [0, 1, -4], [0, 0, 1.0]]), 40, 60)
    np.testing.assert_array_equal(still, plate_noise(3, range(40), range(60)))
    np.testing.assert_array_equal(moved[:, 4:, :-7], still[:, :-4, 7:])


@pytest.mark.parametrize("zoom", [0.4, 0.93, 1.7])
def test_what_a_frame_sees_is_white_near_and_far(zoom: float) -> None:
    turned = zoom * np.asarray([[0.98, -0.2, 3.3], [0.2, 0.98, 9.1], [0, 0, 1 / zoom]])
    for channel in noise_through(11, turned, 220, 260):
        normal_and_white(channel)
