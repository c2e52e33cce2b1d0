"""Shots of an OpenTimelineIO timeline: tracks, nested stacks and retimes flattened into frames of the source.

OpenTimelineIO counts in floats at float rates (23.976); here every time is exact again, and what falls
between two frames is widened to whole frames and noted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

import opentimelineio as otio

from interpositive.dailies.retimes import Retime, retime_of
from interpositive.records.cdl import Cdl
from interpositive.records.identity import FrameRange, exact_rate, rate_text
from interpositive.records.shots import LeftOut, Shot

_REEL_KEYS = {"reel", "reelname", "tape", "tapeid", "comappleproappsstudioreel"}


@dataclass(frozen=True)
class _Place:
    """Where in the cut a composition's own times lie: ``cut = at + (own - begin)``, in seconds, from begin to end."""

    sequence: str
    track: str
    at: Fraction
    begin: Fraction
    end: Fraction
    speed: Fraction = Fraction(1)
    notes: tuple[str, ...] = ()


@dataclass
class TimelineShots:
    """Flattens timelines; ``rate_of`` makes a float rate exact, ``reel_of`` and ``drops`` know what a format hides.

    ``reel_of(clip)`` gives a reel and whether it counts drop-frame; an empty reel is looked for in the metadata.
    """

    rate_of: Callable[[float], Fraction] = exact_rate
    reel_of: Callable[[Any], tuple[str, bool]] = lambda clip: ("", False)
    shots: list[Shot] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    rate: Fraction | None = None

    def add_timeline(self, timeline: Any) -> None:
        """Add all picture of a timeline, track by track."""
        start = timeline.global_start_time
        self.rate = self.rate_of(start.rate) if start else self._rate_of_first(timeline.tracks)
        at = self._seconds(start) if start else Fraction(0)
        if self.rate is None:
            return
        self._visit(timeline.tracks, self._whole(timeline.tracks, timeline.name or "", at))

    def add_bin(self, items: Any) -> None:
        """Add what lies in a bin beside the timelines: footage with no place in a cut."""
        for item in items:
            if isinstance(item, otio.schema.Timeline):
                self.add_timeline(item)
            elif isinstance(item, otio.schema.Clip):
                self._add_clip(item, None, ("", 0), ("", 0), Fraction(0), Fraction(0))
            else:
                self.left_out.append(LeftOut(name=item.name, reason="a compound in the bin, not used in a sequence"))

    def _rate_of_first(self, stack: Any) -> Fraction | None:
        times = [item.source_range or item.available_range() for item in stack.find_clips()]
        return self.rate_of(times[0].duration.rate) if times else None

    def _seconds(self, time: Any) -> Fraction:
        return Fraction(time.value).limit_denominator(1000) / self.rate_of(time.rate)

    def _span(self, span: Any) -> tuple[Fraction, Fraction]:
        start = self._seconds(span.start_time)
        return start, start + self._seconds(span.duration)

    def _own_span(self, item: Any) -> tuple[Fraction, Fraction]:
        """The part of an item that is used, in its own seconds, without rounding where it is made of parts."""
        if item.source_range is not None:
            return self._span(item.source_range)
        if isinstance(item, otio.schema.Track):
            return Fraction(0), sum((self._length(child) for child in item), Fraction(0))
        if isinstance(item, otio.schema.Stack):
            return Fraction(0), max((self._length(child) for child in item), default=Fraction(0))
        return self._span(item.available_range())

    def _length(self, item: Any) -> Fraction:
        if isinstance(item, otio.schema.Transition):
            return Fraction(0)
        begin, end = self._own_span(item)
        return end - begin

    def _whole(self, stack: Any, sequence: str, at: Fraction) -> _Place:
        begin, end = self._own_span(stack)
        return _Place(sequence, "", at, begin, end)

    def _visit(self, composition: Any, place: _Place) -> None:
        if isinstance(composition, otio.schema.Stack):
            for number, child in enumerate(composition, 1):
                track = place
                if isinstance(child, otio.schema.Track):
                    name = child.name if child.name else f"{child.kind} {number}"
                    track = replace(place, track=" / ".join(part for part in (place.track, name) if part))
                self._visit_child(child, track, Fraction(0), ("", 0), ("", 0))
            return
        cursor = Fraction(0)
        items = list(composition)
        for index, child in enumerate(items):
            if isinstance(child, otio.schema.Transition):
                continue
            self._visit_child(child, place, cursor, *self._transitions(items, index, place.speed))
            cursor += self._length(child)

    def _transitions(self, items: list[Any], index: int, speed: Fraction) -> tuple[tuple[str, int], tuple[str, int]]:
        """Names of the transitions at both ends of an item, and the frames of it that are seen beyond its cuts."""
        before = items[index - 1] if index else None
        after = items[index + 1] if index + 1 < len(items) else None
        first = self._transition(before, "in_offset", speed)
        return first, self._transition(after, "out_offset", speed)

    def _transition(self, item: Any, offset: str, speed: Fraction) -> tuple[str, int]:
        if not isinstance(item, otio.schema.Transition):
            return "", 0
        assert self.rate is not None
        kind = re.sub(r"^SMPTE_|_Transition$", "", item.transition_type).lower()
        name = kind if item.name.lower() in ("", "transition", kind) else f"{kind} ({item.name})"
        seconds = self._seconds(getattr(item, offset))
        return name, math.ceil(seconds * self.rate / (abs(speed) or 1))

    def _visit_child(
        self, child: Any, place: _Place, at: Fraction, first: tuple[str, int], last: tuple[str, int]
    ) -> None:
        """Add the part of a child, which begins at ``at`` in its parent, that the parent shows."""
        begin, end = max(at, place.begin), min(at + self._length(child), place.end)
        if begin >= end or isinstance(child, otio.schema.Gap):
            return
        if reason := _reason_to_leave_out(child):
            self.left_out += [LeftOut(name=name, track=place.track, reason=reason) for name in _names_in(child)]
            return
        # How far into the child the visible part begins and ends.
        skipped, length = begin - at, end - begin
        where = replace(place, at=place.at + (begin - place.begin) / place.speed)
        if isinstance(child, otio.schema.Clip):
            first, last = (first if not skipped else ("", 0)), (last if end == at + self._length(child) else ("", 0))
            self._add_clip(child, where, first, last, skipped, length)
            return
        if not _names_in(child):
            reason = "a nested sequence whose content the list does not hold"
            self.left_out.append(LeftOut(name=child.name, track=place.track, reason=reason))
            return
        own_begin, _ = self._own_span(child)
        retime = retime_of(child)
        speed = retime.speed if retime.speed else Fraction(1)
        notes = [*place.notes, *retime.notes]
        if retime.speed is None or retime.speed <= 0:
            notes.append(f"inside {child.name or 'a nested sequence'}, whose retime is not followed")
        nested = child.name if isinstance(child, otio.schema.Stack) else ""
        inner = _Place(
            sequence=place.sequence,
            track=" / ".join(part for part in (place.track, nested) if part),
            at=where.at,
            begin=own_begin + skipped * abs(speed),
            end=own_begin + (skipped + length) * abs(speed),
            speed=place.speed * abs(speed),
            notes=tuple(notes),
        )
        self._visit(child, inner)

    def _add_clip(
        self,
        clip: Any,
        place: _Place | None,
        first: tuple[str, int],
        last: tuple[str, int],
        skipped: Fraction,
        length: Fraction,
    ) -> None:
        reel, drop_frame = self._reel(clip)
        notes = list(place.notes) if place else []
        retime = retime_of(clip)
        notes += retime.notes
        source, media_start = self._source(clip, reel, retime, skipped, length if place else None, notes)
        outer = place.speed if place else Fraction(1)
        cdl = _grade(clip.metadata, notes)
        record = None
        if place is not None:
            assert self.rate is not None
            record = _whole_frames(place.at, place.at + length / outer, self.rate, "", "the cut", notes)
        self.shots.append(
            Shot(
                name=clip.name or (source.reel if source else "") or "shot",
                sequence=place.sequence if place else "",
                track=place.track if place else "",
                media_names=media_names(clip),
                source=source,
                source_drop_frame=drop_frame or None,
                media_start=media_start,
                record=record,
                speed=rate_text(retime.speed * outer) if retime.speed is not None else "",
                transition_in=first[0],
                transition_out=last[0],
                overlap_in=first[1],
                overlap_out=last[1],
                cdl=cdl,
                notes=notes,
            )
        )

    def _reel(self, clip: Any) -> tuple[str, bool]:
        reel, drop_frame = self.reel_of(clip)
        if reel:
            return reel, drop_frame
        metadata = [dict(clip.metadata), dict(clip.media_reference.metadata) if clip.media_reference else {}]
        found = next((reel for one in metadata for reel in _reels(one)), "")
        return found, drop_frame or any(_counts_drop_frame(one) for one in metadata)

    def _source(
        self, clip: Any, reel: str, retime: Retime, skipped: Fraction, length: Fraction | None, notes: list[str]
    ) -> tuple[FrameRange | None, int | None]:
        """The frames of the source under the visible part of a clip, and the number of the media's first frame."""
        available = clip.media_reference.available_range if clip.media_reference else None
        stated = clip.source_range or available
        if stated is None or stated.duration.value <= 0:
            notes.append("the list names no frames of it")
            return None, None
        rate = self.rate_of(stated.start_time.rate)
        begin, end = self._span(stated)
        media_begin, media_end = (None, None) if available is None else self._span(available)
        if available is not None and available.duration.value > 1 and self.rate_of(available.duration.rate) != rate:
            media_rate = self.rate_of(available.duration.rate)
            notes.append(f"its frames are stated at {rate}, the footage is at {media_rate} frames per second")
            rate = media_rate
        if length is not None:
            end = begin + skipped + length
            begin += skipped
        speed = retime.speed if retime.speed is not None else Fraction(1)
        frame = Fraction(1) / rate
        if retime.counts_retimed:
            # The file counts frames after the retime, from the media's own first frame.
            origin = media_begin or Fraction(0)
            begin, end = (origin + (time - origin) * abs(speed) for time in (begin, end))
            if speed < 0 and media_end is not None:
                begin, end = origin + media_end - end, origin + media_end - begin
        elif speed != 1:
            end = begin + max((end - begin) * abs(speed), frame)
        if media_end is not None and end - media_end < frame:
            # What is counted at another rate may seem to reach into a frame that the media does not have.
            end = min(end, media_end)
        if end - begin < frame:
            end = begin + frame
        media_start = None if media_begin is None else math.floor(media_begin * rate)
        return _whole_frames(begin, end, rate, reel, "the source", notes), media_start


