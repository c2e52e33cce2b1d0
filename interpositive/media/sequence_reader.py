"""A folder of numbered frames as a take: EXR, DPX, Cineon, TIFF, PNG and JPEG through OpenImageIO."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np

from interpositive.errors import MediaError, TimecodeError
from interpositive.media.contract import ColourTags, Frames, MediaInfo, Window, check_window
from interpositive.media.media_file import check_file, refuse_touched
from interpositive.media.still_formats import FRAME_EXTENSIONS, FrameName, sniff_still, split_frame_name
from interpositive.media.still_headers import StillHeader, read_frame, read_header, refuse_difference
from interpositive.records.take_digests import TakeDigests
from interpositive.records.timecode import frames_per_day, is_drop_frame, timecode_to_frame, wrapped_timecode

DEFAULT_RATE = Fraction(24)
# Rates that a timecode alone can tell apart; drop-frame exists at two.
_COUNTS = (DEFAULT_RATE, *map(Fraction, (25, 30, 48, 50, 60)), Fraction(30000, 1001), Fraction(60000, 1001))


class SequenceReader:
    """Frames from single files, one per frame, numbered without gaps.

    Each file is read by what is in it, whatever its extension. Codes are ``uint8``
    or full-scale ``uint16`` (10 and 12 bit codes fill the 16-bit scale, and rounding
    gives each back) and ``float32`` for half and float. Grey becomes three equal
    channels; alpha and other layers are left out. Of an EXR with several pictures,
    ``layer`` names the one that is meant. ``rate`` is the caller's word, for files that
    carry none or a wrong one, which is noted; without it files that carry none are taken
    for 24 frames per second, or what their timecode counts. ``num_threads`` frames of a
    window are decoded at a time.

    Opening reads two headers, the first and the last; each frame is checked against
    the first when it is decoded, and ``check_headers`` looks at all of them. Raises
    ``MediaError`` for gaps, mixtures, timecode that jumps, and what cannot be read.

    With ``digests`` the frames are those it lists, and each file is checked before it
    is read: ``IntegrityError`` names the one that changed.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction | None = None,
        digests: TakeDigests | None = None,
        layer: str | None = None,
        num_threads: int = 2,
    ) -> None:
        self.path = Path(path)
        self.rate = rate
        self.digests = digests
        self.layer = layer
        self.num_threads = num_threads
        self._opened: _Sequence | None = None

    @property
    def info(self) -> MediaInfo:
        """What the sequence is."""
        return self._sequence().info

    @property
    def first_frame_number(self) -> int:
        """The number in the first file's name."""
        return _name(self._sequence().paths[0]).number

    def __len__(self) -> int:
        return self.info.num_frames

    def window(self, start: int, stop: int) -> Frames:
        """Read frames ``start <= n < stop`` as ``t h w 3``, the display window of each."""
        sequence = self._sequence()
        paths = sequence.paths
        check_window(self.path, start, stop, len(paths))
        raster = sequence.info.height, sequence.info.width
        frames = np.empty((stop - start, *raster, 3), sequence.first.dtype)

        def read(place: int) -> None:
            path = paths[start + place]
            with self._checked(path):
                read_frame(path, frames[place], sequence.first, self.layer)

        # Each frame is a file of its own, and decoders leave the interpreter alone meanwhile.
        with ThreadPoolExecutor(min(self.num_threads, stop - start)) as pool:
            list(pool.map(read, range(stop - start)))
        return cast(Frames, frames)

    def data_window(self, frame: int) -> Window:
        """The rectangle that a frame's file stores, in the coordinates of its display window."""
        return self._header(self._sequence().paths[frame]).data_window

    def check_headers(self) -> None:
        """Read every frame's header; ``MediaError`` names the first that does not belong or whose timecode jumps."""
        sequence = self._sequence()
        for place, path in enumerate(sequence.paths):
            header = self._header(path)
            refuse_difference(path, header, sequence.first)
            sequence.refuse_jump(place, header.timecode)

    def close(self) -> None:
        """Forget what was found; a later read looks again."""
        self._opened = None

    def _sequence(self) -> _Sequence:
        if self._opened is None:
            listed = [] if self.digests is None else [self.path / file.name for file in self.digests.files]
            self._opened = _open_sequence(self.path, listed or list_frames(self.path), self._header, self.rate)
        return self._opened

    def _header(self, path: Path) -> StillHeader:
        with self._checked(path):
            return read_header(path, self.layer)

    @contextmanager
    def _checked(self, path: Path) -> Iterator[None]:
        """Hold a file to its digest before the body reads it, and to being left alone meanwhile."""
        if self.digests is None:
            yield
            return
        state = check_file(path, self.digests.by_name[path.name])
        yield
        refuse_touched(path, state)


