"""What a conform needs to drop repaired shots in: the same cut, or part of it, as OTIO and as a CMX3600 list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from interpositive.errors import TimecodeError
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.identity import FrameRange
from interpositive.records.publishing import write_file_whole
from interpositive.records.shots import CMX_REEL_LENGTH, Shot

OTIO_NAME = "conform.otio"
EDL_NAME = "conform.edl"


@dataclass(frozen=True)
class ConformEvent:
    """One shot in its place: the frames of the source that are seen, and the repaired frames if there are some.

    ``frames_url`` is where the repaired frames lie, relative to the paperwork. ``reel_in_cut`` is how the
    cut writes the reel where ``shot`` has come to know it better.
    """

    shot: Shot
    drop_frame: bool = False
    delivered: DeliveredShot | None = None
    frames_url: str = ""
    reel_in_cut: str = ""

    @property
    def written_reel(self) -> str:
        """The reel as the cut's other events have it."""
        return self.reel_in_cut or self.shot.reel


def event_of(delivered: DeliveredShot, frames_url: str, shot: Shot | None = None) -> ConformEvent:
    """The event of one delivery in the place of ``shot``, by default of the one that it was pulled for.

    A take that was repaired for itself is a cut of one shot, at its own timecode.
    """
    shot = shot or delivered.shot
    reel_in_cut = shot.reel if shot else ""
    if shot is not None and shot.source is not None and delivered.source.reel:
        # The take knows its whole reel where the list may have cut it.
        whole = shot.source.model_copy(update={"reel": delivered.source.reel})
        shot = shot.model_copy(update={"source": whole})
    shot = shot or Shot(
        name=delivered.name,
        track="V",
        media_names=[delivered.media],
        source=delivered.used,
        source_drop_frame=delivered.drop_frame,
        record=delivered.used.model_copy(update={"reel": "", "num_frames": delivered.num_frames}),
        speed=delivered.speed,
    )
    # Frames of a take without timecode are counted by the list alone.
    drop_frame = delivered.drop_frame if delivered.has_timecode else bool(shot.source_drop_frame)
    return ConformEvent(shot, drop_frame, delivered, frames_url, reel_in_cut)


def write_conform(folder: Path, title: str, events: Sequence[ConformEvent], cut_drop_frame: bool) -> list[str]:
    """Write ``conform.otio`` and ``conform.edl``; gives a note for what either cannot say.

    A list in timecode counts one rate: shots at another, and rates that timecode cannot count, are only in the OTIO.
    """
    timeline = conform_timeline(title, events)
    write_file_whole(folder / OTIO_NAME, otio.adapters.write_to_string(timeline, adapter_name="otio_json"))
    text, notes = conform_edl(title, events, cut_drop_frame)
    write_file_whole(folder / EDL_NAME, text)
    return notes


def conform_edl(title: str, events: Sequence[ConformEvent], cut_drop_frame: bool) -> tuple[str, list[str]]:
    """The events as CMX3600: reels of at most 8 characters, whole names in comments, ``ASC_SOP`` and ``ASC_SAT``."""
    lines = [f"TITLE: {_line(title)[:70]}", f"FCM: {'DROP' if cut_drop_frame else 'NON-DROP'} FRAME", ""]
    notes: list[str] = []
    # Reels that fit keep their names; those that must be shortened make way.
    written = [event.written_reel for event in events]
    reels = {reel: reel for reel in written if re.fullmatch(r"\w{1,8}", reel, re.ASCII)}
    rates = {event.shot.record.frame_rate for event in events if event.shot.record}
    tracks = dict.fromkeys(event.shot.track for event in events)
    if len(tracks) > 1:
        notes.append(f"{EDL_NAME} has one picture track: shots of {', '.join(tracks)} follow one another on it")
    for number, event in enumerate(events, 1):
        try:
            lines += _edl_event(number, event, cut_drop_frame, reels, rates)
        except TimecodeError as error:
            notes.append(f"{event.shot.name} is not in {EDL_NAME}: {error.what} ({error.found})")
        if event.shot.speed_ratio is None:
            notes.append(f"the retime of {event.shot.name} is no constant speed, and the paperwork only says so")
        for name in filter(None, (event.shot.transition_in, event.shot.transition_out)):
            notes.append(f"the {name} of {event.shot.name} is named in the paperwork, and there is a cut in its place")
    return "\n".join(lines) + "\n", notes