def _whole_frames(begin: Fraction, end: Fraction, rate: Fraction, reel: str, what: str, notes: list[str]) -> FrameRange:
    # A thousandth of a frame is what is left of a float's rounding.
    first, last = math.floor(begin * rate + Fraction(1, 1000)), math.ceil(end * rate - Fraction(1, 1000))
    if abs(begin * rate - first) > Fraction(1, 1000) or abs(end * rate - last) > Fraction(1, 1000):
        notes.append(f"in and out fall between frames of {what} and were widened to whole ones")
    return FrameRange(reel=reel, start=first, num_frames=max(last - first, 1), rate=rate_text(rate))


def _reason_to_leave_out(item: Any) -> str:
    if isinstance(item, otio.schema.Track) and item.kind != otio.schema.TrackKind.Video:
        return "sound only"
    if not item.enabled:
        return "muted"
    if isinstance(item, otio.schema.Clip) and isinstance(item.media_reference, otio.schema.GeneratorReference):
        return f"made by the editing system ({item.media_reference.generator_kind or 'a generator'}), no footage"
    return ""


def _names_in(item: Any) -> list[str]:
    if isinstance(item, otio.schema.Clip):
        return [item.name]
    return [clip.name for clip in item.find_clips()]


def media_names(clip: Any) -> list[str]:
    """All names that a clip gives its footage: the file it points to, the media's name, its own."""
    reference = clip.media_reference
    names = []
    if isinstance(reference, otio.schema.ExternalReference):
        names.append(re.split(r"[/\\]", unquote(reference.target_url).rstrip("/\\"))[-1])
    elif isinstance(reference, otio.schema.ImageSequenceReference):
        names.append(reference.name_prefix.rstrip("._-"))
    names += [reference.name if reference else "", clip.name]
    return list(dict.fromkeys(name for name in names if name))


