"""From a cut to the dailies: which take holds the frames of each shot, with handles, and which cannot be found."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Literal, NamedTuple

from pydantic import Field

from interpositive.dailies.catalogue import Catalogue
from interpositive.dailies.selection import SelectedTakes
from interpositive.dailies.take import Take
from interpositive.errors import CutListError
from interpositive.records.base import Record
from interpositive.records.identity import FrameRange
from interpositive.records.publishing import write_file_whole
from interpositive.records.shots import CMX_REEL_LENGTH, CutList, Shot

CUT_LIST_NAME = "cut_list.json"
Status = Literal["found", "short handles", "missing", "ambiguous"]


class Pull(Record):
    """The frames to pull for one shot: ``first <= n < end`` of the take's own frames, handles included.

    ``shot_first`` and ``shot_end`` are the frames that the cut shows; what lies around them are handles. ``matched_by``
    says how the take was recognised. Where the take is not found ``reason`` says why, and the numbers are 0.
    """

    shot: str
    status: Status
    take: str = ""
    matched_by: str = ""
    first: int = 0
    end: int = 0
    shot_first: int = 0
    shot_end: int = 0
    reason: str = ""
    candidates: list[str] = Field(default_factory=list)

    @property
    def handles(self) -> tuple[int, int]:
        """Spare frames at head and tail."""
        return self.shot_first - self.first, self.end - self.shot_end


class ConformedCut(Record):
    """A cut and where its shots lie in the dailies."""

    schema_version: int = 1
    cut_list: CutList
    handles: int
    pulls: list[Pull]

    def pull(self, name: str) -> tuple[Shot, Pull]:
        """A shot of the cut and its pull; ``CutListError`` if there is none of that name, or it was not found."""
        shot, pull = self.placed(name)
        if pull.status not in ("found", "short handles"):
            raise CutListError(
                f"shot {name} cannot be pulled: {pull.reason}", found=pull.status, expected="one take that holds it",
                remedy="ingest the missing footage, or name the take's own file",
            )  # fmt: skip
        return shot, pull

    def placed(self, name: str) -> tuple[Shot, Pull]:
        """A shot of the cut and what became of it, found or not; ``CutListError`` if there is none of that name."""
        shot = self.cut_list.shot(name)
        pull = next((pull for pull in self.pulls if pull.shot == name), None)
        if shot is None or pull is None:
            known = ", ".join(shot.name for shot in self.cut_list.shots[:12])
            raise CutListError("the cut has no shot of this name", found=name, expected=f"one of {known}")
        return shot, pull

    def write(self, folder: Path) -> None:
        """Write ``cut_list.json`` and ``cut_list.csv``."""
        write_file_whole(folder / CUT_LIST_NAME, self.model_dump_json(indent=1))
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["shot", "reel", "source in", "source out", "speed", *list(Pull.model_fields)[1:-1], "notes"])
        for shot, pull in zip(self.cut_list.shots, self.pulls, strict=True):
            ends = shot.source.timecodes(bool(shot.source_drop_frame)) if shot.source else ("", "")
            values = [getattr(pull, name) for name in list(Pull.model_fields)[1:-1]]
            writer.writerow([shot.name, shot.reel, *ends, shot.speed, *values, "; ".join(shot.notes)])
        write_file_whole(folder / "cut_list.csv", table.getvalue())


def read_conformed_cut(workspace: Path) -> ConformedCut:
    """The cut that was last ingested for a production; ``CutListError`` if there is none."""
    path = workspace / CUT_LIST_NAME
    if not path.is_file():
        raise CutListError(
            f"there is no cut list in {workspace}", found="nothing", expected=CUT_LIST_NAME,
            remedy="run: interpositive ingest production=… source=… cut_list=<the edit's EDL, AAF, XML or OTIO>",
        )  # fmt: skip
    try:
        return ConformedCut.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise CutListError(f"{path} is damaged", found=str(error)[:200], remedy="ingest the cut list again") from None


def conform(cut_list: CutList, catalogue: Catalogue, handles: int = 8) -> ConformedCut:
    """Find the take of every shot, and its frames with ``handles`` spare frames at both ends.

    A take is recognised by its reel and by the frames it holds; by a reel cut to 8 characters, or by the name of
    its file, only where the whole reel is nowhere, and then ``matched_by`` says so. Two takes that could both be
    meant are ambiguous, never chosen from.
    """
    index = _Index(catalogue, cut_list.shots)
    return ConformedCut(
        cut_list=cut_list, handles=handles, pulls=[_pull(shot, index, handles) for shot in cut_list.shots]
    )


class _Index:
    """Takes by the names that a cut speaks of; all are gone through only once a whole reel is not found as written."""

    def __init__(self, catalogue: Catalogue, shots: Iterable[Shot]) -> None:
        self._catalogue = catalogue
        reels = {shot.reel.lower() for shot in shots} - {""}
        self._begins = {begin for reel in reels if (begin := _begin_of(reel))}
        self._wanted = reels | {key for shot in shots for name in shot.media_names for key in _file_keys(name)}

    @cached_property
    def _takes(self) -> SelectedTakes:
        return self._catalogue.takes()

    @cached_property
    def _places(self) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
        """Places among all takes: by reel, which cameras that have none call by the name of the file, and by file."""
        by_reel: dict[str, list[int]] = {}
        by_name: dict[str, list[int]] = {}
        lengths = {len(begin) for begin in self._begins}
        for place, (reel, text, name) in enumerate(self._takes.columns("reel", "path", "name")):
            path = Path(text)
            for key in {key.lower() for key in (reel or "", path.stem, name)} - {""}:
                if key in self._wanted or any(key[:length] in self._begins for length in lengths):
                    by_reel.setdefault(key, []).append(place)
            for key in {key.lower() for key in (path.name, path.stem, name)} & self._wanted:
                by_name.setdefault(key, []).append(place)
        return by_reel, by_name

    def _at(self, places: Iterable[int]) -> list[Take]:
        return [self._takes[place] for place in dict.fromkeys(places)]

    def with_reel(self, reel: str) -> list[Take]:
        """Takes of this reel, as it is written, else in other letters."""
        return list(self._catalogue.select(reel=reel)) or self._at(self._places[0].get(reel.lower(), []))

    def with_cut_reel(self, reel: str) -> list[Take]:
        """Takes whose reel begins with these 8 characters, a dot at the end standing for what was cut off."""
        begin = _begin_of(reel.lower())
        if not begin:
            return []
        return self._at(place for long, places in self._places[0].items() if long.startswith(begin) for place in places)

    def named(self, names: Iterable[str]) -> list[Take]:
        """Takes whose file has one of these names: the whole name, else the name without its extension."""
        found: list[int] = []
        for name in names:
            found += next((self._places[1][key] for key in _file_keys(name) if key in self._places[1]), [])
        return self._at(found)


def _file_keys(name: str) -> tuple[str, ...]:
    """What a file may be called for, the surest first: Windows' paths are told apart by either slash."""
    last = PureWindowsPath(name)
    return name.lower(), last.name.lower(), last.stem.lower()