def _edl_event(
    number: int, event: ConformEvent, cut_drop_frame: bool, reels: dict[str, str], rates: set[Fraction]
) -> list[str]:
    shot = event.shot
    if shot.source is None or shot.record is None:
        raise TimecodeError("it names no frames", found=shot.name)
    if {shot.source.frame_rate} != rates:
        raise TimecodeError("an edit decision list counts at one rate", found=f"source at {shot.source.frame_rate}")
    written = event.written_reel
    reel = reels.setdefault(written, _cmx_reel(written, reels)) if written else "AX"
    source_in, source_out = shot.source.timecodes(event.drop_frame)
    record_in, record_out = shot.record.timecodes(cut_drop_frame)
    lines = [f"{number:03d}  {reel:<8} V     C        {source_in} {source_out} {record_in} {record_out}"]
    speed = shot.speed_ratio
    if speed is None:
        lines.append("* RETIMED BY NO CONSTANT SPEED")
    elif speed != 1:
        frames = float(speed * round(shot.source.frame_rate))
        width = 5 if frames >= 0 else 6
        lines.append(f"M2   {reel:<8}       {frames:0{width}.1f}                {source_in.replace(';', ':')}")
    lines.append(f"* FROM CLIP NAME: {_line(shot.name)}")
    if event.delivered is not None:
        first, last = event.delivered.first_frame, event.delivered.first_frame + event.delivered.num_frames - 1
        lines += [
            f"* SOURCE FILE: {event.frames_url}/{event.delivered.file_name(first)}",
            f"* REPLACES: {_line(event.delivered.media)} FROM {source_in} TO {source_out}",
            f"* DELIVERED FRAMES: {first}-{last}, HANDLES {event.delivered.head} {event.delivered.tail}",
        ]
    elif shot.media_names:
        lines.append(f"* SOURCE FILE: {_line(shot.media_names[0])}")
    if reel != shot.reel and shot.reel:
        lines.append(f"* SOURCE REEL: {_line(shot.reel)}")
    if shot.cdl is not None:
        lines += [f"* ASC_SOP {shot.cdl.sop_text}", f"* ASC_SAT {shot.cdl.sat_text}"]
    for name, side in ((shot.transition_in, "IN"), (shot.transition_out, "OUT")):
        lines += [f"* TRANSITION {side}: {_line(name)}"] if name else []
    return lines


def _line(text: str) -> str:
    return " ".join(text.split())


def _cmx_reel(reel: str, taken: dict[str, str]) -> str:
    """At most 8 letters and digits, and no two reels alike."""
    short = re.sub(r"[^A-Za-z0-9_]", "", reel)[:CMX_REEL_LENGTH] or "REEL"
    count, name = 1, short
    while name in taken.values() or name in ("AX", "BL"):
        count += 1
        name = f"{short[: CMX_REEL_LENGTH - len(str(count)) - 1]}_{count}"
    return name


def conform_timeline(title: str, events: Sequence[ConformEvent]) -> otio.schema.Timeline:
    """The events as a timeline, a track for each of the cut's; the original is a second medium of a repaired shot."""
    placed = [event for event in events if event.shot.record is not None and event.shot.source is not None]
    timeline = otio.schema.Timeline(title)
    if not placed:
        return timeline
    records = [event.shot.record for event in placed if event.shot.record is not None]
    start = min(records, key=lambda record: Fraction(record.start) / record.frame_rate)
    timeline.global_start_time = _time(start.start, start.frame_rate)
    for name in dict.fromkeys(event.shot.track or "V" for event in placed):
        track = otio.schema.Track(name, kind=otio.schema.TrackKind.Video)
        cursor = start.start
        events_here = [event for event in placed if (event.shot.track or "V") == name]
        for event in sorted(events_here, key=lambda event: event.shot.record.start if event.shot.record else 0):
            record = event.shot.record
            assert record is not None
            if record.start > cursor:
                track.append(otio.schema.Gap(duration=_time(record.start - cursor, record.frame_rate)))
            track.append(_clip(event, record))
            cursor = record.end
        timeline.tracks.append(track)
    return timeline


def _clip(event: ConformEvent, record: FrameRange) -> otio.schema.Clip:
    shot, source = event.shot, event.shot.source
    assert source is not None
    # A retimed clip of a timeline is as long as its place in the cut; the effect says what it shows of the source.
    length = _time(source.num_frames, source.frame_rate)
    if shot.speed != "1/1":
        length = _time(record.num_frames, record.frame_rate)
    clip = otio.schema.Clip(
        shot.name, source_range=otio.opentime.TimeRange(_time(source.start, source.frame_rate), length)
    )
    speed = shot.speed_ratio
    if speed == 0:
        clip.effects.append(otio.schema.FreezeFrame())
    elif speed is not None and speed != 1:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
    original = otio.schema.ExternalReference(target_url=shot.media_names[0] if shot.media_names else shot.reel)
    original.name = shot.media_names[-1] if shot.media_names else shot.reel
    delivered = event.delivered
    if delivered is None:
        clip.media_reference = original
    else:
        repaired = otio.schema.ImageSequenceReference(
            target_url_base=event.frames_url,
            name_prefix=f"{delivered.stem}.",
            name_suffix=f".{delivered.extension}",
            start_frame=delivered.first_frame,
            frame_step=1,
            rate=float(delivered.source.frame_rate),
            frame_zero_padding=7,
        )
        repaired.available_range = _range(delivered.listed.model_copy(update={"num_frames": delivered.num_frames}))
        clip.set_media_references({"DEFAULT_MEDIA": repaired, "original": original}, "DEFAULT_MEDIA")
    grade = shot.cdl
    if grade is not None:
        sop = {"slope": list(grade.slope), "offset": list(grade.offset), "power": list(grade.power)}
        clip.metadata["cdl"] = {"asc_sop": sop, "asc_sat": grade.saturation}
    said = delivered.model_dump(mode="json", exclude={"shot"}) if delivered else {}
    clip.metadata["interpositive"] = {**said, "reel": shot.reel, "speed": shot.speed, "drop_frame": event.drop_frame}
    return clip


def _time(frames: int, rate: Fraction) -> otio.opentime.RationalTime:
    return otio.opentime.RationalTime(frames, float(rate))


def _range(frames: FrameRange) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(_time(frames.start, frames.frame_rate), _time(frames.num_frames, frames.frame_rate))
