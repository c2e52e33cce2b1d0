"""Encodings against their makers' published numbers, conversions as round trips, the view against the exact one."""

from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from interpositive.errors import ColourError
from interpositive.media.colour_management import apply_cdl, convert, display_view, exact_view, full_scale
from interpositive.media.encodings import encoding_names, find_encoding
from interpositive.records.cdl import Cdl

GREY = np.full((1, 3), 0.18, np.float32)
# Their curves, or the densities of film, end where their makers defined them.
ENDING = {"canon_log3", "apple_log", "adx10", "adx16"}


def _colours(num: int = 4096) -> np.ndarray:
    """Scene light from deep shadow to 16 times white, some of it outside Rec.709."""
    generator = np.random.default_rng(7)
    level = np.geomspace(1e-4, 16.0, num)[:, None]
    return (level * generator.uniform(0.02, 1.0, (num, 3))).astype(np.float32)


# Codes of 18 % grey: ARRI LogC3 (EI 800) and LogC4, Sony (420 of 1023), RED (1/3), Panasonic (433 of 1023),
# Canon Log 2, Blackmagic (DaVinci), Apple, and Academy S-2016-001.
PUBLISHED = {
    "arri_logc3": 0.3910, "arri_logc4": 0.2784, "sony_slog3_sgamut3cine": 420 / 1023, "red_log3g10_rwg": 1 / 3,
    "panasonic_vlog": 433 / 1023, "canon_log2": 0.3982, "davinci_intermediate": 0.3360, "apple_log": 0.4883,
    "acescct": 0.4136, "linear_rec2020": 0.18,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_grey_card(name: str) -> None:
    assert convert(GREY, "acescg", name) == pytest.approx(PUBLISHED[name], abs=1.5e-4)


def test_primaries_meet_at_their_published_places() -> None:
    # ACES AP1 red in AP0 (Academy S-2014-004), and Rec.709 red in Rec.2020 (ITU-R BT.2087).
    red = np.array([[1.0, 0.0, 0.0]], np.float32)
    assert convert(red, "acescg", "aces2065_1")[0] == pytest.approx([0.6954522, 0.0447946, -0.0055259], abs=1e-5)
    assert convert(red, "linear_rec709", "linear_rec2020")[0] == pytest.approx([0.6274, 0.0691, 0.0164], abs=1e-4)


@pytest.mark.parametrize("name", sorted(set(encoding_names()) - ENDING))
def test_there_and_back(name: str) -> None:
    light = _colours()
    back = convert(convert(light, "acescg", name), name, "acescg")
    peak = light.max(-1, keepdims=True)
    # In deep shadow a code holds light to about a tenth of a millionth of white.
    assert (np.abs(back - light) <= 2e-7 + 1e-5 * peak).all()
    # And codes of a picture, to the bit of a 16-bit plate.
    generator = np.random.default_rng(3)
    codes = (generator.uniform(0.2, 0.9, (4096, 1)) + generator.uniform(-0.1, 0.1, (4096, 3))).astype(np.float32)
    assert np.abs(convert(convert(codes, name, "acescg"), "acescg", name) - codes).max() < 0.5 / 65535


def test_every_half_survives_the_log_of_scene_light() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    light = np.repeat(halves[:, None], 3, -1)
    back = convert(convert(light, "acescg", "acescct"), "acescct", "acescg")
    odd = ~np.isfinite(light)
    np.testing.assert_array_equal(back[odd], light[odd])
    # Below the curve's break it is a straight line, and a code near 0.07 holds light to half a millionth.
    assert (np.abs(back[~odd] - light[~odd]) <= 1e-6 + 1e-5 * np.abs(light[~odd])).all()


def test_what_is_not_finite_stays_in_its_channel() -> None:
    odd = np.array([[np.nan, 0.5, 0.2], [np.inf, 0.5, 0.2], [0.5, -np.inf, 0.2]], np.float32)
    found = convert(odd, "linear_rec709", "acescg")
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(odd))
    assert np.isnan(found[0, 0]) and found[1, 0] == np.inf and found[2, 1] == -np.inf
    shown = display_view(odd, "linear_rec709")
    assert np.isfinite(shown).all() and shown[0, 0] < shown[0, 1] and shown[1].min() > 0.99


def test_codes_are_full_scale_and_never_anything_else() -> None:
    np.testing.assert_array_equal(full_scale(np.array([0, 65535], np.uint16)), [0.0, 1.0])
    for wrong in (np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.float32)):
        with pytest.raises(ColourError, match="float32 RGB"):
            convert(wrong, "acescg", "acescct")