def _reels(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Values of all keys that mean a reel, however an editing system spells it and however deep."""
    for key, value in metadata.items():
        named = re.sub(r"[^a-z]", "", str(key).lower()) in _REEL_KEYS
        if named and isinstance(value, str) and value.strip():
            yield value.strip()
        elif isinstance(value, Mapping):
            if named and isinstance(value.get("name"), str):
                yield value["name"].strip()
            yield from _reels(value)
        elif isinstance(value, (list, tuple, otio._otio.AnyVector)):
            for one in value:
                if isinstance(one, Mapping):
                    yield from _reels(one)


def _counts_drop_frame(metadata: Mapping[str, Any]) -> bool:
    return any(
        (key == "displayformat" and value == "DF") or (isinstance(value, Mapping) and _counts_drop_frame(value))
        for key, value in metadata.items()
    )


def _grade(metadata: Mapping[str, Any], notes: list[str]) -> Cdl | None:
    stated = metadata.get("cdl")
    if not isinstance(stated, Mapping):
        return None
    try:
        sop = stated.get("asc_sop", {})
        triples = {
            name: tuple(float(part) for part in sop[name]) for name in ("slope", "offset", "power") if name in sop
        }
        return Cdl(**triples, saturation=float(stated.get("asc_sat", 1.0)))
    except (ValueError, TypeError) as error:
        notes.append(f"its grade is not used: {str(error).splitlines()[0]}")
        return None
