"""What a movie file or frame folder is, and whether it is whole: one reason when it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from interpositive.errors import MediaError
from interpositive.media.contract import MediaInfo
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.sequence_reader import SequenceReader

# A container without an index ends early without a word, but then its packets end before its header says.
_DURATION_SLACK_FRAMES = 0.75


def probe_media(path: Path) -> MediaInfo:
    """Describe a take's media and refuse it when it is damaged.

    Looks at every packet of a movie and decodes its first frame and all from
    the last entry point on; of a frame sequence it reads every header and the
    first and last frame. A varying rate is reported (``variable_rate``), not
    refused. Raises ``MediaError`` with one reason.
    """
    path = Path(path)
    if path.is_dir():
        sequence = SequenceReader(path)
        sequence.check_headers()
        sequence.window(0, 1)
        sequence.window(len(sequence) - 1, len(sequence))
        return sequence.info
    reader = PyAVReader(path)
    try:
        info = reader.info
        _refuse_cut_short(reader)
        reader.window(0, 1)
        _decode_tail(reader)
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


def _decode_tail(reader: PyAVReader) -> None:
    # One frame at a time: the last group of a 4K long-GOP movie would not fit in memory at once.
    for n in range(reader.index.entries[-1].frame, len(reader)):
        frame = reader.window(n, n + 1)
        assert frame.dtype in (np.uint8, np.uint16)


def _cut_short(path: Path, found: str) -> MediaError:
    return MediaError(
        f"{path.name} is cut short",
        found=found,
        expected="a file that holds all it promises",
        remedy="copy it again from the source and compare digests",
    )
