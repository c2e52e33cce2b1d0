"""The paper beside the footage, Avid logs and slate sheets, brought to the takes that it marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from interpositive.dailies.report import OutcomeRows
from interpositive.dailies.slate_rules import SlateSheet, read_slate_sheet
from interpositive.dailies.take_marks import LOG_EXTENSION, TakeMarks, read_log_beside
from interpositive.dailies.walking import Walk


class Marking:
    """What paper in a walked source says of each take: logs first, slate sheets over them, each in path order.

    What became of every log and sheet, and of each line that cannot be used, goes into ``rows``; ``untrusted``
    paper is passed over.
    """

    def __init__(self, walk: Walk, untrusted: Collection[Path], rows: OutcomeRows) -> None:
        self._rows = rows
        self._marks: defaultdict[Path, list[TakeMarks]] = defaultdict(list)
        # Paper may lie beside every take: the footage is not gone through for each.
        self._footage_in: defaultdict[Path, list[Path]] = defaultdict(list)
        for footage in walk.footage:
            for folder in (footage.path, *footage.path.parents):
                self._footage_in[folder].append(footage.path)
        for path, reason in walk.ignored:
            if path.suffix.lower() == LOG_EXTENSION and path not in untrusted:
                self._read_log(path, reason)
        for path in walk.sheets:
            if path not in untrusted:
                self._read_sheet(read_slate_sheet(path))

    def of(self, path: Path) -> list[TakeMarks]:
        """All marks of the footage at ``path``, the weightiest last."""
        return self._marks.get(path, [])

    def _read_log(self, path: Path, reason: str) -> None:
        if path.is_symlink() or path.name.startswith("."):
            self._rows.add(path, "ignored", reason)
            return
        log = read_log_beside(path, self._footage_in.get(path.parent, []))
        self._take_over(path, "a log", log.marks, log.refused)

    def _read_sheet(self, sheet: SlateSheet) -> None:
        met = set(self._footage_in.get(sheet.path.parent, []))
        idle = [
            (line, f"{path.relative_to(sheet.path.parent)} is no footage in this folder")
            for path, line in sheet.lines.items()
            if path not in met
        ]
        marks = {path: marks for path, marks in sheet.marks.items() if path in met}
        self._take_over(sheet.path, "a slate sheet", marks, [*sheet.refused, *idle])

    def _take_over(self, path: Path, kind: str, marks: dict[Path, TakeMarks], refused: list[tuple[int, str]]) -> None:
        for line, why in refused:
            self._rows.add(f"{path}, line {line}", "quarantined", why)
        for marked_path, one in marks.items():
            self._marks[marked_path].append(one)
        if marks:
            self._rows.add(path, "attached", f"{kind}; it marks {len(marks)} take{'s' if len(marks) > 1 else ''}")
        else:
            self._rows.add(path, "ignored", f"{kind}; it marks no take here")
