"""Some frames of a take as a reader of their own, with reel and timecode as the production has them."""

from __future__ import annotations

from dataclasses import replace

from interpositive.errors import MediaError
from interpositive.media.contract import FrameReader, Frames, MediaInfo, check_window
from interpositive.media.sequence_reader import SequenceReader
from interpositive.records.timecode import is_drop_frame, timecode_to_frame, wrapped_timecode


class RangeReader:
    """Frames ``first <= n < end`` of another reader, which it closes; frame ``first`` is frame 0 of this one.

    The start timecode moves along. ``start_timecode`` and ``reel`` replace what the file says of its own first
    frame and of itself, where they are given. Raises ``MediaError`` for frames that are not there.
    """

    def __init__(
        self,
        whole: FrameReader,
        first: int = 0,
        end: int | None = None,
        *,
        start_timecode: str | None = None,
        reel: str | None = None,
    ) -> None:
        self.whole, self.first = whole, first
        self.end = len(whole) if end is None else end
        self._start_timecode, self._reel = start_timecode, reel
        if not 0 <= self.first < self.end <= len(whole):
            raise MediaError(
                f"{whole.info.path.name} does not have these frames",
                found=f"frames {first} to {self.end - 1}",
                expected=f"a range within 0 to {len(whole) - 1}",
            )

    @property
    def info(self) -> MediaInfo:
        """What the media is, for these frames."""
        info = self.whole.info
        start = self._start_timecode or info.start_timecode
        if start is not None:
            frame = timecode_to_frame(start, info.rate) + self.first
            start = wrapped_timecode(frame, info.rate, is_drop_frame(start))
        return replace(
            info,
            num_frames=self.end - self.first,
            start_timecode=start,
            reel=self._reel or info.reel,
        )

    @property
    def first_frame_number(self) -> int:
        """The number that the first frame has in the take: in its file's name, or counted from 0 in a movie."""
        return self.first + (self.whole.first_frame_number if isinstance(self.whole, SequenceReader) else 0)

    def __len__(self) -> int:
        return self.end - self.first

    def window(self, start: int, stop: int) -> Frames:
        """Frames ``start <= n < stop`` of the range."""
        check_window(self.whole.info.path, start, stop, len(self))
        return self.whole.window(self.first + start, self.first + stop)

    def close(self) -> None:
        """Close the file."""
        self.whole.close()


def in_sequence(reader: FrameReader, frame: int) -> tuple[SequenceReader, int] | None:
    """The frame sequence behind a reader and the frame's number in it; None for a movie."""
    if isinstance(reader, RangeReader):
        return in_sequence(reader.whole, frame + reader.first)
    return (reader, frame) if isinstance(reader, SequenceReader) else None
