"""The event lines of a CMX3600 edit decision list, letter by letter.

OpenTimelineIO's reader drops what a conform rests on: the reel ``AX``, ``FCM`` lines and with them drop-frame
counting, source ranges of retimes, and the outgoing side of a dissolve. So its result is checked
against these lines and completed from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction

from interpositive.errors import CutListError
from interpositive.records.identity import FrameRange, rate_text
from interpositive.records.timecode import frames_per_day, is_drop_frame, timecode_to_frame, wrapped_timecode

_TIMECODE = r"(\d\d:\d\d:\d\d[:;]\d\d)"
_EVENT = re.compile(
    r"(?P<number>\d+)\s+(?P<reel>\S.*?)\s+(?P<channels>\S+)\s+(?P<edit>C|D|W\d{3}|K\s+B|K\s+O|KB|KO|K)(?:\s+(?P<frames>\d+))?"
    r"\s+" + r"\s+".join([_TIMECODE] * 4),
    re.ASCII,
)
_SPEED = re.compile(r"M2\s+(?P<reel>.*?)\s+(?P<speed>[+-]?\d+(?:\.\d*)?)\s+" + _TIMECODE, re.ASCII)
# Speeds are written in frames a second with one decimal, so that 23.9 and 24.0 both mean as shot.
_AS_SHOT = Fraction(1, 10)
# Characters in which a reel cut to 8 is sure to agree with its whole name; the last two may be a number.
_ALIKE = 6
BLACK_REELS = {"BL", "BLACK", "BLK", "BARS"}


@dataclass(frozen=True)
class EdlEvent:
    """One event line: reel and channels as written, ranges counted exactly, and the lines of text after it.

    ``short_reel`` is the reel as written where a comment says the whole one. ``frames`` is the length of a dissolve or
    wipe. ``source`` is None for the empty outgoing side of a transition.
    """

    line: int
    number: str
    reel: str
    channels: str
    edit: str
    frames: int
    source: FrameRange | None
    source_in: int
    source_drop_frame: bool
    record: FrameRange | None
    record_in: int
    record_drop_frame: bool
    texts: list[str] = field(default_factory=list)
    short_reel: str = ""

    @property
    def has_picture(self) -> bool:
        """Whether the event is on a picture track."""
        return self.channels == "B" or "V" in self.channels

    @property
    def tracks(self) -> list[str]:
        """Names of the picture tracks."""
        return ["V"] if self.channels == "B" else [part for part in self.channels.split("/") if "V" in part]

    def speed(self, rate: Fraction) -> str:
        """Frames of the source for a frame of the cut as ``M2`` states them; empty where lengths differ without it."""
        for text in self.texts:
            stated = _SPEED.fullmatch(text)
            # Each side of a dissolve has its own line, told apart by the reel.
            if stated and (stated["reel"] in ("", self.reel, self.short_reel) or self.frames == 0):
                per_second = Fraction(stated["speed"])
                as_shot = abs(abs(per_second) - rate) < _AS_SHOT
                speed = Fraction(-1 if per_second < 0 else 1) if as_shot else per_second / round(rate)
                return rate_text(speed)
        same = self.source and self.record and self.source.num_frames == self.record.num_frames
        return "1/1" if same else ""


def read_edl_events(text: str, rate: Fraction) -> list[EdlEvent]:
    """All events in the order of the list; ``CutListError`` names the first line that is none and should be.

    ``FCM: DROP FRAME`` makes the colons after it drop-frame: the first such line counts the cut, each
    later one the source of the events after it. A semicolon always does.
    """
    events: list[EdlEvent] = []
    record_drops: bool | None = None
    source_drops = False
    for number, line in enumerate(text.splitlines(), 1):
        line = " ".join(line.split())
        if line.upper().startswith("FCM"):
            source_drops = "NON" not in line.upper() and "DROP" in line.upper()
            record_drops = source_drops if record_drops is None else record_drops
        elif line[:1].isdigit():
            events.append(_event(line, number, rate, source_drops, bool(record_drops)))
        elif events and line:
            events[-1].texts.append(line)
    return [_with_whole_reel(event) for event in events]


def _with_whole_reel(event: EdlEvent) -> EdlEvent:
    """A list that had to shorten a reel may say the whole one; it counts if it begins as the short one does."""
    for text in event.texts:
        stated = re.fullmatch(r"\*\s*SOURCE REEL:\s*(.*\S)", text)
        if stated and re.sub(r"\W", "", stated[1])[:_ALIKE] == re.sub(r"\W", "", event.reel)[:_ALIKE]:
            source = event.source and event.source.model_copy(update={"reel": stated[1]})
            return replace(event, reel=stated[1], source=source, short_reel=event.reel)
    return event


def _event(line: str, number: int, rate: Fraction, source_drops: bool, record_drops: bool) -> EdlEvent:
    found = _EVENT.fullmatch(line)
    if found is None:
        raise CutListError(
            f"line {number} of the edit decision list is no event",
            found=line[:120],
            expected="number, reel, channels, C or D or W001 with frames, then source in and out, record in and out",
            remedy="export the list as CMX3600; retimes, keys and titles each on lines of their own",
        )
    reel = found["reel"]
    labels = [found[found.re.groups - back] for back in (3, 2, 1, 0)]
    source_labels = [_marked(label, source_drops) for label in labels[:2]]
    record_labels = [_marked(label, record_drops) for label in labels[2:]]
    source_in, source = _span(source_labels, reel, rate, number)
    record_in, record = _span(record_labels, "", rate, number)
    return EdlEvent(
        line=number,
        number=found["number"],
        reel=reel,
        channels=found["channels"].upper(),
        edit=found["edit"].replace(" ", ""),
        frames=int(found["frames"] or 0),
        source=source,
        source_in=source_in,
        source_drop_frame=is_drop_frame(source_labels[0]),
        record=record,
        record_in=record_in,
        record_drop_frame=is_drop_frame(record_labels[0]),
    )


def _marked(label: str, drops: bool) -> str:
    return f"{label[:8]};{label[9:]}" if drops else label


def _span(labels: list[str], reel: str, rate: Fraction, line: int) -> tuple[int, FrameRange | None]:
    try:
        first, end = (timecode_to_frame(label, rate) for label in labels)
    except ValueError as error:
        raise CutListError(
            f"line {line} has a timecode that does not exist at {rate} frames per second",
            found=" ".join(labels),
            expected=str(getattr(error, "expected", "")) or None,
            remedy="say the list's own rate: cut_list_rate=25, 24000/1001, 30000/1001 …",
        ) from error
    if end < first:
        # Either the reel ran past midnight, or it is played backwards and written last frame first.
        across = end + frames_per_day(rate, is_drop_frame(labels[0]))
        first, end = (first, across) if across - first < (across - end) // 2 else (end, first)
    if end == first:
        return first, None
    return first, FrameRange(
        reel="" if reel == "AX" else reel, start=first, num_frames=end - first, rate=rate_text(rate)
    )


def text_for_adapter(title: str, events: list[EdlEvent], rate: Fraction) -> str:
    """The list as OpenTimelineIO's reader can take it: each event's reel is ``E`` and its place in ``events``.

    Retimes and grades are left out, since they are read here; events are numbered anew so that only the two
    lines of a transition share a number. Black is put before a transition at the very beginning of a track,
    which it refuses: cuts fade in.
    """
    lines = [f"TITLE: {title}"]
    begun: set[str] = set()
    for index, event in enumerate(events):
        if event.source is not None and not begun.issuperset(event.tracks):
            if is_incoming(events, index):
                black = [wrapped_timecode(frame, rate, False) for frame in (0, 1)]
                number = len(events) + index + 1
                lines.insert(1, " ".join([f"{number:03d}", "BL", event.channels, "C", *black, *black]))
            begun.update(event.tracks)
        number = index if is_incoming(events, index) else index + 1
        edit = f"{event.edit} {event.frames:03d}" if event.edit[0] in "DW" else "C"
        labels = []
        for first, span, drop in (
            (event.source_in, event.source, event.source_drop_frame),
            (event.record_in, event.record, event.record_drop_frame),
        ):
            labels += [wrapped_timecode(frame, rate, drop) for frame in (first, span.end if span else first)]
        lines.append(" ".join([f"{number:03d}", f"E{index}", event.channels, edit, *labels]))
        lines += [text for text in event.texts if not re.match(r"M2\b|SPLIT|\*\s*ASC_|\d", text)]
    return "\n".join(lines)


def is_incoming(events: list[EdlEvent], index: int) -> bool:
    """Whether an event is the second line of a transition, after its outgoing side under the same number."""
    return index > 0 and events[index].edit[0] in "DW" and events[index].number == events[index - 1].number


_NAMES = re.compile(r"\*?\s*(FROM|TO)?\s*(CLIP NAME|SOURCE FILE|CLIP|FILE)( IS)?:\s*(.*\S)", re.IGNORECASE)
_LIKELIEST = ("SOURCE FILE", "FILE", "CLIP", "CLIP NAME")


def media_names(event: EdlEvent, side: str) -> list[str]:
    """Names of the footage in the lines after an event, the likeliest first; ``side`` is FROM or TO of a transition."""
    named = [found for found in map(_NAMES.fullmatch, event.texts) if found]
    sided = [found for found in named if (found[1] or side).upper() == side]
    if side == "TO" and not any(found[1] and found[1].upper() == "TO" for found in named):
        sided = named
    order = sorted(sided, key=lambda found: _LIKELIEST.index(found[2].upper()))
    return list(dict.fromkeys(found[4] for found in order))
