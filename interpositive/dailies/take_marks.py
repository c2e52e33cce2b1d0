"""How takes are marked on paper beside the footage: slate, reel and start timecode, from slates.csv and Avid logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from interpositive.dailies.avid_logs import AvidLog, LogRow, read_avid_log, source_of
from interpositive.dailies.inside import open_inside
from interpositive.dailies.paper_text import paper_text
from interpositive.dailies.take import Take
from interpositive.errors import InterpositiveError, PaperworkError, TimecodeError
from interpositive.records.slates import Slate
from interpositive.records.timecode import is_drop_frame, timecode_to_frame

LOG_EXTENSION = ".ale"
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class TakeMarks:
    """What paper says of one take; None and empty text where it is silent. ``paper`` names the sheet and line."""

    paper: str
    slate: Slate | None = None
    reel: str = ""
    start_timecode: str = ""
    rate: Fraction | None = None
    num_frames: int | None = None


@dataclass
class MarkedFootage:
    """An Avid log brought to the footage beside it: ``marks`` by path; ``refused`` as (line number, reason)."""

    path: Path
    marks: dict[Path, TakeMarks] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)


def read_log_beside(path: Path, footage: Collection[Path]) -> MarkedFootage:
    """Bring each row of an Avid log to the ``footage`` of its name, which lies anywhere in the folder of the log.

    A row is refused, the others used, where its name is nowhere or twice, or its timecode cannot be. Paths in a log
    belong to the machine that wrote it; only their last part counts.
    """
    found = MarkedFootage(path)
    try:
        with open_inside(path.parent, path) as stream:
            content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise PaperworkError("it is larger than any log", found="more than 64 MiB")
        log = read_avid_log(paper_text(content, path.name))
    except InterpositiveError as error:
        found.refused.append((1, " ".join(f"{error.what} ({error.found})".split())))
        return found
    found.refused += log.refused
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for one in footage:
        for name in {one.name.lower(), one.stem.lower()}:
            by_name[name].append(one)
    for row in log.rows:
        _mark(found, log, row, by_name)
    return found


def _mark(found: MarkedFootage, log: AvidLog, row: LogRow, by_name: dict[str, list[Path]]) -> None:
    if "V" not in (row.first("Tracks") or "V").upper():
        return
    # A whole name with its extension is better than a stem, and both better than the name of the clip.
    named = [by_name.get(key.lower(), []) for name in row.file_names for key in (name, Path(name).stem)]
    owners = next((paths for paths in named if paths), [])
    if len(owners) != 1:
        what = " or ".join(map(repr, row.file_names)) or "a row without a name"
        paths = ", ".join(owner.name for owner in owners)
        reason = f"{what} could be any of {paths}" if owners else f"{what} is no footage in this folder"
        found.refused.append((row.line, reason))
        return
    if owners[0] in found.marks:
        found.refused.append((row.line, f"{owners[0].name} was already given on another line"))
        return
    try:
        rate = log.stated_rate(row)
        source = source_of(row, rate)[0] if rate is not None else None
    except TimecodeError as error:
        found.refused.append((row.line, f"{error.what} ({error.found})"))
        return
    found.marks[owners[0]] = TakeMarks(
        paper=f"{found.path.name}, line {row.line}",
        slate=row.slate if row.slate.scene else None,
        reel=row.reel,
        start_timecode=row.first("Start"),
        rate=rate,
        num_frames=source.num_frames if source else None,
    )


def slate_from(marks: Sequence[TakeMarks]) -> tuple[Slate | None, list[str]]:
    """The slate that paper gives, weightier paper last, and where papers differ; None if none gives any."""
    given = [one for one in marks if one.slate is not None]
    filled: dict[str, str] = {}
    said_by: dict[str, str] = {}
    notes: list[str] = []
    for one in given:
        for what, value in (one.slate or Slate()).model_dump().items():
            if value and filled.get(what, value).lstrip("0") != value.lstrip("0"):
                notes.append(f"{what} {value} by {one.paper}, {filled[what]} by {said_by[what]}")
            if value:
                filled[what], said_by[what] = value, one.paper
    return (Slate(**filled) if given else None), notes


def marked(take: Take, marks: Sequence[TakeMarks]) -> tuple[Take, list[str]]:
    """The take as its file says and then paper, weightier paper last; and where they do not agree.

    Paper has the last word, for the edit was made by it; a start that cannot be counted at the take's own rate
    is not used.
    """
    take, notes = take.as_its_file_says(), []
    reel_by = start_by = "its file"
    for one in marks:
        if one.reel:
            if take.reel not in (None, one.reel):
                notes.append(f"reel {one.reel} by {one.paper}, {take.reel} by {reel_by}")
            take, reel_by = take.model_copy(update={"reel": one.reel}), one.paper
        if one.num_frames not in (None, take.num_frames):
            notes.append(f"{one.paper} has {one.num_frames} frames of it, the file {take.num_frames}")
        if one.rate not in (None, take.frame_rate):
            notes.append(f"{one.paper} counts at {one.rate}, the footage is at {take.frame_rate}: timecode not used")
        elif one.start_timecode:
            try:
                start = timecode_to_frame(one.start_timecode, take.frame_rate)
            except TimecodeError as error:
                notes.append(f"{one.paper}: {error.what} ({error.found}); timecode not used")
                continue
            if take.start_frame not in (None, start):
                notes.append(f"starts at {one.start_timecode} by {one.paper}, at {take.start_timecode} by {start_by}")
            drop_frame = is_drop_frame(one.start_timecode)
            take, start_by = take.model_copy(update={"start_frame": start, "drop_frame": drop_frame}), one.paper
    return take, notes
