"""A primary grade as the ASC Color Decision List (version 1.2) writes it: slope, offset, power, saturation."""

from __future__ import annotations

import math
import re
from typing import Any

from interpositive.errors import ColourError
from interpositive.records.base import Record

Triple = tuple[float, float, float]
_GROUP = re.compile(r"\(([^()]*)\)")


class Cdl(Record):
    """One ASC CDL grade; as it stands it changes nothing.

    ``(code · slope + offset) ^ power`` for red, green and blue, then ``saturation`` about Rec.709
    luma. Slope and saturation are 0 or more, power more than 0, all finite: ``ColourError`` else.
    ``id`` and ``description`` are the file's own words. The numbers mean nothing without the
    encoding they were dialled in.
    """

    slope: Triple = (1.0, 1.0, 1.0)
    offset: Triple = (0.0, 0.0, 0.0)
    power: Triple = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    id: str = ""
    description: str = ""

    def __init__(self, **fields: Any) -> None:
        # Not a validator: pydantic would wrap the error in its own, which speaks to programmers.
        super().__init__(**fields)
        self._refuse("slope", self.slope, 0.0, "0 or more")
        self._refuse("offset", self.offset, -math.inf, "finite")
        self._refuse("power", self.power, math.ulp(0.0), "more than 0")
        self._refuse("saturation", (self.saturation,), 0.0, "0 or more")

    def _refuse(self, name: str, values: tuple[float, ...], least: float, expected: str) -> None:
        if not all(math.isfinite(value) and value >= least for value in values):
            raise ColourError(
                f"the ASC CDL allows no such {name}",
                found=f"{name} {_text(values)}" + (f" in {self.id}" if self.id else ""),
                expected=f"{name} {expected}",
                remedy="export the grade again as ASC CDL",
            )

    @property
    def is_identity(self) -> bool:
        """Whether the grade changes nothing."""
        return self.model_copy(update={"id": "", "description": ""}) == Cdl()

    @property
    def sop_text(self) -> str:
        """Slope, offset and power as an EDL's ``ASC_SOP`` and an ALE column have them."""
        return "".join(f"({_text(part)})" for part in (self.slope, self.offset, self.power))

    @property
    def sat_text(self) -> str:
        """Saturation as ``ASC_SAT`` has it."""
        return _text((self.saturation,))


def cdl_from_text(sop: str = "", sat: str = "", *, id: str = "") -> Cdl:
    """Read a grade from the text of ``ASC_SOP`` and ``ASC_SAT``, such as ``(1 1 1)(0 0 0)(1 1 1)`` and ``0.9``.

    Spaces or commas part the numbers; a fourth group in ``sop`` is the saturation, as some ALE
    columns have it. What is empty changes nothing. ``ColourError`` for anything else.
    """
    groups = [_numbers(group, sop) for group in _GROUP.findall(sop)]
    if _GROUP.sub("", sop).strip(" ,\t") or [len(group) for group in groups] not in ([], [3, 3, 3], [3, 3, 3, 1]):
        raise ColourError(
            "this is no ASC CDL slope, offset and power",
            found=sop.strip(),
            expected="three numbers in each of three brackets, as (1 1 1)(0 0 0)(1 1 1)",
        )
    saturations = [group[0] for group in groups[3:]] + _numbers(sat.strip("() \t"), sat)
    if (len(saturations) > 1 and len(set(saturations)) > 1) or len(saturations) > 2:
        raise ColourError("a grade has one saturation", found=f"{sop} {sat}".strip(), expected="one number")
    grade: dict[str, Any] = dict(zip(("slope", "offset", "power"), groups[:3], strict=False))
    return Cdl(id=id, saturation=saturations[0] if saturations else 1.0, **grade)


def _text(values: tuple[float, ...]) -> str:
    return " ".join(str(value) for value in values)


def _numbers(text: str, whole: str) -> list[float]:
    try:
        return [float(part) for part in re.split(r"[\s,]+", text.strip()) if part]
    except ValueError:
        raise ColourError("this is no number of an ASC CDL", found=whole.strip(), expected="decimal numbers") from None
