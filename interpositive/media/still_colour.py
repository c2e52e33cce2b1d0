"""What the headers of still pictures say about colour, and how delivered headers say the same.

Names of primaries and transfers are those of ITU-T H.273 where it has one, as
movies use them; ``ap0`` and ``ap1`` are the ACES primaries (SMPTE ST 2065-1,
S-2014-004), ``arri-wide-gamut-3`` and ``-4`` those of ARRI's cameras,
``printing-density`` is film density (SMPTE ST 268). What a header does not say
is ``unknown``; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN = "unknown"

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""CIE xy of red, green, blue and white, in this order."""

_D65 = (0.3127, 0.3290)
_ACES_WHITE = (0.32168, 0.33767)
CHROMATICITIES: Mapping[str, Chromaticities] = {
    "bt709": (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65),
    "bt2020": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    "smpte431": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    "smpte432": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    "ap0": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, *_ACES_WHITE),
    "ap1": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, *_ACES_WHITE),
    "arri-wide-gamut-3": (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, *_D65),
    "arri-wide-gamut-4": (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, *_D65),
}
# Rounded in single precision, and by hand in old files.
_NEAR = 1e-3

_DPX_TRANSFERS = {
    "Linear": "linear",
    "Printing density": "printing-density",
    "Logarithmic": "logarithmic",
    "SMPTE 274M": "bt709",
    "ITU-R 709-4": "bt709",
    "ITU-R 601-5 system B or G": "bt470bg",
    "ITU-R 601-5 system M": "smpte170m",
}
_DPX_PRIMARIES = {
    "SMPTE 274M": "bt709",
    "ITU-R 709-4": "bt709",
    "ITU-R 601-5 system B or G": "bt470bg",
    "ITU-R 601-5 system M": "smpte170m",
}
_DPX_WRITTEN = {"linear": "Linear", "printing-density": "Printing density", "logarithmic": "Logarithmic"} | {
    "bt709": "ITU-R 709-4",
    "bt470bg": "ITU-R 601-5 system B or G",
    "smpte170m": "ITU-R 601-5 system M",
}
# Coding-independent code points (ITU-T H.273), as the cICP chunk of PNG holds them.
_CODE_POINTS = {
    "primaries": {"bt709": 1, "bt470bg": 5, "smpte170m": 6, "bt2020": 9, "smpte431": 11, "smpte432": 12},
    "transfer": {
        "bt709": 1,
        "bt470bg": 5,
        "smpte170m": 6,
        "linear": 8,
        "iec61966-2-1": 13,
        "smpte2084": 16,
        "arib-std-b67": 18,
    },
}


def name_of_primaries(chromaticities: Chromaticities | None) -> str:
    """Name the primaries and white of these chromaticities; ``unknown`` where they are none of the known ones."""
    if chromaticities is None:
        return UNKNOWN
    for name, known in CHROMATICITIES.items():
        if all(abs(found - expected) <= _NEAR for found, expected in zip(chromaticities, known, strict=True)):
            return name
    return UNKNOWN


def read_still_colour(spec: Any, format_name: str) -> tuple[str, str, Chromaticities | None]:
    """Primaries, transfer and chromaticities that an OpenImageIO header says, in its format's own fields.

    EXR is scene-linear by its specification. Cineon holds printing density by definition.
    """
    if format_name == "openexr":
        stored = spec.getattribute("chromaticities")
        chromaticities = tuple(float(value) for value in stored) if stored is not None and len(stored) == 8 else None
        return name_of_primaries(chromaticities), "linear", chromaticities  # type: ignore[arg-type,return-value]
    if format_name == "dpx":
        return (
            _DPX_PRIMARIES.get(str(spec.getattribute("dpx:Colorimetric")), UNKNOWN),
            _DPX_TRANSFERS.get(str(spec.getattribute("dpx:Transfer")), UNKNOWN),
            None,
        )
    if format_name == "cineon":
        return UNKNOWN, "printing-density", None
    points = spec.getattribute("CICP")
    if points is None:
        return UNKNOWN, UNKNOWN, None
    primaries, transfer = (
        next((name for name, point in _CODE_POINTS[what].items() if point == int(points[place])), UNKNOWN)
        for place, what in enumerate(("primaries", "transfer"))
    )
    return primaries, transfer, None


def dpx_colour(primaries: str, transfer: str) -> tuple[str, str]:
    """The colorimetric and transfer fields of a DPX header (SMPTE ST 268) for these names."""
    user = "User defined"
    colorimetric = _DPX_WRITTEN.get(primaries, user) if primaries in _DPX_PRIMARIES.values() else user
    return colorimetric, _DPX_WRITTEN.get(transfer, user)


def png_code_points(primaries: str, transfer: str) -> tuple[int, int, int, int] | None:
    """The cICP chunk of a full-range RGB PNG; None unless both names have a code point."""
    points = _CODE_POINTS["primaries"].get(primaries), _CODE_POINTS["transfer"].get(transfer)
    return None if points[0] is None or points[1] is None else (points[0], points[1], 0, 1)
