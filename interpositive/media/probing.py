"""What a movie file or frame folder is, and whether it is whole: one reason when it is not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Literal

from interpositive.errors import MediaError
from interpositive.media.containers import sniff_container
from interpositive.media.contract import FrameReader, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.sequence_reader import SequenceReader

# A container without an index ends early without a word, but then its packets end before its header says.
_DURATION_SLACK_FRAMES = 0.75
# Some thirty frames of HD: a second or two.
_QUICK_PIXELS = 1 << 26

Check = Literal["ends", "all"]


def refuse_strangers(path: Path) -> None:
    """Raise ``MediaError`` for a file whose first bytes are those of no movie; a folder's frames were listed by theirs.

    A look that costs nothing, for before a terabyte of something else is digested.
    """
    if not path.is_dir():
        sniff_container(path)


def probe_media(path: Path, check: Check = "ends", layer: str | None = None, rate: Fraction | None = None) -> MediaInfo:
    """Describe a take's media and refuse it when it is damaged.

    Looks at every packet of a movie and every header of a frame sequence.
    ``check`` says what is decoded: ``all`` frames, or the ``ends``, which are
    the first frame and all from the last entry point on; what is quickly
    decoded is decoded whole either way. A varying rate is reported
    (``variable_rate``), not refused. ``layer`` and ``rate`` are those of ``open_reader``.
    Raises ``MediaError`` with one reason.
    """
    path = Path(path)
    reader = open_reader(path, layer=layer, rate=rate)
    assert isinstance(reader, SequenceReader | PyAVReader)
    try:
        info = reader.info
        if isinstance(reader, SequenceReader):
            reader.check_headers()
            last = info.num_frames - 1
        else:
            _refuse_cut_short(reader)
            last = reader.index.entries[-1].frame
        is_quick = info.num_frames * info.width * info.height <= _QUICK_PIXELS
        if check == "all" or is_quick:
            decode_frames(reader, 0, info.num_frames)
        else:
            decode_frames(reader, 0, 1)
            decode_frames(reader, last, info.num_frames)
        return info
    finally:
        reader.close()


def _refuse_cut_short(reader: PyAVReader) -> None:
    path, index = reader.path, reader.index
    size = path.stat().st_size
    if index.last_byte > size:
        raise _cut_short(path, f"{size} bytes, while its index points to byte {index.last_byte}")
    if index.num_corrupt_packets:
        raise _cut_short(path, f"{index.num_corrupt_packets} incomplete packets")
    promised = reader.header_seconds
    slack_seconds = _DURATION_SLACK_FRAMES / float(reader.info.rate)
    if promised is not None and promised - index.reach_seconds > slack_seconds:
        raise _cut_short(path, f"{index.reach_seconds:.2f} s, while its header promises {promised:.2f} s")


def decode_frames(reader: FrameReader, start: int, stop: int) -> None:
    """Decode frames ``start <= n < stop`` to see that they can be; whatever error there is comes through."""
    # One frame at a time: the last group of a 4K long-GOP movie would not fit in memory at once.
    for n in range(start, stop):
        reader.window(n, n + 1)


def _cut_short(path: Path, found: str) -> MediaError:
    return MediaError(
        f"{path.name} is cut short",
        found=found,
        expected="a file that holds all it promises",
        remedy="copy it again from the source and compare digests",
    )
