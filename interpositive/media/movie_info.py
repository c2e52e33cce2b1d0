"""What a movie says about itself, put together from its index, its tags and its header."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from interpositive.errors import MediaError
from interpositive.media.colour import read_colour_tags
from interpositive.media.containers import false_extension, picture_tracks
from interpositive.media.contract import MediaInfo
from interpositive.media.encoding_tags import encoding_of_movie
from interpositive.media.frame_index import FrameIndex, measure_rate
from interpositive.media.rgb_codes import bits_of

_TIMECODE = re.compile(r"\d{2}:\d{2}:\d{2}[:;]\d{2}")


def describe_movie(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    index: FrameIndex,
    first: av.VideoFrame,
    matrix: str | None,
) -> MediaInfo:
    """Describe an opened and indexed movie; the raster is the one shown, after any rotation.

    ``first`` is its first frame, which alone knows about rotation and fields.
    """
    context = stream.codec_context
    if not context.pix_fmt or context.width <= 0 or context.height <= 0:
        raise MediaError(
            f"{path.name} does not say what its frames are",
            found=f"pixel format {context.pix_fmt}, {context.width}x{context.height}",
            expected="a raster and a pixel format",
            remedy="copy it again from the source, or transcode it",
        )
    rotation = _quarter_turns(path, first) * 90
    width, height = (first.height, first.width) if rotation % 180 else (first.width, first.height)
    rate, variable = measure_rate(index, stream)
    tags = _tags(container)
    timecode, reel = _timecode_and_reel(tags)
    colour = read_colour_tags(stream, matrix)
    return MediaInfo(
        path=path,
        kind="movie",
        num_frames=len(index),
        rate=rate,
        width=width,
        height=height,
        codec=context.codec.canonical_name,
        pixel_format=context.pix_fmt,
        bits=bits_of(context.pix_fmt),
        colour=colour,
        start_timecode=timecode,
        reel=reel,
        variable_rate=variable,
        intra_only=index.intra_only,
        rotation_degrees=rotation,
        interlaced=first.interlaced_frame,
        notes=tuple(note for note in (false_extension(path, container), _other_tracks(container)) if note),
        encoding=encoding_of_movie(colour, tags),
    )


def _other_tracks(container: InputContainer) -> str:
    num_tracks = len(picture_tracks(container))
    return f"{num_tracks} picture tracks, as of two eyes or two sizes: the first is read" if num_tracks > 1 else ""


def _quarter_turns(path: Path, first: av.VideoFrame) -> int:
    matrix = first.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0
    a, b, _, c, d = struct.unpack("=5i", bytes(cast(SideData, matrix))[:20])
    if first.rotation % 90 or a * d - b * c <= 0:
        raise MediaError(
            f"{path.name} is to be shown turned in a way that is not read",
            found="mirrored" if a * d - b * c <= 0 else f"{first.rotation} degrees",
            expected="quarter turns, not mirrored",
            remedy="transcode it with the turn applied",
        )
    return (first.rotation // 90) % 4


def _tags(container: InputContainer) -> dict[str, str]:
    # QuickTime keeps them on the picture and timecode tracks, MXF and Matroska on the file.
    tables = [*(stream.metadata for stream in container.streams), container.metadata]
    merged: dict[str, str] = {}
    for table in tables:
        for key, value in table.items():
            merged.setdefault(key.lower(), value)
    return merged


def _timecode_and_reel(merged: dict[str, str]) -> tuple[str | None, str | None]:
    timecode = merged.get("timecode", "").strip()
    reel = (merged.get("reel_name") or merged.get("reel_umid_name") or "").strip()
    return (timecode if _TIMECODE.fullmatch(timecode) else None), reel or None
