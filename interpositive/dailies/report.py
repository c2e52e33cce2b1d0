"""What an ingest did, file by file, with exactly one reason for each file that was left out."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal

from pydantic import Field

from interpositive.records.base import Record
from interpositive.records.publishing import write_file_whole

OutcomeKind = Literal[
    "accepted",
    "changed",
    "moved",
    "reslated",
    "recoded",
    "known",
    "duplicate",
    "attached",
    "quarantined",
    "missing",
    "ignored",
]
REPORT_STEM = "ingest_report"
MOST_LISTED = 50
"""Takes that a report names one by one where the reason is the same for all."""
_MOST_NAMED = 8
_MEANINGS = {
    "accepted": "new in the catalogue",
    "changed": "read again, the file had changed",
    "moved": "known content at a new path",
    "reslated": "known, with a corrected slate, reel or timecode",
    "recoded": "known, now read by another colour encoding, layer or rate",
    "known": "unchanged since the last ingest",
    "duplicate": "same content as another file",
    "attached": "paperwork that was used",
    "quarantined": "cannot be trusted",
    "missing": "in the catalogue or in a hash list, not on disk",
    "ignored": "no footage",
}


class FileOutcome(Record):
    """One file or sequence: ``path`` relative to the source; ``take`` is the take it became or repeats."""

    path: str
    outcome: OutcomeKind
    reason: str = ""
    take: str = ""


class OutcomeRows:
    """The outcomes of one pass over ``source``, as they come about."""

    def __init__(self, source: Path) -> None:
        self.rows: list[FileOutcome] = []
        self._source = source

    def add(self, path: Path | str, outcome: OutcomeKind, reason: str = "", take: str = "") -> None:
        """Say what became of a file; names and reasons are made fit for a screen."""
        self.rows.append(
            FileOutcome(path=self._shown(Path(path)), outcome=outcome, reason=printable(reason), take=take)
        )

    def forget(self, path: Path) -> None:
        """Take back what was said of a file, and of nothing else that goes with its take."""
        shown = self._shown(path)
        self.rows = [row for row in self.rows if row.path != shown]

    def _shown(self, path: Path) -> str:
        shown = path.relative_to(self._source) if path.is_relative_to(self._source) else path
        return printable(os.fsencode(shown).decode("utf-8", "backslashreplace"))

    def in_order(self) -> list[FileOutcome]:
        """The rows by path."""
        return sorted(self.rows, key=lambda row: Path(row.path).parts)


class IngestReport(Record):
    """The result of one ingest; ``rows`` in path order.

    ``encodings`` counts the catalogue's takes by colour encoding and who said it, empty where nobody did;
    ``without_encoding`` names up to ``MOST_LISTED`` of those. ``num_verified`` takes of this source are vouched for
    by a hash list in it, ``num_unlisted`` by none although it has some.
    """

    schema_version: int = 1
    source: str
    catalogue: str
    num_takes: int
    seconds: float
    rows: list[FileOutcome]
    splits: dict[str, int]
    split_note: str = ""
    encodings: dict[str, int] = Field(default_factory=dict)
    without_encoding: list[str] = Field(default_factory=list)
    proxy_failures: dict[str, str] = Field(default_factory=dict)
    num_verified: int = 0
    num_unlisted: int = 0

    def of(self, *outcomes: OutcomeKind) -> list[FileOutcome]:
        """The rows with one of these outcomes."""
        return [row for row in self.rows if row.outcome in outcomes]

    @property
    def accepted(self) -> list[str]:
        """Names of the takes that this ingest read: new, changed or moved."""
        return [row.take for row in self.of("accepted", "changed", "moved")]

    @property
    def known(self) -> list[str]:
        """Names of the takes that were in the catalogue already."""
        return [row.take for row in self.of("known", "reslated", "recoded")]

    @property
    def duplicates(self) -> list[tuple[str, str]]:
        """Paths left out as duplicates, each with the take it repeats."""
        return [(row.path, row.take) for row in self.of("duplicate")]

    @property
    def quarantined(self) -> list[tuple[str, str]]:
        """Paths that cannot be trusted, each with its reason."""
        return [(row.path, row.reason) for row in self.of("quarantined")]

    @property
    def missing(self) -> list[str]:
        """Paths in the catalogue or a hash list that are not on disk."""
        return [row.path for row in self.of("missing")]

    def write(self, folder: Path) -> Path:
        """Write ``ingest_report`` as JSON, CSV and readable text; gives the path of the text."""
        write_file_whole(folder / f"{REPORT_STEM}.json", self.model_dump_json(indent=1))
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(FileOutcome.model_fields)
        writer.writerows([(row.path, row.outcome, row.reason, row.take) for row in self.rows])
        write_file_whole(folder / f"{REPORT_STEM}.csv", table.getvalue())
        text = folder / f"{REPORT_STEM}.txt"
        write_file_whole(text, format_report(self))
        return text


def printable(text: str) -> str:
    """Text whose control and direction marks are spelt out, so that no file name can rewrite a screen or a table."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def report_paths(folder: Path) -> list[Path]:
    """Where an ingest with its catalogue in ``folder`` writes its report."""
    return [folder / f"{REPORT_STEM}.{extension}" for extension in ("json", "csv", "txt")]


