"""A take as the catalogue knows it: one run of the camera, in one file or frame sequence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from pydantic import Field

from interpositive.errors import TimecodeError
from interpositive.media.contract import MediaInfo
from interpositive.records.base import Record
from interpositive.records.identity import rate_text
from interpositive.records.slates import Slate
from interpositive.records.timecode import frame_to_timecode, is_drop_frame, timecode_to_frame

SPLITS = ("train", "val", "test")
UNASSIGNED = ""
TAGGED, NAMED = "tagged", "named"


class Take(Record):
    """One take of the dailies, as found on disk when it was ingested.

    ``path`` is absolute; ``sha256`` is over the file's bytes, for a frame
    sequence over its files' names and digests; ``blake3`` is the root of the
    digests by which every later read is checked. ``rate`` is exact text such as
    ``"24/1"`` or ``"24000/1001"``, frames a second; ``rate_source`` is ``"tagged"`` by the file,
    ``"named"`` by the production, or empty where the rate was assumed. ``layer`` is the picture of
    an EXR that the production means, empty where nothing is named. ``split`` is train, val
    or test, and empty only between a killed ingest and its repetition.

    A frame's identity is (``reel``, ``start_frame`` + n, ``rate``): frames counted from
    00:00:00:00 of the recorder; timecode is a view of it. ``start_frame`` is None where the
    footage carries no timecode. ``encoding`` names how codes become light and is empty while nobody has
    said; ``encoding_source`` is ``"tagged"`` by the file, ``"named"`` by the production, or empty.
    ``proxy_encoding`` is that of the proxy's codes where it is another one than the take's, ``proxy_blake3`` the root
    of the digests by which the proxy is checked.
    ``file_timecode``, ``file_reel`` and ``file_encoding`` keep what the file itself says of these three, for
    paper or a production that has had a word on them may take it back. ``notes`` tell what was seen in the file that
    is not as it should be.
    ``hash_list`` is the hash list that vouched for the file when it was ingested, or empty.
    ``catalogue_path`` is the catalogue that it was read from, where those digests are; it is never stored.
    """

    name: str
    path: str
    proxy_path: str | None = None
    proxy_encoding: str = ""
    proxy_blake3: str = ""
    sha256: str
    blake3: str = ""
    hash_list: str = ""
    slate: Slate
    num_frames: int
    rate: str
    rate_source: str = ""
    layer: str = ""
    width: int
    height: int
    codec: str
    pixel_format: str
    bits: int
    start_frame: int | None = None
    drop_frame: bool = False
    reel: str | None = None
    matrix: str
    range: str
    primaries: str
    transfer: str
    colour_source: str
    encoding: str = ""
    encoding_source: str = ""
    kind: str
    intra_only: bool = False
    file_timecode: str = ""
    file_reel: str = ""
    file_encoding: str = ""
    notes: str = ""
    split: str = UNASSIGNED
    catalogue_path: str = Field(default="", exclude=True, repr=False)

    def __eq__(self, other: object) -> bool:
        # Where a catalogue lies is no part of what a take is.
        return isinstance(other, Take) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second, exact."""
        return Fraction(self.rate)

    @property
    def named_rate(self) -> Fraction | None:
        """The rate that the production named, which its files do not say; None where they have their own."""
        return self.frame_rate if self.rate_source == NAMED else None

    @property
    def start_timecode(self) -> str | None:
        """The first frame's identity as SMPTE timecode; None where the footage carries none."""
        if self.start_frame is None:
            return None
        return frame_to_timecode(self.start_frame, self.frame_rate, self.drop_frame)

    def as_its_file_says(self) -> Take:
        """The take before paper and production have their word on timecode, reel and encoding."""
        start = self.file_timecode
        return self.model_copy(
            update={
                "start_frame": timecode_to_frame(start, self.frame_rate) if start else None,
                "drop_frame": bool(start) and is_drop_frame(start),
                "reel": self.file_reel or None,
                "encoding": self.file_encoding,
                "encoding_source": TAGGED if self.file_encoding else "",
            }
        )


def take_from_info(
    info: MediaInfo, name: str, path: Path, sha256: str, slate: Slate, layer: str = "", rate_named: bool = False
) -> Take:
    """Join what a probe saw with how the take is marked; the split is still open.

    ``layer`` and ``rate_named`` say how it was read. A timecode that cannot be is none: see :func:`timecode_fault`.
    """
    fault = timecode_fault(info)
    return Take(
        name=name,
        path=str(path),
        sha256=sha256,
        slate=slate,
        num_frames=info.num_frames,
        rate=rate_text(info.rate),
        rate_source=NAMED if rate_named else "" if info.rate_assumed else TAGGED,
        layer=layer,
        width=info.width,
        height=info.height,
        codec=info.codec,
        pixel_format=info.pixel_format,
        bits=info.bits,
        matrix=info.colour.matrix,
        range=info.colour.range,
        primaries=info.colour.primaries,
        transfer=info.colour.transfer,
        colour_source=info.colour.source,
        file_timecode="" if fault else info.start_timecode or "",
        file_reel=info.reel or "",
        file_encoding=info.encoding,
        notes="; ".join([fault, *info.notes] if fault else info.notes),
        kind=info.kind,
        intra_only=info.intra_only,
    ).as_its_file_says()


def timecode_fault(info: MediaInfo) -> str:
    """Why the timecode that a file carries cannot name its frames; empty if it can, or there is none.

    Such are labels that do not exist at the file's rate, and high frame rates whose labels count every second
    frame or every fourth: which, the file does not say.
    """
    if info.start_timecode is None:
        return ""
    try:
        timecode_to_frame(info.start_timecode, info.rate)
    except TimecodeError as error:
        return f"without timecode: the file says {info.start_timecode}, but {error.what} ({error.found})"
    return ""


def name_for(slate: Slate, path: Path) -> str:
    """``scene_take_camera`` where the slate says a scene, else the file's stem; not yet made unique."""
    stem = path.stem if path.suffix else path.name
    if not slate.scene or slate.scene == stem:
        return stem
    return "_".join(part for part in (slate.scene, slate.take, slate.camera) if part)
