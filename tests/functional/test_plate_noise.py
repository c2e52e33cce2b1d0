"""Noise on the plate: white, normal, and at home where it lies."""

import numpy as np

from interpositive.functional.plate_noise import plate_noise


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
