"""What every reader of camera reports promises, and the checks that all of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from interpositive.errors import PaperworkError, TimecodeError
from interpositive.records.camera_data import CameraReport
from interpositive.records.identity import exact_rate, rate_text
from interpositive.records.timecode import frames_per_day, is_drop_frame, timecode_to_frame

MOST_BYTES = 64 << 20
HEAD_BYTES = 4096


@dataclass(frozen=True)
class ReportFamily:
    """One maker's report: told by its first bytes, read from all of them.

    ``read(content, file_name)`` gives the report or raises ``PaperworkError`` with the line at fault.
    """

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[bytes, str], CameraReport]


def refuse(file: str, what: str, line: int | None = None, **details: object) -> PaperworkError:
    """An error over one report, with its line where there is one; to be raised by the caller."""
    where = f"{file}, line {line}" if line is not None else file
    remedy = str(details.pop("remedy", "export the report again from the camera maker's tool"))
    return PaperworkError(f"{where}: {what}", remedy=remedy, **details)


def text_of(content: bytes, file: str) -> str:
    """The report's text, which must be UTF-8 without binary zeros; UTF-16 is read where it is marked."""
    marked_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if marked_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refuse(
            file,
            "the text is not UTF-8",
            line,
            found=f"byte {content[error.start]:#04x}",
            expected="UTF-8, or UTF-16 with a byte order mark",
            remedy="save the report as UTF-8",
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise refuse(file, "a binary zero in the text", line, expected="text", remedy="copy the report again")
    return text


def as_rate(text: str) -> Fraction | None:
    """Frames a second from a decimal such as ``23.976``, exact; None for what is no frame rate."""
    try:
        return exact_rate(text)
    except TimecodeError:
        return None


def rate_said(rate: Fraction | None) -> str:
    """A rate as records keep it; empty where the report says none."""
    return "" if rate is None else rate_text(rate)


def check_labels(labels: Sequence[str], lines: Sequence[int], rate: Fraction, file: str) -> tuple[str, ...]:
    """Refuse timecodes that repeat or run backwards; gives a note for each hole. Midnight may be crossed."""
    notes: list[str] = []
    before: tuple[str, int] | None = None
    for label, line in zip(labels, lines, strict=True):
        try:
            frame = timecode_to_frame(label, rate)
        except TimecodeError as error:
            raise refuse(file, error.what, line, found=error.found, expected=error.expected) from None
        if before is not None:
            day = frames_per_day(rate, is_drop_frame(label))
            step = (frame - before[1]) % day
            if step == 0:
                raise refuse(file, "a frame is given twice", line, found=label, expected="each timecode once")
            if step > day // 2:
                raise refuse(
                    file,
                    "timecode runs backwards",
                    line,
                    found=f"{label} after {before[0]}",
                    expected="rising timecode",
                )
            if step > 1:
                notes.append(f"{step - 1} frames are left out before {label}")
        before = label, frame
    return tuple(notes)


def is_timecode(cell: str) -> bool:
    """Whether a cell is written as a timecode."""
    return _TIMECODE.fullmatch(cell) is not None


def number_of(cell: str) -> float | None:
    """A plain number; None for an empty cell, dashes or words."""
    return float(cell) if _NUMBER.fullmatch(cell.strip()) else None


def quantity_of(cell: str, units: Mapping[str, float], file: str, line: int) -> float | None:
    """A number times what its unit stands for, ``50mm`` being 0.05 in ``LENGTHS``; None for an empty cell or dashes.

    A number whose unit is not among ``units`` is refused: a lens that is focused at 3 might be so in metres or feet.
    """
    match = _QUANTITY.fullmatch(cell)
    if match is None:
        return None
    factor = units.get(match["unit"].lower())
    if factor is None:
        raise refuse(file, "the unit is not known", line, found=cell, expected=", ".join(filter(None, units)))
    return float(match["number"]) * factor


METRES = {
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), 1.0),
    **{"cm": 0.01, "mm": 0.001},
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
    **dict.fromkeys(("in", "inch", "inches"), 0.0254),
}
MILLIMETRES = {"": 1.0, "mm": 1.0, "cm": 10.0}
_TIMECODE = re.compile(r"\d\d:\d\d:\d\d[:;]\d\d", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_QUANTITY = re.compile(rf"\s*(?P<number>{_NUMBER.pattern})\s*(?P<unit>[a-zA-Z°]*)\s*", re.ASCII)
