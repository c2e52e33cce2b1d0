"""What every reader and writer of frames promises.

Frames travel through this room as decoded integer codes (or float for EXR):
numpy arrays ``t h w c``, RGB, ``uint8``, ``uint16`` or ``float32``. Integers
are kept because a delivery must give untouched pixels back bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from interpositive.errors import MediaError

Frames = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class Window(NamedTuple):
    """A rectangle of whole pixels: left column, top row, width, height."""

    x: int
    y: int
    width: int
    height: int

    @property
    def num_pixels(self) -> int:
        """Its area."""
        return self.width * self.height

    def intersect(self, other: Window) -> Self | None:
        """What both have; None where they do not touch."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.x + self.width, other.x + other.width) - x
        height = min(self.y + self.height, other.y + other.height) - y
        return type(self)(x, y, width, height) if width > 0 and height > 0 else None

    def join(self, other: Window) -> Self:
        """The smallest window that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return type(self)(x, y, right - x, bottom - y)

    def within(self, other: Window) -> tuple[slice, slice]:
        """Rows and columns of this window in an array that holds ``other``."""
        top, left = self.y - other.y, self.x - other.x
        return slice(top, top + self.height), slice(left, left + self.width)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}" + (f"{self.x:+d}{self.y:+d}" if self.x or self.y else "")


@dataclass(frozen=True)
class ColourTags:
    """How code values become colour (ITU-T H.273 names), and where that was learned.

    ``matrix`` and ``range`` are never guessed in silence: ``source`` is
    ``"tagged"`` when the file says it, ``"named"`` when the caller does, and
    ``"rule"`` when the documented rule for untagged media was applied
    (BT.709 from 720 lines up, BT.601 below), and ``"rgb"`` where no matrix applies.
    """

    matrix: str
    range: str
    primaries: str
    transfer: str
    source: str


@dataclass(frozen=True)
class MediaInfo:
    """What a media file is, without decoding it whole.

    ``bits`` is per component; ``num_frames`` is the number of decodable
    frames; ``rate`` is exact; ``start_timecode`` is SMPTE text or None.
    ``width`` and ``height`` are as shown, after ``rotation_degrees``
    (anticlockwise) is applied; ``interlaced`` media have two moments in a frame.
    ``encoding`` names how codes become light, by the names of the colour
    room, where the file itself says so; empty where it does not.

    ``display_window`` and ``data_window`` are those of an EXR (of a sequence: of its first frame) that
    stores another rectangle than it shows, else None. Frames are what is shown: what was not stored is
    0 in them, and what was stored beyond it (overscan) is left out. ``chromaticities`` are CIE xy of red,
    green, blue and white as the file has them, whether or not they have a name. ``rate_assumed`` marks a
    rate that no header said. ``notes`` say what was seen that is not as it should be, yet does not hinder reading.
    """

    path: Path
    kind: str
    num_frames: int
    rate: Fraction
    width: int
    height: int
    codec: str
    pixel_format: str
    bits: int
    colour: ColourTags
    start_timecode: str | None = None
    reel: str | None = None
    variable_rate: bool = False
    intra_only: bool = False
    rotation_degrees: int = 0
    interlaced: bool = False
    encoding: str = ""
    display_window: Window | None = None
    data_window: Window | None = None
    chromaticities: tuple[float, ...] | None = None
    pixel_aspect: float = 1.0
    rate_assumed: bool = False
    notes: tuple[str, ...] = ()


@runtime_checkable
class FrameReader(Protocol):
    """Random access to decoded frames by frame number.

    ``window(start, stop)`` gives frames ``start <= n < stop`` as ``t h w c``
    RGB codes and equals the same slice of a sequential decode, frame by frame.
    It raises ``MediaError`` outside ``0 <= start < stop <= len(reader)`` and
    for a file that cannot be decoded there. Readers open lazily and can be
    pickled before the first read.
    """

    @property
    def info(self) -> MediaInfo:
        """What the media is."""

    def __len__(self) -> int:
        """Number of frames."""

    def window(self, start: int, stop: int) -> Frames:
        """Frames ``start <= n < stop``."""

    def close(self) -> None:
        """Close the file."""


class MaskSource(Protocol):
    """Masks by frame number of the shot: ``window(start, stop)`` is ``t h w`` float in [0, 1]."""

    def window(self, start: int, stop: int) -> NDArray[np.float32]:
        """Frames ``start <= n < stop``."""

    def close(self) -> None:
        """Close what is open."""


def check_window(path: Path, start: int, stop: int, num_frames: int) -> None:
    """Raise ``MediaError`` unless ``0 <= start < stop <= num_frames``."""
    if not 0 <= start < stop <= num_frames:
        raise MediaError(
            f"these frames are not in {path.name}",
            found=f"frames {start} to {stop} (end not included)",
            expected=f"a range within 0 to {num_frames}",
            remedy="ask for frames that the take has",
        )


def code_range(codes: Frames) -> float:
    """The code of white: 255 for ``uint8``, 65535 for ``uint16``, 1 for float."""
    return {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}.get(codes.dtype, 1.0)


MASK_BLACK = 8 / 255
"""Mask values below this share of white count as 0: what a lossy movie leaves of black."""


def frames_to_mask(codes: Frames) -> NDArray[np.float32]:
    """Frames ``t h w c`` read as a mask ``t h w`` in [0, 1]; the brightest channel counts."""
    mask: NDArray[np.float32] = codes.max(-1).astype(np.float32) / np.float32(code_range(codes))
    mask[~(mask >= MASK_BLACK)] = 0.0
    return mask.clip(0.0, 1.0)