def _cdl_by_hand(codes: np.ndarray, cdl: Cdl) -> np.ndarray:
    graded = np.clip(codes.astype(np.float64) * cdl.slope + cdl.offset, 0.0, 1.0) ** np.array(cdl.power)
    luma = graded @ np.array([0.2126, 0.7152, 0.0722])
    return np.clip(luma[:, None] + cdl.saturation * (graded - luma[:, None]), 0.0, 1.0)


def test_cdl_is_the_standards_and_goes_back() -> None:
    cdl = Cdl(slope=(1.1, 0.9, 1.0), offset=(0.02, -0.01, 0.0), power=(0.9, 1.2, 1.0), saturation=0.8)
    codes = np.random.default_rng(1).uniform(-0.2, 1.2, (4096, 3)).astype(np.float32)
    np.testing.assert_allclose(apply_cdl(codes, cdl), _cdl_by_hand(codes, cdl), atol=2e-6)
    inside = np.random.default_rng(2).uniform(0.1, 0.8, (4096, 3)).astype(np.float32)
    np.testing.assert_allclose(apply_cdl(apply_cdl(inside, cdl), cdl, inverse=True), inside, atol=5e-6)
    with pytest.raises(ColourError, match="taken away"):
        apply_cdl(inside, Cdl(saturation=0.0), inverse=True)


def test_view_of_scene_light_keeps_to_the_exact_output_transform() -> None:
    generator = np.random.default_rng(5)
    log = generator.uniform(0.08, 0.8, (50000, 1)) + generator.normal(0.0, 0.04, (50000, 3))
    light = convert(log.astype(np.float32), "acescct", "arri_logc4")
    error = np.abs(display_view(light, "arri_logc4") - exact_view(light, "arri_logc4"))
    assert np.quantile(error, 0.999) < 1.0 / 255 and error.mean() < 0.1 / 255
    # Diffuse white and grey as the ACES 2 output transform of 100 nits shows them.
    shown = display_view(np.array([[0.18] * 3, [1.0] * 3, [0.0] * 3, [-1.0] * 3], np.float32), "acescg")
    assert shown[:, 1] == pytest.approx([0.3831, 0.7220, 0.0, 0.0], abs=2e-3)


def test_view_of_a_display_converts_between_displays_only() -> None:
    codes = np.array([[0.0, 0.5, 1.0], [1.2, -0.1, 0.25]], np.float32)
    np.testing.assert_array_equal(display_view(codes, "rec709_display"), codes.clip(0, 1))
    # The sRGB curve of IEC 61966-2-1 over BT.1886's power of 2.4.
    light = np.where(codes <= 0.04045, codes / 12.92, (np.maximum(codes, 0) + 0.055) ** 2.4 / 1.055**2.4)
    np.testing.assert_allclose(display_view(codes, "srgb_display"), (light.clip(0, 1)) ** (1 / 2.4), atol=2e-5)


def test_cdl_of_a_view_is_applied_in_acescct() -> None:
    cdl = Cdl(slope=(1.1, 1.0, 0.9), offset=(0.01, 0.0, 0.0), saturation=0.9)
    light = _colours(512)
    graded = convert(_cdl_by_hand(convert(light, "acescg", "acescct"), cdl).astype(np.float32), "acescct", "acescg")
    np.testing.assert_allclose(display_view(light, "acescg", cdl), display_view(graded, "acescg"), atol=2e-3)
    with pytest.raises(ColourError, match="finished picture"):
        display_view(light, "srgb_display", cdl)
    display_view(light, "srgb_display", Cdl(id="nothing"))


def test_names_are_found_or_the_nearest_are_named() -> None:
    assert find_encoding("arri_logc3").kind == "log" and find_encoding("acescg").kind == "linear"
    assert find_encoding("lin_ap1").name == "acescg"
    assert find_encoding("Linear ARRI Wide Gamut 4").of_scene and not find_encoding("rec709_display").of_scene
    with pytest.raises(ColourError, match="arri_logc3"):
        find_encoding("arri_logc")
    for nothing in ("", "Raw"):
        with pytest.raises(ColourError, match="no colour encoding"):
            find_encoding(nothing)


def test_a_photographed_plate_survives_its_log(material: Path) -> None:
    picture = oiio.ImageInput.open(str(material / "interchange" / "exr" / "Carrots.exr"))
    light = np.asarray(picture.read_image(0, 0, 0, 3, oiio.FLOAT), np.float32)
    back = convert(convert(light, "linear_rec709", "acescct"), "acescct", "linear_rec709")
    np.testing.assert_array_equal(back.astype(np.float16).astype(np.float32)[::7], light[::7])