def list_frames(folder: Path) -> list[Path]:
    """List a folder's numbered frames in order; ``MediaError`` for gaps and mixtures.

    Hidden files and files that are no pictures (sidecars, notes) are passed over;
    files whose extension says nothing are pictures if their first bytes say so.
    """
    try:
        paths = [path for path in folder.iterdir() if _is_frame(path)]
    except OSError as error:
        raise MediaError(
            f"{folder} cannot be read", found=error.strerror or str(error), expected="a folder of frames"
        ) from error
    if not paths:
        raise MediaError(
            f"{folder.name} holds no frames",
            found="no numbered pictures",
            expected=f"files such as shot.1001.exr ({', '.join(sorted(FRAME_EXTENSIONS))})",
        )
    named = sorted(((_name(path), path) for path in paths), key=lambda pair: (pair[0].number, pair[1].name))
    families = Counter((name.stem, name.extension) for name, _ in named)
    if len(families) > 1:
        raise MediaError(
            f"{folder.name} mixes frames of different names or formats",
            found=", ".join(f"{count} of {stem}#{extension}" for (stem, extension), count in families.most_common(4)),
            expected="one sequence in one folder",
            remedy="put each sequence into a folder of its own",
        )
    for (previous, _), (name, _) in pairwise(named):
        if name.number != previous.number + 1:
            gap = name.number > previous.number
            raise MediaError(
                f"{folder.name} has {'a gap' if gap else 'two frames of one number'}",
                found=f"frame {name.number} after frame {previous.number}",
                expected=f"frame {previous.number + 1}",
                remedy="render or copy the missing frames, or make two takes of it",
            )
    return [path for _, path in named]


def _is_frame(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.suffix.lower() in FRAME_EXTENSIONS:
        return True
    return split_frame_name(path) is not None and sniff_still(path) is not None


def _name(path: Path) -> FrameName:
    name = split_frame_name(path)
    if name is None:
        raise MediaError(
            f"{path.name} has no frame number",
            found=path.name,
            expected="a number at the end, as in shot.1001.exr",
        )
    return name


@dataclass(frozen=True)
class _Sequence:
    paths: list[Path]
    first: StillHeader
    info: MediaInfo

    def refuse_jump(self, place: int, timecode: str | None) -> None:
        """``MediaError`` unless a frame's timecode is the first one's, counted on."""
        start, rate = self.info.start_timecode, self.info.rate
        if start is None:
            if timecode == self.first.timecode:
                return
            expected = self.first.timecode
        else:
            expected = wrapped_timecode(timecode_to_frame(start, rate) + place, rate, is_drop_frame(start))
        if timecode != expected:
            first, this = self.paths[0].name, self.paths[place].name
            raise MediaError(
                f"the timecode of {self.info.path.name} does not run on from {first} to {this}",
                found=f"{timecode or 'no timecode'} in {this}, {self.first.timecode or 'no timecode'} in {first}",
                expected=f"{expected or 'none'} at {rate} frames per second",
                remedy="put what was shot apart into folders of its own, or mend the headers",
            )


def _open_sequence(
    folder: Path, paths: list[Path], read: Callable[[Path], StillHeader], rate: Fraction | None
) -> _Sequence:
    first, last = read(paths[0]), read(paths[-1])
    refuse_difference(paths[-1], last, first)
    notes = []
    if None not in (rate, first.rate) and rate != first.rate:
        notes.append(f"its headers say {first.rate} frames per second, it is read at {rate} as named")
    rate = rate or first.rate
    rate_assumed = rate is None
    if rate is None:
        rate = _counted_rate(first.timecode, last.timecode, len(paths))
        notes.append(f"the headers carry no rate: {rate} frames per second is assumed")
    timecode = first.timecode
    if timecode is not None and len(paths) > 1 and timecode == last.timecode:
        notes.append(f"every frame's header says timecode {timecode}: it stands still and is taken as none")
        timecode = None
    shown, stored = first.display_window, first.data_window
    windowed = shown != stored or (shown.x, shown.y) != (0, 0)
    if stored.intersect(shown) != stored:
        notes.append(f"{stored} pixels are stored, of which the display window {shown} is taken: overscan is left out")
    info = MediaInfo(
        path=folder,
        kind="sequence",
        num_frames=len(paths),
        rate=rate,
        width=shown.width,
        height=shown.height,
        codec=first.format_name,
        pixel_format=first.pixel_format,
        bits=first.bits,
        colour=ColourTags("rgb", "full", first.primaries, first.transfer, "rgb"),
        start_timecode=timecode,
        reel=first.reel,
        variable_rate=False,
        intra_only=True,
        encoding=first.encoding,
        display_window=shown if windowed else None,
        data_window=stored if windowed else None,
        chromaticities=first.chromaticities,
        pixel_aspect=first.pixel_aspect,
        rate_assumed=rate_assumed,
        notes=tuple(notes),
    )
    sequence = _Sequence(paths, first, info)
    try:
        sequence.refuse_jump(0, first.timecode)
        sequence.refuse_jump(len(paths) - 1, last.timecode)
    except TimecodeError as error:
        raise MediaError(
            f"{folder.name} has a timecode that its rate cannot count",
            found=f"{first.timecode} at {info.rate} frames per second",
            expected="the rate that the timecode was counted at",
            remedy="write it into the headers, or name it as rates in the production, or rate= where a path is given",
        ) from error
    return sequence


def _counted_rate(start: str | None, last: str | None, num_frames: int) -> Fraction:
    """The rate of frames whose headers carry none: 24, or the one rate at which their timecode runs on."""
    if start is None or last is None:
        return DEFAULT_RATE
    fitting = [rate for rate in _COUNTS if _runs_on(start, last, num_frames, rate)]
    return fitting[0] if len(fitting) == 1 and DEFAULT_RATE not in fitting else DEFAULT_RATE


def _runs_on(start: str, last: str, num_frames: int, rate: Fraction) -> bool:
    try:
        distance = timecode_to_frame(last, rate) - timecode_to_frame(start, rate)
        return distance % frames_per_day(rate, is_drop_frame(start)) == num_frames - 1
    except TimecodeError:
        return False
