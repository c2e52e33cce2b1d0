"""What a file itself says of its colour encoding. What it does not say is not known: nothing here guesses.

A tag of BT.709 is read as a finished picture for a BT.1886 display, not as the camera curve
that H.273 defines: editors, graders and cameras' own 709 modes make pictures by eye on such a
display, and hardly any follow that curve. Cameras that record log often write BT.709 all the
same; where their own metadata says log, it is believed instead, and where it says something
that has no name here, the encoding is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    ("arri-wide-gamut-3", "linear"): "Linear ARRI Wide Gamut 3",
    ("arri-wide-gamut-4", "linear"): "Linear ARRI Wide Gamut 4",
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


def encoding_of_movie(colour: ColourTags, metadata: Mapping[str, str]) -> str:
    """The encoding that a movie's tags and its metadata (lower-case keys) say; empty if they do not."""
    if name := _known(metadata.get(ENCODING_KEY)):
        return name
    for key in _CAMERA_KEYS:
        curve = metadata.get(key, "").strip().lower()
        if curve and curve not in _VIDEO_CURVES:
            return _CAMERA_CURVES.get(curve, "")
    return _BY_TAGS.get((colour.primaries, colour.transfer), "")


def encoding_of_frames(primaries: str, transfer: str, said: Mapping[str, Any]) -> str:
    """The encoding that a frame's header says; empty if it does not.

    ``said`` has our own ``encoding``, OpenEXR's ``colorInteropID`` and the ACES container's
    ``acesImageContainerFlag``, as far as they are there; they are trusted before primaries and transfer.
    What OpenImageIO supposes of a format is no word of the file.
    """
    for key in ("encoding", "colorInteropID"):
        if name := _known(said.get(key)):
            return name
    if said.get("acesImageContainerFlag") == 1:
        return "aces2065_1"
    return _BY_TAGS.get((primaries, transfer), "")


def _known(name: Any) -> str:
    if not isinstance(name, str) or not name:
        return ""
    try:
        return find_encoding(name).name
    except ColourError:
        return ""
