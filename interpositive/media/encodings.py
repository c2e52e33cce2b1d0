"""The names of colour encodings: how codes become light, each tied to a colour space of one pinned OpenColorIO config.

The config is one that OpenColorIO carries inside, chosen by its full name, so that
a newer library gives the same pictures. Besides the short names below, every
colour space of that config is known by its own name or alias.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import PyOpenColorIO as ocio

from interpositive.errors import ColourError

CONFIG_NAME = "studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
WORKING_SPACE = "acescg"
REVIEW_DISPLAY = "rec709_display"
"""What pictures are shown in and perceptual metrics look at: a BT.1886 monitor with Rec.709 primaries."""

Kind = Literal["display", "log", "linear", "video"]

_SHORT_NAMES = {
    # Camera log. LogC3 is the curve of EI 800, as ARRI's own transforms use for every exposure index.
    "arri_logc3": "ARRI LogC3 (EI800)",
    "arri_logc4": "ARRI LogC4",
    "sony_slog3_sgamut3": "S-Log3 S-Gamut3",
    "sony_slog3_sgamut3cine": "S-Log3 S-Gamut3.Cine",
    "sony_slog3_venice_sgamut3": "S-Log3 Venice S-Gamut3",
    "sony_slog3_venice_sgamut3cine": "S-Log3 Venice S-Gamut3.Cine",
    "red_log3g10_rwg": "Log3G10 REDWideGamutRGB",
    "panasonic_vlog": "V-Log V-Gamut",
    "canon_log2": "CanonLog2 CinemaGamut D55",
    "canon_log3": "CanonLog3 CinemaGamut D55",
    "bmd_film_gen5": "BMDFilm WideGamut Gen5",
    "davinci_intermediate": "DaVinci Intermediate WideGamut",
    "apple_log": "Apple Log",
    "dji_dlog": "D-Log D-Gamut",
    # ACES and film scans in its densities.
    "acescct": "ACEScct",
    "acescc": "ACEScc",
    "adx10": "ADX10",
    "adx16": "ADX16",
    "acescg": "ACEScg",
    "aces2065_1": "ACES2065-1",
    "linear_rec709": "Linear Rec.709 (sRGB)",
    "linear_p3d65": "Linear P3-D65",
    "linear_rec2020": "Linear Rec.2020",
    # Finished pictures, by the display they were made on.
    "rec709_display": "Rec.1886 Rec.709 - Display",
    "srgb_display": "sRGB - Display",
    "displayp3_display": "Display P3 - Display",
    "p3d65_display": "P3-D65 - Display",
    "p3d65_pq_display": "ST2084-P3-D65 - Display",
    "rec2100_pq_display": "Rec.2100-PQ - Display",
    "rec2100_hlg_display": "Rec.2100-HLG - Display",
    # Scene light under a video curve: a camera's BT.709, a painted texture.
    "rec709_camera": "Camera Rec.709",
    "srgb_texture": "sRGB Encoded Rec.709 (sRGB)",
}


@dataclass(frozen=True)
class ColourEncoding:
    """One way that codes become light.

    ``name`` is what we print, ``colour_space`` OpenColorIO's name. ``kind`` is ``"log"`` or
    ``"linear"`` scene light, ``"video"`` scene light under a video curve, or ``"display"``:
    light of a screen, whose picture is finished.
    """

    name: str
    colour_space: str
    kind: Kind

    @property
    def of_scene(self) -> bool:
        """Whether codes stand for light in front of the camera, so that a view is needed to look at them."""
        return self.kind != "display"


@cache
def ocio_config() -> ocio.Config:
    """The pinned config; ``ColourError`` where this OpenColorIO does not carry it."""
    try:
        return ocio.Config.CreateFromBuiltinConfig(CONFIG_NAME)
    except ocio.Exception as error:
        raise ColourError(
            "this OpenColorIO lacks the colour config that results depend on",
            found=f"OpenColorIO {ocio.__version__}: {error}",
            expected=CONFIG_NAME,
            remedy="install opencolorio 2.5 or newer",
        ) from error


@cache
def find_encoding(name: str) -> ColourEncoding:
    """The encoding of this name; ``ColourError`` with the nearest names if there is none."""
    space = ocio_config().getColorSpace(_SHORT_NAMES.get(name, name))
    if not name.strip() or space is None or space.isData():
        near = difflib.get_close_matches(name.lower(), encoding_names(), 5, 0.4)
        raise ColourError(
            "there is no colour encoding of this name",
            found=name or "an empty name",
            expected=", ".join(near or encoding_names()),
            remedy=f"use one of these, or a colour space of {CONFIG_NAME} by its own name",
        )
    return ColourEncoding(_short_name(space.getName()), space.getName(), _kind(space))


def encoding_names() -> list[str]:
    """The short names, as they are printed."""
    return list(_SHORT_NAMES)


@contextmanager
def listening_to_ocio() -> Iterator[list[str]]:
    """Collect what OpenColorIO says in the body, which is printed otherwise."""
    lines: list[str] = []
    ocio.SetLoggingFunction(lines.append)
    try:
        yield lines
    finally:
        ocio.ResetToDefaultLoggingFunction()


def _short_name(colour_space: str) -> str:
    return next((short for short, space in _SHORT_NAMES.items() if space == colour_space), colour_space)


def _kind(space: ocio.ColorSpace) -> Kind:
    if space.getReferenceSpaceType() == ocio.ReferenceSpaceType.REFERENCE_SPACE_DISPLAY:
        return "display"
    kinds: dict[str, Kind] = {"log": "log", "scene-linear": "linear"}
    return kinds.get(space.getEncoding(), "video")
