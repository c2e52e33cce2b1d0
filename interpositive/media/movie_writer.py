"""Frames to a movie file: review movies, proxies and masters of up to 16 bits, tagged so that nobody has to guess."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from interpositive.errors import ConfigError, InterpositiveError, MediaError
from interpositive.media.colour import primaries_tag, transfer_tag
from interpositive.media.contract import ColourTags, Frames
from interpositive.media.encoding_tags import ENCODING_KEY
from interpositive.media.movie_codecs import MovieCodec, check_raster, choose_codec
from interpositive.media.rgb_codes import Codes, PictureMaker
from interpositive.records.publishing import refuse_existing, storage_error

# H.264 depends on how many threads share a frame, so the number is fixed, not taken from the machine.
_NUM_THREADS = 4
_MATRIX_TAGS = {"rgb": 0, "bt709": 1, "bt470bg": 5}
_LIMITED_TAG, _FULL_TAG = 1, 2
_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
# PyAV's errors are OSErrors where FFmpeg's reason is one of the system's.
_REFUSALS = (OSError, av.error.FFmpegError)


class MovieWriter:
    """Writes one movie: RGB, or YUV by the BT.709 matrix in limited range, all of it tagged.

    ``write`` takes ``t h w 3`` RGB codes, ``uint8`` or full-scale ``uint16``.
    ``codec`` is a row of :data:`~interpositive.media.movie_codecs.CODECS`:
    ``h264`` (review), ``h264_intra`` (every frame an entry point),
    ``hevc``, ``av1``, ``prores`` (422 HQ, or 4444 by ``pixel_format``), ``dnxhr``
    (HQX, HQ or 444), ``cineform``, ``ffv1`` (nothing lost after the conversion;
    with an RGB format nothing at all), ``uncompressed`` or ``mjpeg``.
    ``quality`` is the rate factor of the first four, lower is better. ``gop``
    is the longest distance between entry points, in frames. ``primaries`` and
    ``transfer`` only tag (H.273 names); no code is changed by them. ``encoding`` is noted beside
    them in Matroska, which alone keeps such a word: an encoding of the colour room.
    ``first_time`` is when the first frame is shown, in frames: a movie may
    begin late, and frames before time 0 are hidden by an edit list where the
    container has one. ``encoder_options`` go to the encoder as they are.

    Raises ``StorageError`` when the path exists or the disk refuses the bytes,
    ``ConfigError`` for what the codec or container cannot do, ``MediaError`` for
    frames that do not fit. A movie that was not finished is removed; nothing else is.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        width: int,
        height: int,
        *,
        codec: str = "h264",
        pixel_format: str | None = None,
        quality: int | None = None,
        gop: int | None = None,
        start_timecode: str | None = None,
        reel: str | None = None,
        primaries: str = "bt709",
        transfer: str = "bt709",
        encoding: str = "",
        first_time: int = 0,
        encoder_options: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.codec = codec
        self.width, self.height = width, height
        row, self._pixel_format = choose_codec(codec, self.path, pixel_format, quality)
        check_raster(width, height, self._pixel_format)
        self._tags = _tags_for(self._pixel_format, primaries, transfer)
        self._maker = PictureMaker(self._tags, self._pixel_format)
        self._first_time = first_time
        self._num_written = 0
        self._closed = False
        options = row.options | row.pixel_formats[self._pixel_format]
        if quality is not None:
            options["crf"] = str(quality)
        for key, value in (encoder_options or {}).items():
            # x264 and x265 take a list of their own settings in one option.
            options[key] = f"{options[key]}:{value}" if key.endswith("-params") and key in options else value
        refuse_existing(self.path)
        try:
            # Without the bit-exact flag the muxer writes its version and random identifiers.
            self._container = av.open(f"file:{self.path}", mode="w", container_options={"fflags": "+bitexact"})
        except OSError as error:
            raise storage_error(error, self.path) from error
        try:
            with self._listening():
                self._stream = self._add_stream(row, rate, options, gop)
                self._name_reel(start_timecode, reel)
                if encoding:
                    self._container.metadata[ENCODING_KEY] = encoding
                self._container.start_encoding()
        except BaseException:
            self._give_up()
            raise

    def write(self, frames: Frames) -> None:
        """Append frames ``t h w 3``."""
        if frames.ndim != 4 or frames.shape[1:] != (self.height, self.width, 3):
            raise MediaError(
                f"these frames do not fit {self.path.name}",
                found="x".join(map(str, frames.shape)),
                expected=f"t x {self.height} x {self.width} x 3",
            )
        if frames.dtype not in (np.uint8, np.uint16):
            raise MediaError(
                f"{self.path.name} takes integer codes",
                found=str(frames.dtype),
                expected="uint8, or uint16 over the full scale",
                remedy="scale to codes and round before writing",
            )
        context = self._stream.codec_context
        for codes in cast("list[Codes]", list(frames)):
            picture = self._maker.picture(codes)
            picture.colorspace, picture.color_range = context.colorspace, context.color_range
            picture.color_primaries, picture.color_trc = context.color_primaries, context.color_trc
            picture.pts = self._first_time + self._num_written
            picture.time_base = context.time_base
            self._encode(picture)

    def close(self) -> None:
        """Finish the movie; a second call does nothing."""
        if self._closed:
            return
        if self._num_written == 0:
            self._give_up()
            raise MediaError(f"{self.path.name} would have no frame", found="0 frames written", expected="at least 1")
        self._encode(None)
        self._closed = True
        try:
            self._container.close()
        except _REFUSALS as error:
            self.path.unlink(missing_ok=True)
            raise self._failure(error, [str(error)]) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self._give_up()

    def _add_stream(self, row: MovieCodec, rate: Fraction, options: dict[str, str], gop: int | None) -> VideoStream:
        if row.encoder == "libsvtav1":
            # It prints its settings unless the environment says otherwise.
            os.environ.setdefault("SVT_LOG", "1")
        stream = cast(VideoStream, self._container.add_stream(row.encoder, rate=rate, options=options))
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self._pixel_format
        stream.time_base = 1 / rate
        context = stream.codec_context
        context.time_base = 1 / rate
        context.thread_count = _NUM_THREADS
        context.colorspace = _MATRIX_TAGS[self._tags.matrix]
        context.color_range = _FULL_TAG if self._tags.range == "full" else _LIMITED_TAG
        context.color_primaries = primaries_tag(self._tags.primaries)
        context.color_trc = transfer_tag(self._tags.transfer)
        if row.encoder == "libx265" and self.path.suffix.lower() in (".mov", ".mp4"):
            # The other tag that FFmpeg knows is not played by QuickTime.
            context.codec_tag = "hvc1"
        if self.path.suffix.lower() == ".mxf" and not av.Codec(row.encoder, "w").intra_only:
            context.max_b_frames = 0
        if (gop or row.gop) is not None:
            context.gop_size = cast(int, gop or row.gop)
        return stream

    def _name_reel(self, start_timecode: str | None, reel: str | None) -> None:
        # QuickTime and Matroska keep them on the track, MXF on the file; MP4 and MPEG-TS have no place for a reel.
        for table in (self._stream.metadata, self._container.metadata):
            if start_timecode is not None:
                table["timecode"] = start_timecode
            if reel is not None:
                table["reel_name"] = reel

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Hear what encoder and container say about settings that they refuse."""
        level = av.logging.get_level()
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture() as messages:
                yield
        except (*_REFUSALS, ValueError) as error:
            raise self._failure(error, [text for _, _, text in messages] + [str(error)]) from error
        finally:
            av.logging.set_level(level)

    def _failure(self, error: Exception, said: list[str]) -> InterpositiveError:
        """Tell a disk that refuses bytes from an encoder or container that refuses its settings."""
        if isinstance(error, OSError) and error.errno in _DISK_ERRNOS:
            return storage_error(error, self.path)
        return ConfigError(
            f"{self.codec} cannot be written into {self.path.name}",
            found=next(text.strip() for text in said if text.strip()),
            expected=f"settings that encoder and container allow together (asked for {self._pixel_format})",
            remedy="choose another container, pixel format or codec",
        )

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._refuse_reordered(packet)
                self._container.mux(packet)
        except _REFUSALS as error:
            self._give_up()
            raise self._failure(error, [str(error)]) from error
        self._num_written += picture is not None

    def _refuse_reordered(self, packet: Packet[VideoStream]) -> None:
        # FFmpeg's MXF notes no showing order: a frame stored before its turn would be shown there.
        if self.path.suffix.lower() == ".mxf" and packet.pts != packet.dts:
            self._give_up()
            raise ConfigError(
                f"{self.path.name} would show its frames out of order",
                found="frames that are stored before their turn (B-frames)",
                expected="frames stored as they are shown",
                remedy="write MOV, or leave B-frames out",
            )

    def _give_up(self) -> None:
        self._closed = True
        # The disk that refused a frame refuses the trailer too; the first refusal is what gets reported.
        with suppress(*_REFUSALS):
            self._container.close()
        self.path.unlink(missing_ok=True)


def _tags_for(pixel_format: str, primaries: str, transfer: str) -> ColourTags:
    if av.VideoFormat(pixel_format).is_rgb:
        return ColourTags("rgb", "full", primaries, transfer, "rgb")
    if pixel_format.startswith("yuvj"):
        # JPEG has one matrix and one range, whatever the tags around it say.
        return ColourTags("bt470bg", "full", primaries, transfer, "tagged")
    return ColourTags("bt709", "limited", primaries, transfer, "tagged")
