"""Camera reports laid onto a take: which report belongs to it, and which of its rows to which frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from interpositive.dailies.camera_reports.suggesting import encoding_notes
from interpositive.dailies.take import Take
from interpositive.errors import TimecodeError
from interpositive.records.camera_data import CameraFrames, CameraReport, CameraSettings, JoinedBy, TakeCameraData
from interpositive.records.timecode import frames_per_day, timecode_to_frame

# RED numbers the files of one recording; transcodes may keep that number or not.
_SEGMENT = re.compile(r"_\d{3}$")


def clip_keys(*names: str) -> set[str]:
    """How a recording may be called: each name as it is, and without a number of the recording's own files."""
    said = _whole_names(*names)
    return said | {_SEGMENT.sub("", name) for name in said}


def take_keys(path: str, kind: str, reel: str | None) -> set[str]:
    """What a take's recording is called: its file, or the folder of its frames, and its reel."""
    return clip_keys(_stem(path, kind), reel or "")


def report_keys(report: CameraReport, path: Path) -> set[str]:
    """What the recording of a report is called: in the report, and by the report's own name."""
    return clip_keys(report.clip_name, path.name.partition(".")[0])


def closeness(report: CameraReport, path: Path, take: Take) -> int:
    """How surely a report is about a take: 2 by its whole name, 1 without a file's number, 0 if it is not.

    The clip that the report names counts anywhere; the name of the report only beside the footage.
    """
    footage = Path(take.path)
    beside = path.parent in (footage.parent, footage)
    own_name, stem = path.name.partition(".")[0], _stem(take.path, take.kind)
    for surely, keys in ((2, _whole_names), (1, clip_keys)):
        if keys(report.clip_name) & keys(stem, take.reel or ""):
            return surely
        if beside and keys(own_name) & keys(stem):
            return surely
    return 0


def _whole_names(*names: str) -> set[str]:
    return {name.strip().lower() for name in names if name.strip()}


def _stem(path: str, kind: str) -> str:
    return Path(path).stem if kind == "movie" else Path(path).name


def join_reports(reports: Sequence[CameraReport], digests: dict[str, str], take: Take) -> TakeCameraData:
    """Merge the reports of one take and lay the one that has frames onto the take's frames.

    Settings come from the first report that has them; what two reports disagree about is noted. Rows are laid by
    timecode where both sides have one, else by position if the report has exactly one row for every frame.
    """
    notes = [note for report in reports for note in report.notes]
    settings, disagreements = _merged([report.settings for report in reports])
    notes += disagreements
    notes += encoding_notes(settings, take)
    longest = max(reports, key=lambda report: len(report.frames))
    notes += _mismatches(reports, take)
    rows, joined_by, why = _rows(longest, take)
    notes += [why] if why else []
    covered = sum(row is not None for row in rows)
    if joined_by and covered < take.num_frames:
        notes.append(f"{take.num_frames - covered} of {take.num_frames} frames are not in the report")
    return TakeCameraData(
        take=take.name,
        start_frame=take.start_frame,
        rate=take.rate,
        num_frames=take.num_frames,
        reports=digests,
        families=tuple(dict.fromkeys(report.family for report in reports)),
        settings=settings,
        frames=longest.frames.taken(rows) if joined_by else CameraFrames(),
        joined_by=joined_by,
        num_covered=covered,
        as_written={key: text for report in reversed(reports) for key, text in report.as_written.items()},
        notes=tuple(dict.fromkeys(notes)),
    )


def _merged(several: Sequence[CameraSettings]) -> tuple[CameraSettings, list[str]]:
    chosen: dict[str, object] = {}
    notes = []
    for settings in several:
        for name, value in settings.model_dump(exclude_defaults=True).items():
            if chosen.setdefault(name, value) != value:
                notes.append(f"the reports disagree about {name}: {chosen[name]} and {value}; the first counts")
    return CameraSettings.model_validate(chosen), notes


def _mismatches(reports: Sequence[CameraReport], take: Take) -> list[str]:
    notes = []
    for report in reports:
        if report.rate and Fraction(report.rate) != take.frame_rate:
            notes.append(f"the report counts at {report.rate} frames a second, the take runs at {take.rate}")
        names = {name.lower() for name in (report.reel, report.clip_name) if name}
        if take.reel and names and not clip_keys(*names) & clip_keys(take.reel):
            notes.append(f"the report is for reel {report.reel or report.clip_name}, the take says reel {take.reel}")
    return notes


def _rows(report: CameraReport, take: Take) -> tuple[list[int | None], JoinedBy, str]:
    """For each frame of the take the report's row, or None; how that was found; why not."""
    nothing: list[int | None] = [None] * take.num_frames
    if not len(report.frames):
        return nothing, "", ""
    rate = Fraction(report.rate) if report.rate else take.frame_rate
    if report.timecodes and take.start_frame is not None:
        if round(rate) != round(take.frame_rate):
            return nothing, "", "its frames are not joined: its timecode counts differently from the take's"
        day = frames_per_day(take.frame_rate, take.drop_frame)
        try:
            row_of = {timecode_to_frame(label, rate): row for row, label in enumerate(report.timecodes)}
        except TimecodeError as error:
            return nothing, "", f"its frames are not joined: {error.what} ({error.found})"
        rows = [row_of.get((take.start_frame + n) % day) for n in range(take.num_frames)]
        if any(row is not None for row in rows):
            return rows, "timecode", ""
        return nothing, "", f"its frames are not joined: none of its timecodes ({report.timecodes[0]} …) is in the take"
    if len(report.frames) == take.num_frames:
        return list(range(take.num_frames)), "position", "joined by position: not both sides have timecode"
    why = f"its frames are not joined: no common timecode, and {len(report.frames)} rows for {take.num_frames} frames"
    return nothing, "", why
