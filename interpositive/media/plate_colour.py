"""Between a plate's codes and the values that a mini-model works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interpositive.errors import ColourError
from interpositive.media.colour_management import BRIGHTEST, Picture, convert, full_scale
from interpositive.media.contract import Frames
from interpositive.media.encodings import find_encoding

NATIVE = "native"
"""The training encoding that changes nothing: a mini-model sees each plate's codes as they are."""


@dataclass(frozen=True)
class PlateColour:
    """How codes of ``plate``'s encoding (empty: not known) become values in the encoding ``model``, and back.

    Values are finite. Integer codes give [0, 1]; floating-point plates, and linear light, go
    beyond 1 in highlights and below 0 in a camera's noise and outside the gamut, and keep both.
    ``ColourError`` for names that are not known, and for a plate of no known encoding that a
    model wants converted.
    """

    plate: str = ""
    model: str = NATIVE

    def __post_init__(self) -> None:
        for name in (self.plate, self.model):
            if name not in ("", NATIVE):
                find_encoding(name)
        if self.model != NATIVE and not self.plate:
            raise ColourError(
                f"the plate's colour encoding is not known, and the mini-model works in {self.model}",
                found="footage that does not say how its codes become light",
                expected="an encoding by name, such as arri_logc3 or rec709_display",
                remedy="say encoding=<name>, or name it in the production's encodings and ingest again",
            )

    @property
    def converts(self) -> bool:
        """Whether the values differ from the codes at full scale."""
        return self.model != NATIVE and find_encoding(self.model) != find_encoding(self.plate)

    @property
    def values_encoding(self) -> str:
        """The encoding of the values; empty where it is not known."""
        return self.plate if self.model == NATIVE else self.model

    def to_values(self, codes: Frames) -> Picture:
        """Codes ``… h w 3`` as values; NaN and minus infinity count as 0, infinity as the largest half."""
        values = full_scale(codes)
        if codes.dtype.kind == "f":
            # Before it is converted: the largest half of a log encoding is no light that any other pixel has.
            values = _finite(values)
        return _finite(convert(values, self.plate, self.model)) if self.converts else values

    def to_plate(self, values: Picture) -> Picture:
        """Values ``… h w 3`` as the plate's codes at full scale, not rounded and not cut off."""
        return convert(values, self.model, self.plate) if self.converts else values


AS_STORED = PlateColour()
"""Values are the plate's own codes."""


def _finite(values: Picture) -> Picture:
    return np.nan_to_num(values, copy=False, nan=0.0, posinf=BRIGHTEST, neginf=0.0).clip(-BRIGHTEST, BRIGHTEST)
