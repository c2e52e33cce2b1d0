"""What is repaired: a movie or folder, some frames of it, or a shot of the cut pulled from the dailies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from interpositive.dailies.conforming import ConformedCut, Pull
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.errors import ConfigError, TimecodeError
from interpositive.media.contract import FrameReader, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.range_reader import RangeReader
from interpositive.records.cdl import Cdl
from interpositive.records.delivered_shot import DeliveredShot
from interpositive.records.identity import FrameRange, rate_text
from interpositive.records.shots import Shot
from interpositive.records.timecode import frames_per_day, is_drop_frame, timecode_to_frame

FrameSpan = tuple[int, int] | tuple[str, str]


@dataclass(frozen=True)
class Plate:
    """The frames to repair; ``name`` is the stem of every delivered file.

    ``frames`` is half-open: numbers counted from 0 in the file, or timecodes. A ``take`` is read by its
    digests and has the reel and timecode that the production gave it. ``layer`` and ``rate`` are for a path to
    frames that leave these open (:func:`interpositive.media.opening.open_reader`). ``shot`` and ``pull`` say
    which shot of which ``cut`` it is.
    """

    path: Path
    name: str
    frames: FrameSpan | None = None
    take: Take | None = None
    shot: Shot | None = None
    pull: Pull | None = None
    cut: ConformedCut | None = None
    layer: str | None = None
    rate: Fraction | None = None

    @property
    def cdl(self) -> Cdl | None:
        """The grade that the cut gives the shot."""
        return self.shot.cdl if self.shot else None

    def open(self) -> FrameReader:
        """Open the frames to repair; ``MediaError`` or ``TimecodeError`` for frames that are not there."""
        if self.take is None:
            whole = open_reader(self.path, layer=self.layer, rate=self.rate)
            return whole if self.frames is None else RangeReader(whole, *_frame_numbers(self.frames, whole.info))
        whole = open_take(self.take)
        start, reel = self.take.start_timecode, self.take.reel
        marked = RangeReader(whole, start_timecode=start, reel=reel)
        if self.frames is None:
            return marked
        return RangeReader(whole, *_frame_numbers(self.frames, marked.info), start_timecode=start, reel=reel)

    def delivered(self, reader: FrameReader, first_frame: int, extension: str) -> DeliveredShot:
        """The identity of what is delivered from these frames."""
        info = reader.info
        start = info.start_timecode
        counted = timecode_to_frame(start, info.rate) if start else getattr(reader, "first", 0)
        head, tail = self.pull.handles if self.pull else (0, 0)
        return DeliveredShot(
            name=self.name,
            media=self.path.name,
            take=self.take.name if self.take else "",
            source=FrameRange(
                reel=info.reel or "", start=counted, num_frames=info.num_frames, rate=rate_text(info.rate)
            ),
            drop_frame=start is not None and is_drop_frame(start),
            has_timecode=start is not None,
            head=head,
            tail=tail,
            first_frame=first_frame,
            stem=self.name,
            extension=extension,
            cut=self.cut.cut_list.title if self.cut else "",
            cut_drop_frame=bool(self.cut and self.cut.cut_list.drop_frame),
            shot=self.shot,
        )


def plate_at(
    path: Path, frames: FrameSpan | None = None, layer: str | None = None, rate: Fraction | None = None
) -> Plate:
    """A movie or folder of frames, or some frames of it."""
    path = Path(path)
    name = path.stem if path.is_file() else path.resolve().name
    return Plate(path, name, frames, layer=layer, rate=rate)


def plate_of_shot(cut: ConformedCut, name: str, take: Take) -> Plate:
    """A shot of the cut with its handles, pulled from the take that holds it."""
    shot, pull = cut.pull(name)
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._") or "shot"
    return Plate(Path(take.path), stem, (pull.first, pull.end), take, shot, pull, cut)


def _frame_numbers(frames: FrameSpan, info: MediaInfo) -> tuple[int, int]:
    first, end = frames
    if isinstance(first, int) and isinstance(end, int):
        return first, end
    if isinstance(first, int) or isinstance(end, int):
        raise ConfigError("a range is two frame numbers or two timecodes", found=list(frames))
    if info.start_timecode is None:
        raise TimecodeError(
            f"{info.path.name} carries no timecode",
            found=f"{first} to {end}",
            expected="frame numbers, counted from 0",
            remedy="name it by numbers: frames=[0,48]",
        )
    start = info.start_timecode
    drop_frame = is_drop_frame(start)
    if {is_drop_frame(first), is_drop_frame(end)} != {drop_frame}:
        # The same digits name another frame when they are counted the other way.
        raise TimecodeError(
            f"{info.path.name} counts {'drop-frame' if drop_frame else 'non-drop'}",
            found=f"{first} to {end}",
            expected=f"timecodes written as its own, such as {start}",
        )
    day = frames_per_day(info.rate, drop_frame)
    first_number, end_number = (
        timecode_to_frame(label, info.rate) - timecode_to_frame(start, info.rate) for label in (first, end)
    )
    # Only a reel that runs past midnight has labels before its first one.
    past_midnight = [
        number + day if number + day <= info.num_frames else number for number in (first_number, end_number)
    ]
    return past_midnight[0], past_midnight[1]
