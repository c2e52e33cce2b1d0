"""What every reader and writer of frames promises.

Frames travel through this room as decoded integer codes (or float for EXR):
numpy arrays ``t h w c``, RGB, ``uint8``, ``uint16`` or ``float32``. Integers
are kept because a delivery must give untouched pixels back bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


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
