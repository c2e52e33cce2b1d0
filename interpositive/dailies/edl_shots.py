"""Shots of a CMX3600 edit decision list, by OpenTimelineIO's reader and the list's own lines together."""

from __future__ import annotations

import re
from fractions import Fraction

import opentimelineio as otio

from interpositive.dailies.edl_events import (
    BLACK_REELS,
    EdlEvent,
    is_incoming,
    media_names,
    read_edl_events,
    text_for_adapter,
)
from interpositive.errors import ColourError, CutListError
from interpositive.records.cdl import Cdl, cdl_from_text
from interpositive.records.identity import FrameRange, rate_text
from interpositive.records.shots import CutList, LeftOut, Shot, with_unique_names

_TRANSITIONS = {"D": "dissolve", "W": "wipe", "K": "key"}
_GRADE = re.compile(r"\*\s*ASC_(SOP|SAT)\s*:?\s*(.*)")


def cut_list_from_edl(text: str, path: str, rate: Fraction) -> CutList:
    """All events as shots or as left out with a reason.

    ``CutListError`` where a line cannot be read, or OpenTimelineIO's reader has lost an event.
    """
    titles = re.findall(r"^\s*TITLE:[ \t]*(.*?)\s*$", text, re.MULTILINE)
    title = titles[0] if titles else ""
    events = read_edl_events(text, rate)
    if not events:
        raise CutListError("the edit decision list has no event", found=title or "no line that begins with a number")
    _check_transitions(events)
    names = _names_by_event(text_for_adapter(title, events, rate), rate)
    shots: list[Shot] = []
    left_out: list[LeftOut] = []
    for index, event in enumerate(events):
        if reason := _reason_to_leave_out(event):
            left_out.append(LeftOut(name=f"event {event.number}", track=event.channels, reason=reason))
        elif event.source is None or event.record is None:
            shots = _end_of_outgoing(shots, event, events[index + 1 : index + 2])
        elif index not in names:
            raise CutListError(
                f"event {event.number} on line {event.line} was lost by the reader of edit decision lists",
                found=f"{len(names)} events",
                expected=f"{len(events)} events",
                remedy="export the cut as OTIO, AAF or XML instead",
            )
        else:
            incoming = is_incoming(events, index)
            shots += [_shot(event, track, names[index], title, rate, incoming) for track in event.tracks]
    return CutList(
        path=path,
        format="CMX3600 EDL",
        title=title,
        rate=rate_text(rate),
        drop_frame=events[0].record_drop_frame,
        shots=with_unique_names(shots),
        left_out=left_out,
    )


def _check_transitions(events: list[EdlEvent]) -> None:
    for index, event in enumerate(events):
        if event.edit[0] in "DW" and not is_incoming(events, index):
            raise CutListError(
                f"event {event.number} on line {event.line} is a {_TRANSITIONS[event.edit[0]]} from nothing",
                found=f"the line before is event {events[index - 1].number}" if index else "no event before it",
                expected=f"the outgoing side as event {event.number} on the line before",
                remedy="give both lines of the transition the same number, or export the list again",
            )


def _names_by_event(text: str, rate: Fraction) -> dict[int, str]:
    """What OpenTimelineIO calls each event it has read, by the event's place in the list."""
    try:
        timeline = otio.adapters.read_from_string(
            text, adapter_name="cmx_3600", rate=float(rate), ignore_timecode_mismatch=True
        )
    except Exception as error:
        # The reader raises its own errors and those of its mistakes alike.
        raise CutListError(
            "the edit decision list could not be read",
            found=f"{type(error).__name__}: {error}",
            expected="a CMX3600 list",
            remedy="export it as CMX3600 again, or as OTIO, AAF or XML",
        ) from None
    clips = [clip for track in timeline.tracks for clip in track if isinstance(clip, otio.schema.Clip)]
    reels = [(clip.metadata["cmx_3600"]["reel"], clip.name) for clip in clips]
    return {int(reel[1:]): name for reel, name in reels if reel.startswith("E")}


def _reason_to_leave_out(event: EdlEvent) -> str:
    if not event.has_picture:
        return "sound only"
    return f"{event.reel} is no footage" if event.reel in BLACK_REELS else ""


def _shot(event: EdlEvent, track: str, name: str, title: str, rate: Fraction, incoming: bool) -> Shot:
    assert event.source is not None and event.record is not None
    cdl, notes = _grade(event)
    notes += [text.lstrip("* ") for text in event.texts if re.match(r"\*\s*LOC:", text)]
    speed = event.speed(rate)
    if not speed:
        notes.append(
            f"{event.source.num_frames} frames of the source fill {event.record.num_frames} of the cut "
            "and no M2 line says how"
        )
    return Shot(
        name=event.number if name.isdigit() else name,
        sequence=title,
        track=track,
        event=event.number,
        media_names=media_names(event, "TO" if incoming else "FROM"),
        source=event.source,
        source_drop_frame=event.source_drop_frame,
        record=event.record,
        speed=speed,
        transition_in=_transition(event) if incoming or event.edit[0] == "K" else "",
        cdl=cdl,
        notes=notes,
    )


def _transition(event: EdlEvent) -> str:
    kind = _TRANSITIONS[event.edit[0]]
    return f"{kind} {event.edit[1:]}".strip() if kind == "wipe" else kind


def _end_of_outgoing(shots: list[Shot], event: EdlEvent, following: list[EdlEvent]) -> list[Shot]:
    """Give the frames under a transition to the shot that goes out, or to a shot of their own.

    The outgoing side is an empty line; its footage runs on for as long as the transition lasts.
    """
    if not following or not is_incoming([event, *following], 1):
        return shots
    incoming = following[0]
    name, reel = _transition(incoming), "" if event.reel == "AX" else event.reel
    names = media_names(incoming, "FROM")
    for place in reversed(range(len(shots))):
        shot = shots[place]
        if shot.track in event.tracks:
            goes_on = shot.source is not None and shot.source.end == event.source_in and shot.reel == reel
            if goes_on:
                ended = shot.model_copy(update={"transition_out": name, "overlap_out": incoming.frames})
                return [*shots[:place], ended, *shots[place + 1 :]]
            break
    if event.reel in BLACK_REELS or not incoming.frames:
        return shots
    assert incoming.record is not None
    own = Shot(
        name=names[-1] if names else event.number,
        sequence=shots[-1].sequence if shots else "",
        track=event.tracks[0],
        event=event.number,
        media_names=names,
        source=FrameRange(reel=reel, start=event.source_in, num_frames=incoming.frames, rate=incoming.record.rate),
        source_drop_frame=event.source_drop_frame,
        record=FrameRange(reel="", start=incoming.record.start, num_frames=incoming.frames, rate=incoming.record.rate),
        transition_out=name,
        notes=[f"seen only while it goes out in the {name}"],
    )
    return [*shots, own]


def _grade(event: EdlEvent) -> tuple[Cdl | None, list[str]]:
    stated = {found[1]: found[2] for found in map(_GRADE.fullmatch, event.texts) if found}
    if not stated:
        return None, []
    try:
        return cdl_from_text(stated.get("SOP", ""), stated.get("SAT", "")), []
    except ColourError as error:
        return None, [f"its grade is not used: {error.what} ({error.found})"]
