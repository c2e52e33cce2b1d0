"""Opening a movie file and nothing else: no playlists, no addresses, no second file.

FFmpeg follows references: a playlist, a ``concat:`` list or a QuickTime data
reference can make it read other files of the machine, of another production
too. So the container family is recognised from the first bytes, FFmpeg is
told to use that one demultiplexer, on a file that is open already, and no
protocol to open another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from interpositive.errors import MediaError
from interpositive.media.media_file import MediaFile
from interpositive.media.still_formats import FRAME_EXTENSIONS, still_of

# FFmpeg logs every oddity of a damaged file to stderr; what matters is raised as MediaError.
av.logging.set_level(None)

_SNIFF_BYTES = 4096
_TS_PACKET_BYTES = 188
_TS_SYNC = 0x47


@dataclass(frozen=True)
class ContainerFamily:
    """One way to wrap a movie: FFmpeg's demultiplexer for it and the file extensions it goes by."""

    name: str
    demuxer: str
    extensions: frozenset[str]


QUICKTIME = ContainerFamily("QuickTime/MP4", "mov", frozenset({".mov", ".mp4", ".m4v", ".qt", ".3gp"}))
MATROSKA = ContainerFamily("Matroska/WebM", "matroska", frozenset({".mkv", ".webm"}))
MXF = ContainerFamily("MXF", "mxf", frozenset({".mxf"}))
TRANSPORT = ContainerFamily("MPEG-TS", "mpegts", frozenset({".ts", ".mts", ".m2ts"}))
AVI = ContainerFamily("AVI", "avi", frozenset({".avi"}))
FAMILIES = (QUICKTIME, MATROSKA, MXF, TRANSPORT, AVI)
MOVIE_EXTENSIONS = frozenset().union(*(family.extensions for family in FAMILIES))

_STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1"})
_QUICKTIME_ATOMS = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def sniff_container(path: Path) -> ContainerFamily:
    """Tell a movie's container family from its first bytes, whatever its name.

    Raises ``MediaError`` when the path is not a regular, readable, non-empty
    file, or when the bytes are no known movie.
    """
    file = MediaFile(path)
    try:
        return _container_of(file)
    finally:
        file.close()


def is_movie(path: Path) -> bool:
    """Whether a file's first bytes are those of a movie; no for what cannot be read."""
    try:
        sniff_container(path)
    except MediaError:
        return False
    return True


def _container_of(file: MediaFile) -> ContainerFamily:
    path, head = file.path, file.head(_SNIFF_BYTES)
    family = _family_of(head)
    if family is None and (still := still_of(head)) is not None:
        raise MediaError(
            f"{path.name} is not a movie",
            found=f"one {still.name} picture",
            expected="a movie file, or a folder of numbered frames",
            remedy="name the folder that holds its sequence",
        )
    if family is None:
        raise MediaError(
            f"{path.name} is not a movie",
            found=_what_else(head),
            expected="a " + ", ".join(f.name for f in FAMILIES) + " file, or a folder of numbered frames",
            remedy="remove it from the folder, or transcode it to one of these",
        )
    return family


def false_extension(path: Path, container: InputContainer) -> str:
    """What to tell of a movie that goes by another kind's extension; empty where name and content agree.

    No extension, or one of no picture or movie, says nothing wrong.
    """
    extension = path.suffix.lower()
    (family,) = (family for family in FAMILIES if family.demuxer in container.format.name.split(","))
    if extension in family.extensions or extension not in MOVIE_EXTENSIONS | FRAME_EXTENSIONS:
        return ""
    return f"{family.name} content under the extension {extension}"


def _what_else(head: bytes) -> str:
    """Put what is no movie into words: what it most likely is, else its first bytes."""
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return f"{'HEIC' if head[8:11] == b'hei' else 'AVIF or HEIF'}: a still picture of a camera or a web page"
    if head[4:8] in (b"styp", b"moof", b"sidx"):
        return "a piece of a streamed movie, without the header that says what it is"
    if head.startswith(b"version https://git-lfs"):
        return "a placeholder for a file that is kept elsewhere (Git LFS)"
    if not head.strip(b"\0"):
        return "zeros: a copy that never got its content"
    try:
        # A character may be cut in two at the end of what was read.
        text = head.decode("utf-8", "strict" if len(head) < _SNIFF_BYTES else "ignore")
    except UnicodeDecodeError:
        text = ""
    if text and all(letter.isprintable() or letter.isspace() for letter in text):
        return f"text that begins with {text[:24]!r}"
    return f"a file that begins with {head[:12]!r}"


def _family_of(head: bytes) -> ContainerFamily | None:
    if head[4:8] in _QUICKTIME_ATOMS:
        return None if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS else QUICKTIME
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return MATROSKA
    if head.startswith(b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01"):
        return MXF
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return AVI
    # Plain transport packets, or Blu-ray's with four bytes of time before each.
    for offset, step in ((0, _TS_PACKET_BYTES), (4, _TS_PACKET_BYTES + 4)):
        marks = head[offset::step]
        if len(marks) >= 4 and all(mark == _TS_SYNC for mark in marks):
            return TRANSPORT
    return None


def open_movie(file: MediaFile) -> InputContainer:
    """Open a movie with its own demultiplexer, out of one open file.

    Raises ``MediaError`` for whatever ``sniff_container`` refuses and for a
    file whose header or index FFmpeg cannot read.
    """
    family = _container_of(file)
    with media_errors(file.path, "its header or index cannot be read"):
        return av.open(
            file,
            mode="r",
            format=family.demuxer,
            options={"protocol_whitelist": "none", "format_whitelist": family.demuxer},
            metadata_errors="replace",
        )


def picture_tracks(container: InputContainer) -> list[VideoStream]:
    """The tracks of moving pictures, in the file's order; cover art is none."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The first picture track; ``MediaError`` when there is none or no decoder for it."""
    pictures = picture_tracks(container)
    if not pictures:
        kinds = (
            ", ".join(sorted({stream.type for stream in container.streams}))
            or "no track at all, as when a copy was cut short"
        )
        raise MediaError(
            f"{path.name} has no picture track",
            found=kinds,
            expected="one video stream",
            remedy="remove it from the folder, or export it again with picture",
        )
    stream = pictures[0]
    if getattr(stream, "codec_context", None) is None:
        raise MediaError(
            f"{path.name} cannot be decoded",
            found="a video codec that this FFmpeg has no decoder for",
            expected="a codec FFmpeg can decode",
            remedy="transcode it to ProRes, DNxHR or H.264",
        )
    return stream


@contextmanager
def media_errors(path: Path, what: str) -> Iterator[None]:
    """Turn FFmpeg's errors into one ``MediaError`` that names the file."""
    try:
        yield
    except (av.error.FFmpegError, EOFError) as error:
        raise MediaError(
            f"{path.name} is damaged or cut short: {what}",
            found=getattr(error, "strerror", None) or str(error) or type(error).__name__,
            expected="a whole, decodable movie",
            remedy="copy it again from the source and compare digests",
        ) from error
