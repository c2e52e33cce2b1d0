"""Avid log exchange (ALE): a tab-separated list of takes with reel, start and end timecode, scene and take.

OpenTimelineIO's reader refuses a whole log for one bad row and drops the mark of drop-frame, so the few
lines that a log is made of are read here; the tests compare both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import PureWindowsPath
from typing import NamedTuple

from interpositive.errors import ColourError, ConfigError, CutListError, TimecodeError
from interpositive.records.cdl import Cdl, cdl_from_text
from interpositive.records.identity import FrameRange, exact_rate, rate_text
from interpositive.records.shots import CutList, LeftOut, Shot, with_unique_names
from interpositive.records.slates import Slate
from interpositive.records.timecode import frames_per_day, is_drop_frame, timecode_to_frame

_REELS = ("Tape", "Reel", "TapeID", "Reel #", "Camroll", "Source Tape", "Labroll")


class LogRow(NamedTuple):
    """One take of a log: the line it stands on and its filled columns."""

    line: int
    columns: dict[str, str]

    def first(self, *names: str) -> str:
        """The first of these columns that is filled; names are compared without regard to case."""
        folded = {name.lower(): value for name, value in self.columns.items()}
        return next((folded[name.lower()] for name in names if folded.get(name.lower())), "")

    @property
    def reel(self) -> str:
        """The reel or tape as written; empty where the log has none."""
        return self.first(*_REELS)

    @property
    def file_names(self) -> list[str]:
        """Names of the media file, without folders: nothing in a log is a path to be followed."""
        named = [self.first(name) for name in ("Source File", "Source File Name", "Filename", "UNC", "Name")]
        return list(dict.fromkeys(PureWindowsPath(name).name for name in named if name))

    @property
    def slate(self) -> Slate:
        """What the log says was on the clapperboard."""
        return Slate(
            scene=self.first("Scene"),
            take=self.first("Take"),
            camera=self.first("Camera", "Cam"),
            roll=self.first("Camroll", "Cam Roll"),
        )


@dataclass
class AvidLog:
    """A log's heading and rows; ``refused`` are rows that cannot be used, each with its line and one reason."""

    heading: dict[str, str] = field(default_factory=dict)
    rows: list[LogRow] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def rate_of(self, row: LogRow, given: Fraction | None) -> Fraction:
        """Frames a second of a take: its own column, the heading, or as given; ``ConfigError`` if none says it."""
        rate = self.stated_rate(row) or given
        if rate is None:
            raise ConfigError("the log does not say its rate", expected="FPS in its heading", remedy="cut_list_rate=…")
        return rate

    def stated_rate(self, row: LogRow) -> Fraction | None:
        """Frames a second of a take as the log has it; None if it does not say."""
        stated = row.first("FPS") or next((v for k, v in self.heading.items() if k.upper() == "FPS"), "")
        return exact_rate(stated) if stated else None


def read_avid_log(text: str) -> AvidLog:
    """Read heading, columns and rows; ``CutListError`` for a file that lacks one of the three parts."""
    log, columns, part = AvidLog(), list[str](), ""
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        word = line.strip().lower()
        if word in ("heading", "column", "data") and "\t" not in line.strip():
            part = word
        elif not line.strip():
            continue
        elif part == "heading":
            name, _, value = line.partition("\t")
            log.heading[name.strip()] = value.strip()
        elif part == "column":
            columns += [name.strip() for name in line.rstrip("\n").split("\t")]
        elif part == "data":
            _add_row(log, number, columns, line.split("\t"))
    if not columns or part != "data":
        raise CutListError(
            "this log lacks a part", found=f"it ends in {part or 'nothing'}", expected="Heading, Column and Data",
            remedy="export it as ALE again, with tabs as delimiters",
        )  # fmt: skip
    return log


def _add_row(log: AvidLog, number: int, columns: list[str], cells: list[str]) -> None:
    if any(cell.strip() for cell in cells[len(columns) :]):
        log.refused.append((number, f"{len(cells)} cells, there are {len(columns)} columns"))
        return
    filled = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name and cell.strip()}
    log.rows.append(LogRow(number, filled))


def source_of(row: LogRow, rate: Fraction) -> tuple[FrameRange | None, bool]:
    """The frames of a take between Start and End, and whether they are counted drop-frame.

    None where the log gives no start. Raises ``TimecodeError`` for labels that do not exist at this rate.
    """
    start, end, length = row.first("Start"), row.first("End"), row.first("Duration")
    if not start:
        return None, False
    drop_frame = is_drop_frame(start)
    first = timecode_to_frame(start, rate)
    if not end and not length:
        return None, drop_frame
    if end:
        num_frames = (timecode_to_frame(end, rate) - first) % frames_per_day(rate, drop_frame)
    else:
        num_frames = timecode_to_frame(length.replace(";", ":"), rate)
    if not num_frames:
        raise TimecodeError("the take is empty", found=f"{start} to {end or length}", expected="an end after the start")
    return FrameRange(reel=row.reel, start=first, num_frames=num_frames, rate=rate_text(rate)), drop_frame


def cut_list_from_ale(text: str, path: str, rate: Fraction | None) -> CutList:
    """The takes of a log as shots without a place in a cut; rows that cannot be used are left out with a reason."""
    log = read_avid_log(text)
    shots: list[Shot] = []
    left_out = [LeftOut(name=f"line {line}", reason=reason) for line, reason in log.refused]
    for row in log.rows:
        name = row.first("Name") or f"line {row.line}"
        tracks = row.first("Tracks")
        if tracks and "V" not in tracks.upper():
            left_out.append(LeftOut(name=name, track=tracks, reason="sound only"))
            continue
        try:
            source, drop_frame = source_of(row, log.rate_of(row, rate))
        except TimecodeError as error:
            left_out.append(LeftOut(name=name, reason=f"line {row.line}: {error.what} ({error.found})"))
            continue
        cdl, notes = _grade(row.columns)
        notes += [] if source else ["the log gives no start and end"]
        shots.append(
            Shot(
                name=name,
                track=tracks,
                event=str(row.line),
                media_names=row.file_names,
                source=source,
                source_drop_frame=drop_frame,
                media_start=source.start if source else None,
                cdl=cdl,
                notes=notes,
            )
        )
    if not shots and not left_out:
        raise CutListError(f"{path} has no row", found="nothing after Data", expected="a row for each take")
    return CutList(path=path, format="ALE", shots=with_unique_names(shots), left_out=left_out)


def _grade(columns: Mapping[str, str]) -> tuple[Cdl | None, list[str]]:
    sop, sat = columns.get("ASC_SOP", ""), columns.get("ASC_SAT", "")
    if not sop and not sat:
        return None, []
    try:
        return cdl_from_text(sop, sat), []
    except ColourError as error:
        return None, [f"its grade is not used: {error.what} ({error.found})"]
