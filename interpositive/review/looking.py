"""A first look at footage, in a process that may crash: what it is, its digest, and a few pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from interpositive.dailies.integrity import take_digest
from interpositive.dailies.opening import open_take
from interpositive.dailies.take import Take
from interpositive.dailies.workers import run_jobs
from interpositive.errors import InterpositiveError, MediaError
from interpositive.media.colour_management import display_view, full_scale
from interpositive.media.contract import ColourTags, FrameReader, Frames, MediaInfo
from interpositive.media.opening import open_reader
from interpositive.media.probing import probe_media
from interpositive.media.sequence_reader import DEFAULT_RATE
from interpositive.media.still_formats import sniff_still
from interpositive.media.still_headers import read_frame, read_header
from interpositive.review.contact_sheet import Picture, as_coded, evenly_spaced, fitted

SLOWEST_BYTES_PER_SECOND = 10e6
_NOTHING: Picture = np.full((180, 320, 3), 64, np.uint8)


@dataclass(frozen=True)
class Look:
    """Footage at a glance: ``pictures`` by frame number, small and in 8 bits; ``sha256`` where it was asked for."""

    info: MediaInfo
    pictures: dict[int, Picture]
    sha256: str


def look_at(
    path: Path,
    *,
    encoding: str = "",
    layer: str | None = None,
    rate: Fraction | None = None,
    num_pictures: int,
    with_digest: bool,
    timeout_seconds: float,
) -> Look:
    """Probe footage and take evenly spaced pictures of it; ``MediaError`` with one reason if it cannot be trusted.

    Pictures are seen through the review display where ``encoding``, or the file itself, names how codes become light;
    otherwise they are the codes. ``layer`` and ``rate`` are for frames that leave these open.
    With ``with_digest`` the whole file is read.
    """
    look = partial(_look, encoding=encoding, layer=layer, rate=rate, num_pictures=num_pictures, with_digest=with_digest)
    job = partial(_look_or_refusal, look)
    patience = timeout_seconds + (_num_bytes(path) / SLOWEST_BYTES_PER_SECOND if with_digest else 0.0)
    [outcome] = run_jobs(job, [path], 1, lambda path: patience)
    if isinstance(outcome.result, Look):
        return outcome.result
    if outcome.result is not None:
        raise outcome.result
    raise MediaError(f"{path.name} cannot be used as footage", found=outcome.reason, remedy="do not use this file")


def pictures_of_takes(frames: Sequence[tuple[Take, int]], timeout_seconds: float) -> list[Picture]:
    """Frames of takes by their numbers, small; grey where the footage cannot be read now."""
    outcomes = run_jobs(_picture_of_take, frames, 1, lambda _: timeout_seconds)
    return [_NOTHING if outcome.result is None else outcome.result for outcome in outcomes]


def _look_or_refusal(look: Callable[[Path], Look], path: Path) -> Look | InterpositiveError:
    """Errors travel as results, so that their words arrive whole."""
    try:
        return look(path)
    except InterpositiveError as error:
        return error


def _look(
    path: Path, encoding: str, layer: str | None, rate: Fraction | None, num_pictures: int, with_digest: bool
) -> Look:
    if sniff_still(path) is not None:
        info, picture = _still(path, encoding, layer, rate)
        return Look(info, {0: picture} if num_pictures else {}, take_digest(path) if with_digest else "")
    info = probe_media(path, layer=layer, rate=rate)
    numbers = evenly_spaced(info.num_frames, num_pictures) if num_pictures else []
    pictures = {n: _picture(open_reader(path, layer=layer, rate=rate), n, encoding or info.encoding) for n in numbers}
    return Look(info, pictures, take_digest(path) if with_digest else "")


def _still(path: Path, encoding: str, layer: str | None, rate: Fraction | None) -> tuple[MediaInfo, Picture]:
    """A single frame, which is no take, as a sequence of one."""
    header = read_header(path, layer)
    shown = header.display_window
    frame = np.zeros((shown.height, shown.width, 3), header.dtype)
    read_frame(path, frame, header, layer)
    info = MediaInfo(
        path=path,
        kind="still",
        num_frames=1,
        rate=rate or header.rate or DEFAULT_RATE,
        width=shown.width,
        height=shown.height,
        codec=header.format_name,
        pixel_format=header.pixel_format,
        bits=header.bits,
        colour=ColourTags("rgb", "full", header.primaries, header.transfer, "rgb"),
        start_timecode=header.timecode,
        reel=header.reel,
        intra_only=True,
        encoding=header.encoding,
        display_window=shown,
        data_window=header.data_window,
        chromaticities=header.chromaticities,
        pixel_aspect=header.pixel_aspect,
    )
    return info, _seen(frame, encoding or info.encoding)


def _picture(reader: FrameReader, frame: int, encoding: str) -> Picture:
    """One frame, small; closes the reader."""
    with closing(reader):
        return _seen(reader.window(frame, frame + 1)[0], encoding)


def _picture_of_take(place: tuple[Take, int]) -> Picture:
    take, frame = place
    return _picture(open_take(take), frame, take.encoding)


def _seen(frame: Frames, encoding: str) -> Picture:
    """A frame as the review display shows it, small; its codes as they are if nobody has named the encoding."""
    return fitted(as_coded(display_view(full_scale(frame), encoding) if encoding else frame))


def _num_bytes(path: Path) -> int:
    files = list(path.iterdir()) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
