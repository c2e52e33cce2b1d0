"""What a delivery replaces: which frames of which take, and the shot of the cut that they are for."""

from __future__ import annotations

from interpositive.records.base import Record
from interpositive.records.identity import FrameRange
from interpositive.records.shots import Shot


class DeliveredShot(Record):
    """The identity of delivered frames.

    ``source`` are all delivered frames, handles included, by the reel and number that they have in the dailies;
    without timecode they are counted from the beginning of the file and ``has_timecode`` is false. ``head`` and
    ``tail`` are the handles. ``first_frame`` numbers the first of the files ``<stem>.<7 digits>.<extension>``.
    ``shot`` is the shot of the cut ``cut`` that was pulled; None for a take or movie that was repaired for itself.
    ``num_delivered`` frames come in the place of the source's where their number or their speed is another;
    ``speed`` is exact text, frames of the source for a delivered one, empty where that changes on the way.
    """

    name: str
    media: str
    take: str = ""
    source: FrameRange
    drop_frame: bool = False
    has_timecode: bool
    head: int = 0
    tail: int = 0
    first_frame: int
    stem: str
    extension: str
    cut: str = ""
    cut_drop_frame: bool = False
    shot: Shot | None = None
    num_delivered: int | None = None
    speed: str = "1/1"

    @property
    def num_frames(self) -> int:
        """How many frames are delivered."""
        return self.source.num_frames if self.num_delivered is None else self.num_delivered

    @property
    def record_drop_frame(self) -> bool:
        """How the cut is counted; a take repaired for itself is counted as it is itself."""
        return self.cut_drop_frame if self.shot else self.drop_frame

    @property
    def used(self) -> FrameRange:
        """The delivered frames without their handles."""
        return self.source.widened(-self.head, -self.tail)

    @property
    def listed(self) -> FrameRange:
        """The delivered frames as the cut list counts them, which may begin elsewhere than a file without timecode."""
        if self.shot is None or self.shot.needed is None:
            return self.source
        return self.shot.needed.widened(self.head, self.tail)

    @property
    def in_words(self) -> str:
        """What is replaced, as a person says it: which frames of what, for which shot, with which handles."""
        used = self.used
        first, end = used.timecodes(self.drop_frame) if self.has_timecode else (str(used.start), str(used.end))
        shot = f" for {self.shot.name} of {self.cut or 'the cut'}" if self.shot else ""
        handles = f", with handles of {self.head} and {self.tail}" if self.head or self.tail else ""
        length = f", as {self.num_frames} frames" if self.num_frames != self.source.num_frames else ""
        return f"{first} to {end} of {self.source.reel or self.media}{shot}{handles}{length}"

    def file_name(self, frame: int) -> str:
        """The delivered file of a frame number."""
        return f"{self.stem}.{frame:07d}.{self.extension}"