def format_report(report: IngestReport) -> str:
    """The report for reading: counts, then every file that needs a look, then the splits."""
    counts: Counter[str] = Counter(row.outcome for row in report.rows)
    lines = [f"Ingest of {report.source}", f"into {report.catalogue}", ""]
    for outcome, meaning in _MEANINGS.items():
        if counts[outcome]:
            lines.append(f"{counts[outcome]:>7}  {outcome:<10} {meaning}")
    if not report.num_takes:
        lines.append("no take was found")
    lines.append(f"{report.num_takes:>7}  takes in the catalogue, after {report.seconds:.1f} seconds")
    if report.num_verified or report.num_unlisted:
        lines.append(f"{report.num_verified:>7}  takes verified by a hash list, {report.num_unlisted} in none")
    for outcome in ("quarantined", "missing", "duplicate", "changed", "moved", "reslated", "recoded", "attached"):
        rows = [row for row in report.rows if row.outcome == outcome]
        if rows:
            lines += ["", f"{outcome.capitalize()}:"]
            width = min(60, max(len(row.path) for row in rows))
            lines += [f"  {row.path:<{width}}  {row.reason or row.take}".rstrip() for row in rows]
    lines += _noted_lines(report)
    if report.proxy_failures:
        lines += ["", "Without a proxy:"]
        lines += [f"  {name}  {reason}" for name, reason in report.proxy_failures.items()]
    lines += _encoding_lines(report)
    lines += ["", "Takes by split: " + ", ".join(f"{split} {n}" for split, n in report.splits.items())]
    if report.split_note:
        lines.append(f"Note: {report.split_note}.")
    return "\n".join(lines) + "\n"


def _noted_lines(report: IngestReport) -> list[str]:
    """What was noted of takes, a line for each different note however many takes share it."""
    sharing: defaultdict[str, list[str]] = defaultdict(list)
    for row in report.of("accepted", "known"):
        if row.reason:
            sharing[row.reason].append(row.take)
    lines = ["", "Noted:"] if sharing else []
    for reason, takes in sharing.items():
        more = f" and {len(takes) - _MOST_NAMED} more" if len(takes) > _MOST_NAMED else ""
        lines.append(f"  {', '.join(takes[:_MOST_NAMED])}{more}  {reason}")
    return lines


def _encoding_lines(report: IngestReport) -> list[str]:
    if not report.encodings:
        return []
    counted = (f"{key or 'not known'} {count}" for key, count in report.encodings.items())
    lines = ["", "Takes by colour encoding: " + ", ".join(counted)]
    unknown = report.encodings.get("", 0)
    if unknown:
        listed = ", ".join(report.without_encoding)
        lines += [
            f"  not known: {listed}"
            + (f" and {more} more" if (more := unknown - len(report.without_encoding)) else ""),
            '  to mend:   name it in the production, as encodings: {"A001*": arri_logc3}, and ingest again;',
            "             until then these are shown and trained on as stored",
        ]
    return lines
