"""What a camera says of the encoding of its picture, in our names: a suggestion, as footage may have been converted."""

from __future__ import annotations

from interpositive.dailies.take import Take
from interpositive.records.camera_data import CameraSettings

# By the camera's own words for curve and gamut, in small letters; an empty gamut is one that the curve implies.
_ENCODINGS = {
    ("log-c", ""): "arri_logc3",
    ("log-c3", ""): "arri_logc3",
    ("log-c4", ""): "arri_logc4",
    ("log3g10", "redwidegamutrgb"): "red_log3g10_rwg",
    ("blackmagic design film gen 5", "blackmagic design"): "bmd_film_gen5",
}


def suggested_encoding(settings: CameraSettings) -> str:
    """The encoding that the camera recorded in; empty where it says none that has a name here."""
    return _ENCODINGS.get((settings.curve.lower(), settings.gamut.lower()), "")


def encoding_notes(settings: CameraSettings, take: Take) -> list[str]:
    """What to do about it: name it where nobody has, look twice where the take counts as something else."""
    suggested = suggested_encoding(settings)
    said = " ".join(filter(None, (settings.curve, settings.gamut)))
    if not suggested or suggested == take.encoding:
        return []
    if not take.encoding:
        named = f'encodings: {{"{take.name}": {suggested}}}'
        return [f"the camera recorded {said}: if it was not converted since, name it, {named}"]
    counted = f"{take.encoding} ({take.encoding_source})"
    return [f"the camera recorded {said} ({suggested}), while the take counts as {counted}"]
