"""Every kind of movie that can be written here, codec by container by group of pictures by depth by first time.

Nothing is listed by hand but the settings that make a group of pictures long
or open; what cannot be written says so in the encoder's or container's words.
"""

from __future__ import annotations

import hashlib
import importlib
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from burned_in import HEIGHT, WIDTH, numbered_frames, read_number

from interpositive.errors import ConfigError, MediaError
from interpositive.media.contract import FrameReader, Frames
from interpositive.media.movie_codecs import CODECS
from interpositive.media.movie_writer import MovieWriter
from interpositive.media.opening import Backend, open_reader
from interpositive.media.pyav_reader import PyAVReader
from interpositive.media.rgb_codes import bits_of

NUM_FRAMES = 36
RATE = Fraction(24000, 1001)
CONTAINERS = (".mov", ".mp4", ".mkv", ".mxf", ".ts")
# When the first frame is shown, in frames; what lies before time 0 an edit list hides.
FIRST_TIMES = {"zero": 0, "late": 37, "hidden": -5}
GOPS = {"intra": 1, "short": 6, "long": 250, "open": 12}
_OPTIONS: dict[tuple[str, str], dict[str, str]] = {
    ("libx264", "long"): {"x264-params": "bframes=5:b-pyramid=normal:b-adapt=2:ref=4:log=none"},
    ("libx264", "open"): {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal:scenecut=0:log=none"},
    ("libx265", "short"): {"x265-params": "open-gop=0"},
    ("libx265", "long"): {"x265-params": "open-gop=0:bframes=5:b-pyramid=1"},
    ("libx265", "open"): {"x265-params": "open-gop=1:bframes=4:scenecut=0"},
    ("libsvtav1", "open"): {"svtav1-params": "irefresh-type=1"},
}
# The smallest DNxHR raster is 256 x 120.
_SCALES = {"dnxhd": 2}


@dataclass(frozen=True)
class Cell:
    """One kind of movie."""

    codec: str
    container: str
    gop: str
    pixel_format: str
    first_time: str

    def __str__(self) -> str:
        return "-".join((self.codec, self.container[1:], self.gop, self.pixel_format, self.first_time))


class NotWritten(Exception):
    """Why a cell cannot be written, or is another cell once it is."""


def all_cells() -> Iterator[Cell]:
    """Every cell; codecs that share an encoder count once."""
    codecs = {row.encoder: codec for codec, row in reversed(CODECS.items())}
    for codec in reversed(codecs.values()):
        for container in CONTAINERS:
            for gop in GOPS:
                for pixel_format in CODECS[codec].pixel_formats:
                    for first_time in FIRST_TIMES:
                        yield Cell(codec, container, gop, pixel_format, first_time)


def kinds() -> dict[str, list[Cell]]:
    """For each codec, group and pixel format its cells, beginning with another container and first time each."""
    found: dict[str, list[Cell]] = {}
    for cell in all_cells():
        if cell.container in CODECS[cell.codec].containers:
            found.setdefault("-".join((cell.codec, cell.gop, cell.pixel_format)), []).append(cell)
    return {
        name: cells[place % len(cells) :] + cells[: place % len(cells)]
        for place, (name, cells) in enumerate(found.items())
    }


def write_cell(cell: Cell, folder: Path) -> Path:
    """Write a cell's movie, numbered frames 0 to ``NUM_FRAMES``; ``NotWritten`` where that is not possible."""
    row = CODECS[cell.codec]
    if cell.gop != "intra" and av.Codec(row.encoder, "w").intra_only:
        raise NotWritten("every frame of this codec is an entry point")
    if cell.gop == "open" and (row.encoder, "open") not in _OPTIONS:
        raise NotWritten("the encoder has no setting for open groups")
    path = folder / f"{cell}{cell.container}"
    scale = _SCALES.get(row.encoder, 1)
    try:
        with MovieWriter(
            path,
            RATE,
            scale * WIDTH,
            scale * HEIGHT,
            codec=cell.codec,
            pixel_format=cell.pixel_format,
            gop=GOPS[cell.gop],
            first_time=FIRST_TIMES[cell.first_time],
            encoder_options=_OPTIONS.get((row.encoder, cell.gop)),
        ) as writer:
            writer.write(numbered_frames(0, NUM_FRAMES, scale=scale))
    except ConfigError as refusal:
        raise NotWritten(f"{refusal.what.replace(path.name, cell.container)}: {refusal.found}") from refusal
    return path


def check_cell(cell: Cell, path: Path) -> list[str]:
    """Read a cell by every reader; gives the digests of its frames, or ``NotWritten`` where it is another cell.

    ``AssertionError`` where a reader breaks its promise.
    """
    with closing(PyAVReader(path)) as reader:
        numbers = [read_number(frame) for frame in reader.window(0, len(reader))]
        hidden = NUM_FRAMES - len(numbers)
        assert numbers == list(range(hidden, NUM_FRAMES)), numbers
        digests = check_random_access(reader, str(cell))
        reader.close()
        assert digests_of(reader.window(len(reader) - 3, len(reader))) == digests[-3:]
        assert reader.info.bits >= bits_of(cell.pixel_format)
        _refuse_other_cell(cell, reader, hidden)
    for backend in eight_bit_backends():
        _check_or_refused(path, backend, numbers)
    return digests


def check_random_access(reader: FrameReader, seed: str) -> list[str]:
    """Single frames and windows, in any order, equal the sequential decode; gives the digests of its frames."""
    in_order = digests_of(reader.window(0, len(reader)))
    assert len(set(in_order)) == len(reader)
    chance = random.Random(seed)
    for start in (len(reader) - 1, 0, *chance.sample(range(len(reader)), 4)):
        stop = min(len(reader), start + chance.randrange(1, 6))
        assert digests_of(reader.window(start, stop)) == in_order[start:stop], (start, stop)
    return in_order


def digests_elsewhere(path: Path) -> list[str]:
    """What a spawned worker runs: a reader of its own, that begins late and then reads all."""
    with closing(open_reader(path)) as reader:
        late = digests_of(reader.window(len(reader) - 3, len(reader)))
        everything = digests_of(reader.window(0, len(reader)))
    assert late == everything[-3:]
    return everything


def digests_of(frames: Frames) -> list[str]:
    """A digest of each frame."""
    return [hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest() for frame in frames]


def eight_bit_backends() -> list[Backend]:
    """The 8-bit readers whose libraries are here."""
    usable: list[Backend] = []
    if _importable("decord_reader", "_import_decord"):
        usable.append("decord")
    if _importable("torchcodec_reader", "_import_decoders"):
        usable.append("torchcodec")
    return usable


def _importable(module: str, function: str) -> bool:
    try:
        getattr(importlib.import_module(f"interpositive.media.{module}"), function)()
    except (ImportError, ConfigError):
        return False
    return True


def _check_or_refused(path: Path, backend: Backend, numbers: list[int]) -> None:
    with closing(open_reader(path, backend)) as reader:
        try:
            frames = reader.window(0, len(reader))
        except MediaError:
            return
        assert [read_number(frame) for frame in frames] == numbers, backend
        check_random_access(reader, str(path))


def _refuse_other_cell(cell: Cell, reader: PyAVReader, hidden: int) -> None:
    if (cell.gop == "intra") != reader.info.intra_only:
        raise NotWritten("the encoder makes every frame an entry point")
    if cell.gop == "open" and not reader.index.num_leading_frames and not reader.index.num_doubtful_entries:
        raise NotWritten("no frame of an open group is to be seen")
    if cell.first_time == "hidden" and not hidden:
        raise NotWritten("the container hides no frame: it moves the first one to time 0 or later")
    first = reader.index.pts[0] * reader.index.time_base * RATE
    if cell.first_time == "late" and first < 1:
        raise NotWritten("the container counts from the first frame")
