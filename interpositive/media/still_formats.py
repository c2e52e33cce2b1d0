"""Which kind of still picture a file is: told by its first bytes, never by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FRAME_EXTENSIONS = frozenset({".png", ".exr", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx", ".cin"})
_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)", re.DOTALL | re.ASCII)
# The longest signature that is looked at.
_NUM_BYTES = 8


@dataclass(frozen=True)
class StillFormat:
    """One kind of picture file: ``name`` as OpenImageIO calls it, and the extension such files have."""

    name: str
    extension: str


EXR = StillFormat("openexr", ".exr")
DPX = StillFormat("dpx", ".dpx")
CINEON = StillFormat("cineon", ".cin")
TIFF = StillFormat("tiff", ".tif")
PNG = StillFormat("png", ".png")
JPEG = StillFormat("jpeg", ".jpg")

# Big- and little-endian files of one format begin with the same bytes in turned order.
_SIGNATURES = (
    (b"\x76\x2f\x31\x01", EXR),
    (b"SDPX", DPX),
    (b"XPDS", DPX),
    (b"\x80\x2a\x5f\xd7", CINEON),
    (b"\xd7\x5f\x2a\x80", CINEON),
    (b"II\x2a\x00", TIFF),
    (b"MM\x00\x2a", TIFF),
    (b"II\x2b\x00\x08\x00\x00\x00", TIFF),
    (b"MM\x00\x2b\x00\x08\x00\x00", TIFF),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
)


def sniff_still(path: Path) -> StillFormat | None:
    """Tell a still picture by its first bytes; None for anything else, and for what is no plain file.

    ``OSError`` when the file cannot be read.
    """
    # A pipe would wait for a writer for ever.
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return still_of(file.read(_NUM_BYTES))


def still_of(start: bytes) -> StillFormat | None:
    """Tell a still picture by its first bytes, eight or more; None for anything else."""
    return next((still for signature, still in _SIGNATURES if start.startswith(signature)), None)


@dataclass(frozen=True)
class FrameName:
    """A frame's file name taken apart: what stands before the number, the number, the extension in small letters."""

    stem: str
    number: int
    extension: str


def split_frame_name(path: Path) -> FrameName | None:
    """Take ``shot.1001.exr``, ``shot.1001`` or ``shot1001`` apart; None where no number ends the name."""
    is_number = path.suffix[1:].isdecimal()
    match = _NUMBERED.fullmatch(path.name if is_number else path.stem)
    if match is None:
        return None
    return FrameName(match["stem"], int(match["number"]), "" if is_number else path.suffix.lower())
