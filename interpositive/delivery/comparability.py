"""Whether two pictures can be compared: same length, size, rate and colour encoding, or refused with both values.

Codes are compared as RGB, so what decides is what a code means: its transfer
function and primaries, and for two movies the matrix and range that made them
RGB. A frame sequence is RGB already; no matrix or range applies to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from interpositive.errors import MediaError
from interpositive.media.contract import FrameReader, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.sequence_reader import DEFAULT_RATE, SequenceReader

UNKNOWN = "unknown"
# H.273 gives these one curve under several names.
_ONE_CURVE = {"smpte170m": "bt709", "bt2020-10": "bt709", "bt2020-12": "bt709"}
# What files that say nothing are taken for: pictures made for a display, whichever.
_NOT_FOR_DISPLAY = {"linear", "log", "log_sqrt", "smpte2084", "arib-std-b67", "smpte428"}
_SAME_ENCODING = "convert one of them to the other's encoding and tag it, or compare the frames they were made from"


@dataclass(frozen=True)
class Judged:
    """Pictures of one role as they were found; ``first_number`` is a sequence's first, None for a movie."""

    role: str
    path: Path
    info: MediaInfo
    first_number: int | None

    @property
    def last_number(self) -> int | None:
        """The number of the last frame, both ends included."""
        return None if self.first_number is None else self.first_number + self.info.num_frames - 1

    @property
    def numbers(self) -> str:
        """The frame numbers in words."""
        return f"frames {self.first_number} to {self.last_number}"


def open_pictures(path: Path, rate: Fraction | None = None, layer: str | None = None) -> FrameReader:
    """Open a movie or a folder of frames; ``rate`` is for frames that carry none, ``layer`` for those of several."""
    reader = open_reader(path, layer=layer)
    # What a sequence does carry is not overruled.
    if isinstance(reader, SequenceReader) and rate is not None and reader.info.rate_assumed:
        return SequenceReader(path, rate, layer=layer)
    return reader


def look_at(role: str, path: Path, rate: Fraction | None = None, layer: str | None = None) -> Judged:
    """Say what the pictures at ``path`` are, without decoding them all."""
    reader = open_pictures(path, rate, layer)
    try:
        number = reader.first_frame_number if isinstance(reader, SequenceReader) else None
        return Judged(role, path, reader.info, number)
    finally:
        reader.close()


def refuse_mismatch(result: Judged, other: Judged, *, as_mattes: bool = False, encoding: str = "") -> None:
    """``MediaError`` with both values of all that differs, if ``other`` cannot be compared with ``result``.

    Mattes are compared as opacity, for which colour encoding means nothing. Where the user names the ``encoding``
    of both, what their files say of it no longer counts.
    """
    differing = list(_differences(result, other))
    if not as_mattes:
        differing += _coding_differences(result.info, other.info)
        differing += [] if encoding else _encoding_differences(result.info, other.info)
    if differing:
        raise MediaError(
            f"the result {result.path} and the {other.role} {other.path} differ in "
            + " and ".join(what for what, _, _, _ in differing),
            found="; ".join(found for _, found, _, _ in differing) + " (result)",
            expected="; ".join(expected for _, _, expected, _ in differing) + f" ({other.role})",
            remedy="; ".join(dict.fromkeys(remedy for *_, remedy in differing)),
        )


def _differences(result: Judged, other: Judged) -> Iterator[tuple[str, str, str, str]]:
    """What differs, the result's value, the other's, and how to mend it."""
    mine, theirs = result.info, other.info
    if mine.num_frames != theirs.num_frames:
        yield (
            "length",
            f"{mine.num_frames} frames",
            f"{theirs.num_frames} frames",
            "cut both to the same frames, without handles",
        )
    elif _numbers_disagree(result, other):
        yield (
            "frame numbers",
            result.numbers,
            other.numbers,
            "they overlap but do not agree, so one may be offset: renumber it, or cut both to the same frames",
        )
    if (mine.width, mine.height) != (theirs.width, theirs.height):
        yield (
            "size",
            f"{mine.width}x{mine.height}",
            f"{theirs.width}x{theirs.height}",
            "render both at one raster; nothing is scaled or cropped here",
        )
    if mine.rate != theirs.rate:
        guess = any(one.info.rate_assumed for one in (result, other))
        remedy = "conform one of them to the other's rate"
        if guess:
            remedy += f" (a frame sequence that carries no rate is read at {DEFAULT_RATE}: say rate=… if that is wrong)"
        yield "rate", f"{mine.rate} frames per second", f"{theirs.rate} frames per second", remedy


