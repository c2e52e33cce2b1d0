"""Reports that are tables: commas or tabs, one header, a row for each frame; read without trusting them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpositive.dailies.camera_reports.contract import refuse, text_of

if TYPE_CHECKING:
    import _csv

MOST_ROWS = 1_000_000
# What a spreadsheet would run; "--" is how some cameras write "nothing".
_FORMULA = re.compile(r"[=@]|[-+].*[(|!]")
_EMPTY = {"", "-", "--", "n.a.", "n/a"}


@dataclass(frozen=True)
class Table:
    """A header and its rows, each row with the ``line`` it ends on; cells are stripped."""

    file: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, name: str) -> tuple[str, ...] | None:
        """The column of that name, with empty text where the camera wrote nothing; None if there is none.

        Where a header says a name twice, the first column that holds anything.
        """
        found = None
        for place, heading in enumerate(self.header):
            if heading == name:
                found = tuple("" if row[place].lower() in _EMPTY else row[place] for row in self.rows)
                if any(found):
                    break
        return found

    def needed(self, name: str) -> tuple[str, ...]:
        """A column without which the report cannot be used."""
        column = self.column(name)
        if column is None:
            raise refuse(self.file, f"the column {name!r} is missing", 1, found=", ".join(self.header)[:200])
        return column

    def first(self, name: str) -> str:
        """The first row's cell, for what does not change over a take; empty if there is no such column."""
        return next(iter(self.column(name) or ()), "")

    def constants(self) -> dict[str, str]:
        """Columns whose cell is the same on every row, as written, without the empty ones."""
        found: dict[str, str] = {}
        for place, heading in enumerate(self.header):
            cells = {row[place] for row in self.rows}
            cell = next(iter(cells), "")
            if len(cells) == 1 and cell.lower() not in _EMPTY:
                found.setdefault(heading, cell[:200])
        return found


def read_table(content: bytes, file: str) -> Table:
    """Read a table of at least one row; ``PaperworkError`` names the line that is no row of it, or no honest one."""
    text = text_of(content, file)
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    header: tuple[str, ...] | None = None
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    for cells in _cells(reader, file):
        if not any(cells):
            continue
        if header is None:
            header = cells
            continue
        if len(cells) != len(header):
            raise refuse(
                file, f"{len(cells)} cells", reader.line_num, expected=f"{len(header)}, as many as the header has"
            )
        if len(rows) == MOST_ROWS:
            raise refuse(file, "more rows than a take has frames", reader.line_num, expected=f"{MOST_ROWS} at most")
        rows.append(cells)
        lines.append(reader.line_num)
    if header is None or not rows:
        raise refuse(file, "there is no row below the header", 1)
    return Table(file, header, tuple(rows), tuple(lines))


def _cells(reader: _csv.Reader, file: str) -> Iterator[tuple[str, ...]]:
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            for cell in cells:
                if _FORMULA.match(cell):
                    raise refuse(
                        file,
                        "a cell holds a formula that a spreadsheet would run",
                        reader.line_num,
                        found=cell[:60],
                        expected="names, numbers and timecodes",
                        remedy="find out who wrote it; remove the cell",
                    )
            yield cells
    except csv.Error as error:
        raise refuse(file, "this is no row of a table", reader.line_num, found=str(error)) from None