def _begin_of(reel: str) -> str:
    """How a reel begins that a list may have cut to 8 characters; empty for one that it did not."""
    return reel.rstrip(".") if len(reel) == CMX_REEL_LENGTH else ""


class _Candidates(NamedTuple):
    takes: list[Take]
    matched_by: str


def _pull(shot: Shot, index: _Index, handles: int) -> Pull:
    if shot.needed is None:
        return Pull(shot=shot.name, status="missing", reason="the list names no frames of it")
    found = _candidates(shot, index)
    if not found.takes:
        what = f"reel {shot.reel}" if shot.reel else " or ".join(shot.media_names) or "a reel or a file"
        return Pull(shot=shot.name, status="missing", reason=f"no take of {what} in the dailies")
    placed = [(take, *_place(shot, shot.needed, take)) for take in found.takes]
    holding = [(take, first) for take, first, _ in placed if first is not None]
    names = [take.name for take in found.takes]
    if not holding:
        reasons = list(dict.fromkeys(reason for *_, reason in placed))
        return Pull(
            shot=shot.name,
            status="missing",
            matched_by=found.matched_by,
            reason="; ".join(reasons[:3]),
            candidates=names,
        )
    if len(holding) > 1:
        both = [take.name for take, _ in holding]
        return Pull(
            shot=shot.name,
            status="ambiguous",
            matched_by=found.matched_by,
            reason=f"{len(both)} takes hold these frames: {', '.join(both[:4])}",
            candidates=both,
        )
    take, shot_first = holding[0]
    shot_end = shot_first + shot.needed.num_frames
    first, end = max(shot_first - handles, 0), min(shot_end + handles, take.num_frames)
    whole = (shot_first - first, end - shot_end) == (handles, handles)
    return Pull(
        shot=shot.name,
        status="found" if whole else "short handles",
        take=take.name,
        matched_by=found.matched_by,
        first=first,
        end=end,
        shot_first=shot_first,
        shot_end=shot_end,
        reason="" if whole else f"handles of {shot_first - first} and {end - shot_end} frames, not {handles}",
        candidates=[take.name],
    )