def _encoding_differences(mine: MediaInfo, theirs: MediaInfo) -> Iterator[tuple[str, str, str, str]]:
    if not _transfers_agree(mine.colour.transfer, theirs.colour.transfer):
        yield (
            "transfer function",
            f"{mine.colour.transfer} transfer",
            f"{theirs.colour.transfer} transfer",
            _SAME_ENCODING,
        )
    if "" not in (mine.encoding, theirs.encoding) and mine.encoding != theirs.encoding:
        yield "colour encoding", mine.encoding, theirs.encoding, _SAME_ENCODING
    named = (mine.colour.primaries, theirs.colour.primaries)
    if UNKNOWN not in named and named[0] != named[1]:
        yield "primaries", f"{named[0]} primaries", f"{named[1]} primaries", _SAME_ENCODING


def _coding_differences(mine: MediaInfo, theirs: MediaInfo) -> Iterator[tuple[str, str, str, str]]:
    if "rgb" not in (mine.colour.matrix, theirs.colour.matrix):
        for what in ("matrix", "range"):
            found, expected = getattr(mine.colour, what), getattr(theirs.colour, what)
            if found != expected:
                yield what, _told(found, what, mine), _told(expected, what, theirs), _SAME_ENCODING
    channels = [1 if info.pixel_format.startswith("gray") else 3 for info in (mine, theirs)]
    if channels[0] != channels[1]:
        yield (
            "number of channels",
            f"{channels[0]} ({mine.pixel_format})",
            f"{channels[1]} ({theirs.pixel_format})",
            "compare colour with colour and grey with grey",
        )


def _told(value: str, what: str, info: MediaInfo) -> str:
    by_rule = what == "matrix" and info.colour.source == "rule"
    return f"{value} {what}" + (" (no tag: by the rule for its height)" if by_rule else "")


def _transfers_agree(first: str, second: str) -> bool:
    first, second = (_ONE_CURVE.get(name, name) for name in (first, second))
    if UNKNOWN in (first, second):
        return first == second or not {first, second} & _NOT_FOR_DISPLAY
    return first == second


def _numbers_disagree(result: Judged, other: Judged) -> bool:
    """Whether both are numbered, and the numbers say that frames at one place are not the same frame.

    Numbers from 0 or 1 only count from the start, and ranges that do not touch were numbered apart: those are
    compared by position. Ranges that overlap name the same frames differently.
    """
    if result.first_number is None or other.first_number is None or result.first_number == other.first_number:
        return False
    if min(result.first_number, other.first_number) <= 1:
        return False
    return abs(result.first_number - other.first_number) < result.info.num_frames


def comparison_notes(result: Judged, other: Judged) -> list[str]:
    """What a reader of the numbers should know about a comparison that was not refused."""
    notes = []
    if result.first_number is not None and other.first_number is not None and result.first_number != other.first_number:
        notes.append(
            f"compared by position: {other.numbers} of the {other.role} with {result.numbers} of the result, in order"
        )
    timecodes = result.info.start_timecode, other.info.start_timecode
    if None not in timecodes and timecodes[0] != timecodes[1]:
        notes.append(f"compared by position: the {other.role} starts at {timecodes[1]}, the result at {timecodes[0]}")
    transfers = result.info.colour.transfer, other.info.colour.transfer
    if UNKNOWN in transfers and transfers[0] != transfers[1]:
        silent, told = (other.role, transfers[0]) if transfers[1] == UNKNOWN else ("result", transfers[1])
        notes.append(f"the {silent} does not say its transfer function; it is taken to be {told}, as the other says")
    return notes


def float_notes(pictures: list[Judged]) -> list[str]:
    """Say it where pictures may go beyond [0, 1], which is all that is measured."""
    roles = [one.role for one in pictures if one.info.pixel_format in ("half", "float")]
    return [f"measured in [0, 1], what is beyond is clipped: {', '.join(roles)} in floating point"] if roles else []
