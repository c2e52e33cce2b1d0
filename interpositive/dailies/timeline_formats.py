"""What OpenTimelineIO's readers of FCPXML, FCP7 XML and AAF would lose, found in the files themselves."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import aaf2
import opentimelineio as otio

from interpositive.errors import CutListError
from interpositive.records.identity import exact_rate, rate_text
from interpositive.records.shots import CutList, LeftOut, Shot

_TIME = re.compile(r'\b(offset|start|duration|tcStart|frameDuration|audioStart|audioDuration)="(-?\d+)(?:/(\d+))?s"')
# Times are floored to frames after a division of floats; this much of a second keeps 18.999… at 19.
_NUDGE = Fraction(1, 10**7)
_NOT_READ = ("mc-clip", "sync-clip", "audition", "title")


def _tree(text: str, path: Path) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except (ElementTree.ParseError, ValueError) as error:
        raise CutListError(
            f"{path.name} is damaged XML", found=str(error), expected="a whole file", remedy="export it again"
        ) from None


class FcpxText:
    """An FCPXML as its reader can take it without loss.

    The reader makes 29 frames a second of 30000/1001 and floors times to that. So all times of a file at such
    rates are stretched until its frames are whole, which names the same frames, and the rate is put back after.
    """

    def __init__(self, text: str, path: Path) -> None:
        self._root = _tree(text, path)
        durations = [_seconds(one.get("frameDuration", "")) for one in self._root.iter("format")]
        self._rates = {1 / duration for duration in durations if duration}
        slowed = {rate for rate in self._rates if rate.denominator == 1001}
        if slowed and slowed != self._rates:
            raise CutListError(
                f"{path.name} mixes frame rates that its reader would confuse",
                found=", ".join(str(rate) for rate in sorted(self._rates)),
                expected="only whole rates, or only rates slowed by 1000/1001",
                remedy="export the sequence as FCP7 XML, AAF or OTIO",
            )
        self._slowing = Fraction(1001, 1000) if slowed else Fraction(1)
        self.text = _TIME.sub(self._stretched, text)

    def _stretched(self, found: re.Match[str]) -> str:
        seconds = Fraction(int(found[2]), int(found[3] or 1)) / self._slowing
        if found[1] != "frameDuration" and seconds:
            seconds += _NUDGE
        return f'{found[1]}="{seconds.numerator}/{seconds.denominator}s"'

    def rate_of(self, rate: float) -> Fraction:
        """The rate of the file that the reader calls by a whole number."""
        return exact_rate(rate) / self._slowing

    def completed(self, cut: CutList) -> CutList:
        """The cut with its retimes, and with what the reader passes over named as left out."""
        left_out = [
            LeftOut(name=one.get("name", kind), reason=f"a {kind} of FCPXML, which is not read")
            for kind in _NOT_READ
            for one in self._root.iter(kind)
        ]
        maps = self._retimes()
        shots = [_retimed(shot, maps[shot.name]) if shot.name in maps else shot for shot in cut.shots]
        drops = any(one.get("tcFormat") == "DF" for one in self._root.iter("sequence"))
        return cut.model_copy(update={"shots": shots, "left_out": [*cut.left_out, *left_out], "drop_frame": drops})

    def _retimes(self) -> dict[str, set[str]]:
        """Speeds by the name of the clip: a map of two points is a constant speed, any other none."""
        speeds: dict[str, set[str]] = {}
        for one in self._root.iter():
            points = [
                (_seconds(p.get("time", "")), _seconds(p.get("value", ""))) for p in one.findall("timeMap/timept")
            ]
            if one.find("timeMap") is None:
                continue
            speed = ""
            if len(points) == 2 and points[0][0] != points[1][0]:
                speed = rate_text((points[1][1] - points[0][1]) / (points[1][0] - points[0][0]))
            speeds.setdefault(one.get("name", ""), set()).add(speed)
        for kind in ("clip", "asset-clip", "ref-clip", "video"):
            for one in self._root.iter(kind):
                if one.get("name", "") in speeds and one.find("timeMap") is None:
                    speeds[one.get("name", "")].add("1/1")
        return speeds


def _retimed(shot: Shot, speeds: set[str]) -> Shot:
    speed = next(iter(speeds)) if len(speeds) == 1 else ""
    note = f"retimed (timeMap), speed {speed}" if speed else "retimed (timeMap), not by one constant speed"
    note += "; in and out count frames after the retime"
    return shot.model_copy(update={"speed": speed, "notes": [*shot.notes, note]})


def _seconds(text: str) -> Fraction:
    found = re.fullmatch(r"(-?\d+)(?:/(\d+))?s", text)
    return Fraction(int(found[1]), int(found[2] or 1)) if found and found[2] != "0" else Fraction(0)


def fcp7_text(text: str, path: Path) -> str:
    """An FCP7 XML as its reader can take it: it looks for the tracks of a nested sequence one level too high."""
    root = _tree(text, path)
    for sequence in list(root.iter("sequence")):
        media = sequence.find("media")
        sequence.extend([] if media is None else [child for child in media if child.tag in ("video", "audio")])
    return ElementTree.tostring(root, encoding="unicode")


def check_fcp7(text: str, timeline: Any, path: Path) -> None:
    """Refuse the list if its reader has lost a clip of a picture track; ``CutListError`` names it.

    Sound is not compared: the reader joins the channels of a stereo track.
    """
    root = _tree(text, path)
    sequence = next(root.iter("sequence"), None)
    if sequence is None or not isinstance(timeline, otio.schema.Timeline):
        return
    tracks = sequence.findall("media/video/track")
    stated = [item for track in tracks for item in track if item.tag in ("clipitem", "generatoritem")]
    read = [
        item
        for track in timeline.video_tracks()
        for item in track
        if not isinstance(item, (otio.schema.Gap, otio.schema.Transition))
    ]
    if len(stated) == len(read):
        return
    names = Counter(item.findtext("name") or "" for item in stated)
    names.subtract(item.name for item in read)
    raise CutListError(
        f"clips of {path.name} were lost by its reader",
        found=f"{len(read)} of {len(stated)}; missing: " + ", ".join(name for name in names if names[name] > 0)[:200],
        expected="every clip of the sequence",
        remedy="export the cut as EDL, AAF or OTIO",
    )


@dataclass
class AafReels:
    """Tapes behind the media of an AAF, which its reader does not follow to the end."""

    by_media: dict[str, tuple[str, bool]] = field(default_factory=dict)
    cut_drops: bool = False

    def reel_of(self, clip: Any) -> tuple[str, bool]:
        """Name of the tape that a clip's media came from, and whether it counts drop-frame."""
        for owner in (clip.media_reference, clip):
            mob = owner.metadata.get("AAF", {}).get("MobID") if owner is not None else None
            if mob in self.by_media:
                return self.by_media[mob]
        return "", False


