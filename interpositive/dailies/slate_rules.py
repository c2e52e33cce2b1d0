"""Reading the slate from file names and from a ``slates.csv`` beside the footage."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interpositive.dailies.inside import path_inside
from interpositive.dailies.take_marks import TakeMarks
from interpositive.errors import ConfigError, MediaError
from interpositive.records.slates import Slate

SIDECAR_NAME = "slates.csv"
SIDECAR_COLUMNS = ("file", "scene", "take", "camera", "roll", "reel", "start_timecode")
# What script supervisors' and camera assistants' programs call these columns.
_COLUMN_ALIASES = {
    **dict.fromkeys(("filename", "file name", "source file", "clip", "clip name"), "file"),
    **dict.fromkeys(("cam", "camera letter"), "camera"),
    **dict.fromkeys(("camera roll", "cam roll", "camroll"), "roll"),
    **dict.fromkeys(("tape", "reel name"), "reel"),
    **dict.fromkeys(("start", "start tc", "tc in", "start timecode"), "start_timecode"),
}
_GROUPS = frozenset(Slate.model_fields)

DEFAULT_PATTERNS: tuple[str, ...] = (
    # 12A_T01_A_R03, 12A-T1, 101_12A_T01_B
    r"^(?P<scene>[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*?)[_-]T(?P<take>\d{1,3})"
    + r"(?:[_-](?P<camera>[A-Z]))?(?:[_-]R(?P<roll>[A-Za-z0-9]+))?$",
    # A003C012_240131_R1AB: camera letter, magazine, running number; the camera knows no scene
    r"^(?P<roll>(?P<camera>[A-Z])\d{3,4})[_]?C(?P<take>\d{3,4})(?:_.*)?$",
    # scene12A_take3_camB_roll4, sc12_tk3
    r"^(?i:sc(?:ene)?)[_-]?(?P<scene>[A-Za-z0-9]+)[_-](?i:t(?:a?ke?)?)[_-]?(?P<take>\d{1,3})"
    + r"(?:[_-](?i:cam(?:era)?)[_-]?(?P<camera>[A-Za-z]))?"
    + r"(?:[_-](?i:r(?:oll)?)[_-]?(?P<roll>[A-Za-z0-9]+))?$",
    # 42-3, 42A-3-B: scene, take and camera as they are chalked
    r"^(?P<scene>\d{1,3}[A-Z]{0,2})-(?P<take>\d{1,2})(?:-(?P<camera>[A-Z]))?$",
)


class SlateRules:
    """Naming rules of a production: regular expressions with named groups, tried in order.

    Each pattern is matched against the file's stem (a sequence's folder name)
    and may name the groups ``scene``, ``take``, ``camera`` and ``roll``.
    Raises ``ConfigError`` for a pattern that does not compile or names others.
    """

    def __init__(self, patterns: Sequence[str] = DEFAULT_PATTERNS) -> None:
        self.patterns = tuple(patterns)
        self._compiled = tuple(_compile(pattern) for pattern in self.patterns)

    def read(self, path: Path) -> Slate | None:
        """The slate that the first matching rule reads from the name; None if no rule matches."""
        stem = _stem(path)
        for pattern in self._compiled:
            if found := pattern.match(stem):
                return Slate(**{key: value or "" for key, value in found.groupdict().items()})
        return None

    def slate_for(self, path: Path) -> Slate:
        """The slate read from the name; a plain name is its own scene, take 1."""
        return self.read(path) or Slate(scene=_stem(path), take="1")


def _stem(path: Path) -> str:
    return path.stem if path.suffix else path.name


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError("a slate rule is not a regular expression", found=f"{pattern!r}: {error}") from None
    if not compiled.groupindex or set(compiled.groupindex) - _GROUPS:
        raise ConfigError(
            "a slate rule must name what it reads",
            found=f"{pattern!r} with groups {sorted(compiled.groupindex)}",
            expected="named groups out of scene, take, camera, roll, such as (?P<scene>[0-9]+[A-Z]?)",
        )
    return compiled


@dataclass(frozen=True)
class SlateSheet:
    """A slates.csv: ``slates`` and ``marks`` by path, and the rows ``refused`` as (line number, reason)."""

    path: Path
    marks: dict[Path, TakeMarks] = field(default_factory=dict)
    slates: dict[Path, Slate] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)


def read_slate_sheet(path: Path) -> SlateSheet:
    """Read a ``slates.csv`` with the columns file, scene, take, camera, roll, reel, start_timecode.

    Columns may be called as other programs do (``Clip Name``, ``Camera Roll``, ``Start TC``).
    ``file`` is relative to the folder of the sheet; scene and take are needed,
    the others may be empty or left out. A bad row is refused with its
    line number and the others are used; a bad header refuses the whole sheet.
    """
    sheet = SlateSheet(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        sheet.refused.append((1, f"not readable as UTF-8 text: {error}"))
        return sheet
    rows = _cells(sheet, text)
    _, named = next(rows, (1, []))
    header = [name.lower() for name in named]
    header = [_COLUMN_ALIASES.get(name, name) for name in header]
    unknown, lacking = set(header) - set(SIDECAR_COLUMNS), {"file", "scene", "take"} - set(header)
    if unknown or lacking or len(set(header)) != len(header):
        sheet.refused.append((1, f"the header is {','.join(header)!r}, expected {','.join(SIDECAR_COLUMNS)!r}"))
        return sheet
    for line, cells in rows:
        if any(cells):
            _read_row(sheet, line, header, cells)
    return sheet


def _cells(sheet: SlateSheet, text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row, up to one that is none, which is refused."""
    rows = csv.reader(text.splitlines())
    try:
        for cells in rows:
            yield rows.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        sheet.refused.append((rows.line_num, f"no row of a table: {error}"))


def _read_row(sheet: SlateSheet, line: int, header: list[str], cells: list[str]) -> None:
    if len(cells) != len(header):
        sheet.refused.append((line, f"{len(cells)} cells, the header has {len(header)}"))
        return
    row = dict(zip(header, cells, strict=True))
    file = row.pop("file")
    empty = [column for column in ("scene", "take") if not row[column]]
    if not file or empty:
        sheet.refused.append((line, f"no {'file' if not file else ' and '.join(empty)} given"))
        return
    try:
        key = path_inside(sheet.path.parent, file)
    except MediaError as refusal:
        sheet.refused.append((line, f"{file!r} leads out of the folder of the sheet: {refusal.found}"))
        return
    if key in sheet.slates:
        sheet.refused.append((line, f"{file!r} was already given on line {sheet.lines[key]}"))
        return
    reel, start = row.pop("reel", ""), row.pop("start_timecode", "")
    slate = Slate(**row)
    sheet.slates[key] = slate
    sheet.marks[key] = TakeMarks(f"{SIDECAR_NAME}, line {line}", slate, reel=reel, start_timecode=start)
    sheet.lines[key] = line
