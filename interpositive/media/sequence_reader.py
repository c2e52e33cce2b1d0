"""A folder of numbered frames as a take: EXR, DPX, TIFF, PNG and JPEG through OpenImageIO."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import OpenImageIO as oiio

from interpositive.errors import MediaError
from interpositive.media.contract import ColourTags, Frames, MediaInfo
from interpositive.media.media_file import check_file, refuse_touched
from interpositive.records.take_digests import TakeDigests

FRAME_EXTENSIONS = frozenset({".png", ".exr", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx"})
DEFAULT_RATE = Fraction(24)
# A header may be damaged or hostile: no camera makes frames of more than this.
_MOST_PIXELS = 1 << 28
_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)$")
_DTYPES: dict[str, type[np.generic]] = {
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint10": np.uint16,
    "uint12": np.uint16,
    "half": np.float32,
    "float": np.float32,
}
_OIIO_TYPES = {np.uint8: oiio.UINT8, np.uint16: oiio.UINT16, np.float32: oiio.FLOAT}


class SequenceReader:
    """Frames from single files, one per frame, numbered without gaps.

    Codes are ``uint8`` or full-scale ``uint16`` as stored (10 and 12 bit
    DPX fill the 16-bit scale) and ``float32`` for EXR. Grey becomes three equal
    channels; alpha and other layers are left out. ``rate`` is for files that
    carry none: without it 24 frames per second is noted. Raises ``MediaError``
    for gaps, mixed names, rasters or formats, and for what cannot be read.

    With ``digests`` the frames are those it lists, only the first one's header
    describes them, and each file is checked before it is decoded:
    ``IntegrityError`` names the one that changed.
    """

    def __init__(self, path: Path, rate: Fraction | None = None, digests: TakeDigests | None = None) -> None:
        self.path = Path(path)
        self.rate = rate
        self.digests = digests
        self._opened: tuple[list[Path], MediaInfo] | None = None

    @property
    def info(self) -> MediaInfo:
        """What the sequence is; the first call reads every file's header."""
        return self._sequence()[1]

    @property
    def first_frame_number(self) -> int:
        """The number in the first file's name."""
        return _number(self._sequence()[0][0])[1]

    def __len__(self) -> int:
        return self.info.num_frames

    def window(self, start: int, stop: int) -> Frames:
        """Read frames ``start <= n < stop`` as ``t h w 3``."""
        paths, info = self._sequence()
        if not 0 <= start < stop <= len(paths):
            raise MediaError(
                f"these frames are not in {self.path.name}",
                found=f"frames {start} to {stop} (end not included)",
                expected=f"a range within 0 to {len(paths)}",
                remedy="ask for frames that the take has",
            )
        dtype = _DTYPES[info.pixel_format]
        frames = np.empty((stop - start, info.height, info.width, 3), dtype)
        for place, path in enumerate(paths[start:stop]):
            with self._checked(path):
                frames[place] = _read_frame(path, dtype, info)
        return cast(Frames, frames)

    def close(self) -> None:
        """Forget what was found; a later read looks again."""
        self._opened = None

    def _sequence(self) -> tuple[list[Path], MediaInfo]:
        if self._opened is None:
            if self.digests is None:
                paths = list_frames(self.path)
                self._opened = (paths, _describe(self.path, paths, self.rate))
            else:
                # All headers agreed when the list was made, and a frame is checked before it is used.
                paths = [self.path / file.name for file in self.digests.files]
                with self._checked(paths[0]):
                    first = _describe(self.path, paths[:1], self.rate)
                self._opened = (paths, replace(first, num_frames=len(paths)))
        return self._opened

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

    Hidden files and files that are no pictures (sidecars, notes) are passed over.
    """
    try:
        paths = [p for p in folder.iterdir() if p.suffix.lower() in FRAME_EXTENSIONS and not p.name.startswith(".")]
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
    families = Counter((_number(path)[0], path.suffix.lower()) for path in paths)
    if len(families) > 1:
        raise MediaError(
            f"{folder.name} mixes frames of different names or formats",
            found=", ".join(f"{count} of {stem}#{extension}" for (stem, extension), count in families.most_common(4)),
            expected="one sequence in one folder",
            remedy="put each sequence into a folder of its own",
        )
    paths.sort(key=lambda path: _number(path)[1])
    numbers = [_number(path)[1] for path in paths]
    for previous, number in pairwise(numbers):
        if number != previous + 1:
            raise MediaError(
                f"{folder.name} has {'a gap' if number > previous else 'two frames of one number'}",
                found=f"frame {number} after frame {previous}",
                expected=f"frame {previous + 1}",
                remedy="render or copy the missing frames, or make two takes of it",
            )
    return paths


def _number(path: Path) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(path.stem)
    if match is None:
        raise MediaError(
            f"{path.name} has no frame number",
            found=path.name,
            expected="a number at the end, as in shot.1001.exr",
        )
    return match["stem"], int(match["number"])


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    pixel_format: str
    bits: int
    num_channels: int
    codec: str
    timecode: str | None
    rate: Fraction | None
    reel: str | None
    encoding: str | None


def _describe(folder: Path, paths: list[Path], rate: Fraction | None) -> MediaInfo:
    first = _read_header(paths[0])
    for path in paths[1:]:
        header = _read_header(path)
        for what, found, expected in (
            ("raster", f"{header.width}x{header.height}", f"{first.width}x{first.height}"),
            (
                "pixel type",
                f"{header.pixel_format} of {header.bits} bit",
                f"{first.pixel_format} of {first.bits} bit",
            ),
        ):
            if found != expected:
                raise MediaError(
                    f"{folder.name} mixes frames of different {what}",
                    found=f"{found} in {path.name}",
                    expected=f"{expected}, as in {paths[0].name}",
                    remedy="put each sequence into a folder of its own",
                )
    # EXR without a word about it is scene-linear, as its specification has it; integers say nothing.
    transfer = first.encoding or ("linear" if first.pixel_format in ("half", "float") else "unknown")
    return MediaInfo(
        path=folder,
        kind="sequence",
        num_frames=len(paths),
        rate=rate or first.rate or DEFAULT_RATE,
        width=first.width,
        height=first.height,
        codec=first.codec,
        pixel_format=first.pixel_format,
        bits=first.bits,
        colour=ColourTags("rgb", "full", "unknown", transfer, "rgb"),
        start_timecode=first.timecode,
        reel=first.reel,
        variable_rate=False,
        intra_only=True,
    )


@contextmanager
def _opened_frame(path: Path) -> Iterator[Any]:
    """Open one file and close it again; what a damaged header trips over is a MediaError."""
    picture = None
    try:
        picture = oiio.ImageInput.open(str(path))
        if picture is None:
            raise _unreadable(path, oiio.geterror())
        yield picture
    # Names and messages made of damaged bytes are no text; sizes made of them are no memory.
    except (UnicodeDecodeError, MemoryError) as error:
        raise _unreadable(path, f"a header that makes no sense ({type(error).__name__})") from error
    finally:
        if picture is not None:
            picture.close()


def _read_header(path: Path) -> _Header:
    with _opened_frame(path) as picture:
        spec = picture.spec()
        stored = str(spec.format)
        bits = int(spec.getattribute("oiio:BitsPerSample") or spec.format.size() * 8)
        if stored not in _DTYPES or spec.nchannels < 1 or spec.deep:
            raise MediaError(
                f"{path.name} is of a kind that is not read",
                found=f"{'deep ' if spec.deep else ''}{stored}, {spec.nchannels} channels",
                expected="8 or 16 bit integers, half or float, flat, with 1 to 4 channels",
            )
        if spec.width * spec.height > _MOST_PIXELS:
            raise _unreadable(path, f"a header that claims {spec.width}x{spec.height}")
        return _Header(
            spec.width,
            spec.height,
            stored,
            bits,
            spec.nchannels,
            str(picture.format_name()),
            _timecode(spec.getattribute("smpte:TimeCode")),
            _rate(spec),
            spec.getattribute("reelName") or spec.getattribute("dpx:InputDevice"),
            spec.getattribute("interpositive:encoding"),
        )


def _timecode(value: Any) -> str | None:
    """Read a timecode kept as text or as SMPTE ST 12-1 binary-coded decimals (bit 6 is drop-frame)."""
    if isinstance(value, str):
        return value
    if value is None:
        return None
    packed = int(value[0]) & 0xFFFFFFFF
    tens = packed >> 4 & 0x03070703
    parts = [(tens >> shift & 0xF) * 10 + (packed >> shift & 0xF) for shift in (24, 16, 8, 0)]
    if any(packed >> shift & 0xF > 9 for shift in (24, 16, 8, 0)) or max(parts[1:3]) > 59 or parts[0] > 23:
        # Devices that have no timecode fill the field with ones.
        return None
    return f"{parts[0]:02d}:{parts[1]:02d}:{parts[2]:02d}{';' if packed & 0x40 else ':'}{parts[3]:02d}"


def _rate(spec: Any) -> Fraction | None:
    value = spec.getattribute("FramesPerSecond") or spec.getattribute("framesPerSecond")
    if value is None:
        value = spec.getattribute("dpx:FrameRate")
    if isinstance(value, str):
        return Fraction(value)
    if isinstance(value, tuple | list) and len(value) == 2 and value[1]:
        return Fraction(int(value[0]), int(value[1]))
    if isinstance(value, int | float) and np.isfinite(value) and value > 0:
        # Stored as a single-precision number: 23.976 means 24000/1001.
        whole = round(value)
        pulled_down = Fraction(whole * 1000, 1001)
        near = min((Fraction(whole), pulled_down), key=lambda rate: abs(float(rate) - value))
        return near if abs(float(near) - value) < 0.005 else Fraction(value).limit_denominator(1001)
    return None


def _read_frame(path: Path, dtype: type[np.generic], info: MediaInfo) -> np.ndarray[Any, Any]:
    with _opened_frame(path) as picture:
        spec = picture.spec()
        if (spec.width, spec.height) != (info.width, info.height):
            raise _unreadable(path, f"its raster became {spec.width}x{spec.height}")
        channels = _picture_channels(spec)
        pixels = picture.read_image(0, 0, 0, spec.nchannels, _OIIO_TYPES[cast(Any, dtype)])
        if pixels is None:
            raise _unreadable(path, picture.geterror())
        return np.asarray(pixels).reshape(spec.height, spec.width, spec.nchannels)[..., channels]


def _picture_channels(spec: Any) -> list[int]:
    # EXR may hold its channels in any order and beside others, so they are found by name.
    names = [name.upper() for name in spec.channelnames]
    if all(letter in names for letter in "RGB"):
        return [names.index(letter) for letter in "RGB"]
    return [0, 1, 2] if spec.nchannels >= 3 else [0, 0, 0]


def _unreadable(path: Path, reason: str) -> MediaError:
    return MediaError(
        f"{path.name} is damaged or cut short",
        found=(reason or "the reader gave no reason").strip().splitlines()[0],
        expected="a whole picture",
        remedy="copy or render this frame again",
    )
