import numpy as np
import pytest

from interpositive.errors import ColourError
from interpositive.media.colour_management import convert
from interpositive.media.plate_colour import PlateColour


def test_native_values_are_the_codes() -> None:
    codes = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    values = PlateColour("rec709_display").to_values(codes)
    np.testing.assert_array_equal(values, codes.astype(np.float32) / np.float32(255))
    assert PlateColour("rec709_display").to_plate(values) is values
    assert not PlateColour("acescg", "lin_ap1").converts


def test_highlights_of_a_linear_plate_are_kept_and_oddities_are_numbers() -> None:
    codes = np.array([[[0.18, 40.0, -0.1], [np.nan, np.inf, -np.inf]]], np.float32)
    np.testing.assert_array_equal(PlateColour().to_values(codes), np.float32([[[0.18, 40, -0.1], [0, 65504, 0]]]))
    colour = PlateColour("acescg", "acescct")
    values = colour.to_values(codes[:, :1])
    assert values.max() < 1.0
    darkest, brightest = convert(np.float32([[0.0] * 3, [65504.0] * 3]), "acescg", "acescct")[:, 0]
    strange = colour.to_values(codes[:, 1:])[0, 0]
    assert darkest - 0.1 < strange.min() and strange.max() <= brightest + 0.1 < 2.0
    assert colour.to_plate(values)[0, 0] == pytest.approx([0.18, 40.0, -0.1], rel=1e-5)


def test_camera_codes_come_back_to_the_bit_of_sixteen() -> None:
    codes = (np.linspace(0.1, 0.95, 4096)[:, None] * 65535 + np.array([0, 900, -700])).astype(np.uint16)
    for model in ("acescct", "acescg", "sony_slog3_sgamut3"):
        colour = PlateColour("arri_logc3", model)
        back = np.rint(colour.to_plate(colour.to_values(codes)) * 65535)
        np.testing.assert_array_equal(back, codes)
    np.testing.assert_array_equal(
        PlateColour("arri_logc3", "acescg").to_values(codes),
        convert(codes.astype(np.float32) / np.float32(65535), "arri_logc3", "acescg"),
    )


def test_a_plate_that_says_nothing_is_asked_about() -> None:
    with pytest.raises(ColourError, match="say encoding=<name>"):
        PlateColour("", "acescct")
    for names in (("rec_709", "native"), ("", "acesct")):
        with pytest.raises(ColourError, match="no colour encoding"):
            PlateColour(*names)
