"""What a file itself says of its colour encoding. What it does not say is not known: nothing here guesses.

A tag of BT.709 is read as a finished picture for a BT.1886 display, not as the camera curve
that H.273 defines: editors, graders and cameras' own 709 modes make pictures by eye on such a
display, and hardly any follow that curve. Cameras that record log often write BT.709 all the
same; where their own metadata says log, it is believed instead, and where it says something
that has no name here, the encoding is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interpositive.errors import ColourError
from interpositive.media.contract import ColourTags
from interpositive.media.encodings import find_encoding

# By primaries and transfer, in the names of H.273 and of still headers.
_BY_TAGS = {
    ("bt709", "bt709"): "rec709_display",
    ("bt709", "iec61966-2-1"): "srgb_display",
    ("smpte432", "iec61966-2-1"): "displayp3_display",
    ("bt2020", "smpte2084"): "rec2100_pq_display",
    ("bt2020", "arib-std-b67"): "rec2100_hlg_display",
    ("smpte432", "smpte2084"): "p3d65_pq_display",
    ("bt709", "linear"): "linear_rec709",
    ("bt2020", "linear"): "linear_rec2020",
    ("smpte432", "linear"): "linear_p3d65",
    ("ap0", "linear"): "aces2065_1",
    ("ap1", "linear"): "acescg",
}
ENCODING_KEY = "interpositive_encoding"
"""Where our own movies say their encoding, in the metadata of the file."""
# What cameras write beside the H.273 tags of their QuickTime and MP4 files.
_CAMERA_KEYS = ("com.arri.camera.colorgammasxs", "com.dji.camera.colorgammasxs")
_CAMERA_CURVES = {
    "log-c": "arri_logc3",
    "logc": "arri_logc3",
    "logc3": "arri_logc3",
    "log-c3": "arri_logc3",
    "logc4": "arri_logc4",
    "log-c4": "arri_logc4",
    "d-log": "dji_dlog",
}
_VIDEO_CURVES = {"rec.709", "rec-709", "rec709"}
_D65, _ACES_WHITE = (0.3127, 0.329), (0.32168, 0.33767)
# CIE xy of red, green, blue and white.
_LINEAR_BY_CHROMATICITIES = {
    (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, *_ACES_WHITE): "aces2065_1",
    (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, *_ACES_WHITE): "acescg",
    (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, *_D65): "linear_rec709",
    (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *_D65): "linear_p3d65",
    (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, *_D65): "linear_rec2020",
    (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, *_D65): "Linear ARRI Wide Gamut 3",
    (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, *_D65): "Linear ARRI Wide Gamut 4",
}
_CHROMATICITY_TOLERANCE = 1e-3


def encoding_of_movie(colour: ColourTags, metadata: Mapping[str, str]) -> str:
    """The encoding that a movie's tags and its metadata (lower-case keys) say; empty if they do not."""
    if name := _known(metadata.get(ENCODING_KEY)):
        return name
    for key in _CAMERA_KEYS:
        curve = metadata.get(key, "").strip().lower()
        if curve and curve not in _VIDEO_CURVES:
            return _CAMERA_CURVES.get(curve, "")
    return _BY_TAGS.get((colour.primaries, colour.transfer), "")


def encoding_of_frames(
    primaries: str, transfer: str, said: Mapping[str, Any], chromaticities: Sequence[float] | None
) -> str:
    """The encoding that a frame's header says; empty if it does not.

    ``said`` has our own ``encoding``, OpenEXR's ``colorInteropID`` and the ACES container's
    ``acesImageContainerFlag``, as far as they are there. In order of trust: those three, the
    chromaticities of scene light, H.273 tags. What OpenImageIO supposes of a format is no word of the file.
    """
    for key in ("encoding", "colorInteropID"):
        if name := _known(said.get(key)):
            return name
    if said.get("acesImageContainerFlag") == 1:
        return "aces2065_1"
    if transfer == "linear" and chromaticities is not None:
        return _by_chromaticities(chromaticities)
    return _BY_TAGS.get((primaries, transfer), "")


def _known(name: Any) -> str:
    if not isinstance(name, str) or not name:
        return ""
    try:
        return find_encoding(name).name
    except ColourError:
        return ""


def _by_chromaticities(found: Sequence[float]) -> str:
    for known, name in _LINEAR_BY_CHROMATICITIES.items():
        if len(found) == len(known) and all(
            abs(a - b) <= _CHROMATICITY_TOLERANCE for a, b in zip(found, known, strict=True)
        ):
            return name
    return ""