def aaf_reels(path: Path) -> AafReels:
    """Follow every medium of an AAF to the tape at the end of its chain; ``CutListError`` for a damaged file."""
    reels = AafReels()
    try:
        with aaf2.open(str(path), "r") as file:
            for mob in file.content.mobs:
                if isinstance(mob, aaf2.mobs.CompositionMob):
                    reels.cut_drops |= _drops(mob)
                elif (tape := _tape_behind(mob)) is not None:
                    reels.by_media[str(mob.mob_id)] = (tape.name or "", _drops(tape))
    except Exception as error:
        # The parser is written for whole files; over a damaged one it may raise anything.
        raise CutListError(
            f"{path.name} is a damaged AAF", found=f"{type(error).__name__}: {error}"[:300], expected="a whole file",
            remedy="export it again",
        ) from None  # fmt: skip
    return reels


def _tape_behind(mob: Any) -> Any:
    # Media, import, tape: chains are short; a longer one is a ring.
    for _ in range(8):
        if isinstance(getattr(mob, "descriptor", None), aaf2.essence.TapeDescriptor):
            return mob
        segments = [slot.segment for slot in mob.slots if slot.media_kind == "Picture"]
        clip = next((one for one in segments if isinstance(one, aaf2.components.SourceClip)), None)
        mob = clip.mob if clip is not None else None
        if mob is None:
            return None
    return None


def _drops(mob: Any) -> bool:
    segments = [slot.segment for slot in mob.slots]
    return any(isinstance(one, aaf2.components.Timecode) and bool(one["Drop"].value) for one in segments)