def _candidates(shot: Shot, index: _Index) -> _Candidates:
    """Takes that may be meant: by the whole reel, else by a cut reel and a file's name, else by either alone."""
    whole = index.with_reel(shot.reel) if shot.reel else []
    if len(whole) == 1:
        return _Candidates(whole, "reel")
    named = index.named(shot.media_names)
    named_paths = {take.path for take in named}
    if shot.reel:
        if both := [take for take in whole if take.path in named_paths]:
            # A roll holds many takes; the name tells which, where the frames alone might not.
            return _Candidates(both, "reel and file name")
        if whole:
            return _Candidates(whole, "reel")
        begun = index.with_cut_reel(shot.reel)
        if both := [take for take in begun if take.path in named_paths]:
            return _Candidates(both, "first 8 characters of the reel and file name")
        if begun and not named:
            return _Candidates(begun, "first 8 characters of the reel only")
    return _Candidates(named, "file name only")


def _place(shot: Shot, needed: FrameRange, take: Take) -> tuple[int | None, str]:
    """Number of the first needed frame in the take, or why the take does not hold them."""
    if take.frame_rate != needed.frame_rate:
        return None, f"{take.name} is at {take.frame_rate} frames per second, the cut counts it at {needed.frame_rate}"
    if take.start_frame is None:
        # Without timecode the list can only mean frames from the beginning of the file.
        first = needed.start - (shot.media_start or 0)
        if first >= 0 and first + needed.num_frames <= take.num_frames:
            return first, ""
        return None, f"{take.name} has no timecode, and frames {first} to {first + needed.num_frames} are not in it"
    whole = FrameRange(reel=needed.reel, start=take.start_frame, num_frames=take.num_frames, rate=needed.rate)
    there = whole.across_midnight(needed, take.drop_frame)
    if shot.source_drop_frame not in (None, take.drop_frame):
        return None, f"{take.name} counts {_counting(take.drop_frame)}, the cut {_counting(not take.drop_frame)}"
    if whole.contains(there):
        return there.start - whole.start, ""
    ends = " to ".join(whole.timecodes(take.drop_frame))
    part = whole.intersection(there)
    lacks = f"only {part.num_frames} of {needed.num_frames} frames" if part else "none of these frames"
    return None, f"{take.name} holds {lacks} ({ends})"


def _counting(drop_frame: bool) -> str:
    return "drop-frame" if drop_frame else "non-drop"


def format_conform(conformed: ConformedCut) -> str:
    """The table for reading: a line for each shot, then what was left out of the cut."""
    cut = conformed.cut_list
    rows = [("shot", "reel", "source in", "source out", "take", "frames", "")]
    for shot, pull in zip(cut.shots, conformed.pulls, strict=True):
        ends = shot.source.timecodes(bool(shot.source_drop_frame)) if shot.source else ("", "")
        remarks = [] if pull.status == "found" else [f"{pull.status}: {pull.reason}"]
        remarks += [f"matched by {pull.matched_by}"] if "only" in pull.matched_by else []
        remarks += [f"speed {shot.speed or 'by a curve'}"] if shot.speed != "1/1" else []
        remarks += [f"{shot.transition_in} in"] if shot.transition_in else []
        remarks += [f"{shot.transition_out} out"] if shot.transition_out else []
        frames = f"{pull.first}-{pull.end - 1}" if pull.end else ""
        rows.append((shot.name, shot.reel or "-", *ends, pull.take or "-", frames, ", ".join(remarks + shot.notes)))
    widths = [min(40, max(len(row[column]) for row in rows)) for column in range(6)]
    lines = [f"{cut.format} {cut.title!r}, {len(cut.shots)} shots, {conformed.handles} frames of handles", ""]
    for row in rows:
        cells = [cell[:width].ljust(width) for cell, width in zip(row[:6], widths, strict=True)]
        lines.append("  ".join([*cells, row[6]]).rstrip())
    if cut.left_out:
        lines += ["", "Left out of the cut:", *(f"  {one.name}  {one.reason}" for one in cut.left_out)]
    num_found = sum(pull.status in ("found", "short handles") for pull in conformed.pulls)
    lines += ["", f"{num_found} of {len(cut.shots)} shots found in the dailies"]
    return "\n".join(lines)
