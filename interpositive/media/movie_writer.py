"""Frames to a movie file: review movies, proxies and 10-bit masters, tagged so that nobody has to guess."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    VideoReformatter,
)
from av.video.stream import VideoStream
from numpy.typing import NDArray

from interpositive.errors import ConfigError, MediaError
from interpositive.media.colour import EXACT
from interpositive.media.contract import Frames
from interpositive.records.publishing import refuse_existing, storage_error

# H.264 depends on how many threads share a frame, so the number is fixed, not taken from the machine.
_NUM_THREADS = 4
_BT709_MATRIX_TAG = 1


@dataclass(frozen=True)
class _Codec:
    encoder: str
    pixel_format: str
    options: dict[str, str]
    takes_quality: bool
    gop: int | None
    extensions: tuple[str, ...]


_CODECS = {
    "h264": _Codec("libx264", "yuv420p", {"preset": "medium", "crf": "18"}, True, None, (".mp4", ".mov", ".mkv")),
    "h264_intra": _Codec("libx264", "yuv420p", {"preset": "veryfast", "crf": "12"}, True, 1, (".mp4", ".mov", ".mkv")),
    "prores": _Codec("prores_ks", "yuv422p10le", {"profile": "3", "vendor": "apl0"}, False, None, (".mov",)),
    "ffv1": _Codec("ffv1", "yuv444p10le", {"level": "3", "slicecrc": "1"}, False, 1, (".mkv", ".mov")),
}


class MovieWriter:
    """Writes one movie; BT.709 matrix, primaries and transfer, limited range, all of it tagged.

    ``write`` takes ``t h w 3`` RGB codes, ``uint8`` or full-scale ``uint16``.
    ``codec`` is ``h264`` (review), ``h264_intra`` (proxies: every frame an entry
    point), ``prores`` (422 HQ, 10 bit) or ``ffv1`` (10-bit 4:4:4, nothing lost
    after the conversion). ``quality`` is the H.264 rate factor, lower is better.
    ``gop`` is the longest distance between entry points, in frames.

    Raises ``StorageError`` when the path exists or the disk refuses the bytes,
    ``ConfigError`` for what the codec cannot do, ``MediaError`` for frames that
    do not fit. A movie that was not finished is removed; nothing else is.
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
    ) -> None:
        self.path = Path(path)
        self.width, self.height = width, height
        kind = _check_codec(codec, self.path, quality)
        self._pixel_format = pixel_format or kind.pixel_format
        _check_raster(width, height, self._pixel_format)
        self._deep = max(part.bits for part in av.VideoFormat(self._pixel_format).components) > 8
        refuse_existing(self.path)
        options = dict(kind.options)
        if quality is not None:
            options["crf"] = str(quality)
        try:
            # Without the bit-exact flag the muxer writes its version and random identifiers.
            self._container = av.open(f"file:{self.path}", mode="w", container_options={"fflags": "+bitexact"})
            self._stream = cast(VideoStream, self._container.add_stream(kind.encoder, rate=rate, options=options))
        except OSError as error:
            raise storage_error(error, self.path) from error
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = self._pixel_format
        self._stream.time_base = 1 / rate
        context = self._stream.codec_context
        context.time_base = 1 / rate
        context.thread_count = _NUM_THREADS
        context.colorspace = _BT709_MATRIX_TAG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        if (gop or kind.gop) is not None:
            context.gop_size = cast(int, gop or kind.gop)
        if start_timecode is not None:
            self._stream.metadata["timecode"] = start_timecode
        if reel is not None:
            self._stream.metadata["reel_name"] = reel
        self._reformatter = VideoReformatter()
        self._num_written = 0
        self._closed = False

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
        for codes in frames:
            self._encode(self._picture(cast("NDArray[np.uint8] | NDArray[np.uint16]", codes)))

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
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise storage_error(error, self.path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif not self._closed:
            self._give_up()

    def _picture(self, codes: NDArray[np.uint8] | NDArray[np.uint16]) -> av.VideoFrame:
        # FFmpeg widens 8-bit RGB without filling the low bits and narrows 16-bit RGB by cutting:
        # both lose up to a code, so codes are brought to the target's depth class here.
        if self._deep and codes.dtype == np.uint8:
            codes = codes.astype(np.uint16) * np.uint16(257)
        elif not self._deep and codes.dtype == np.uint16:
            codes = ((codes.astype(np.uint32) + 128) // 257).astype(np.uint8)
        packed = cast("NDArray[np.uint8] | NDArray[np.uint16]", np.ascontiguousarray(codes))
        picture = av.VideoFrame.from_ndarray(packed, format="rgb48le" if self._deep else "rgb24")
        converted = self._reformatter.reformat(
            picture,
            format=self._pixel_format,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT,
            threads=1,
        )
        converted.color_primaries = ColorPrimaries.BT709
        converted.color_trc = ColorTrc.BT709
        converted.pts = self._num_written
        converted.time_base = self._stream.codec_context.time_base
        return converted

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except OSError as error:
            self._give_up()
            raise storage_error(error, self.path) from error
        self._num_written += picture is not None

    def _give_up(self) -> None:
        self._closed = True
        # The disk that refused a frame refuses the trailer too; the first refusal is what gets reported.
        with suppress(OSError):
            self._container.close()
        self.path.unlink(missing_ok=True)


def _check_codec(codec: str, path: Path, quality: int | None) -> _Codec:
    kind = _CODECS.get(codec)
    if kind is None:
        raise ConfigError("there is no such movie codec", found=codec, expected=f"one of {', '.join(_CODECS)}")
    if path.suffix.lower() not in kind.extensions:
        raise ConfigError(
            f"{codec} does not go into this container",
            found=path.suffix or "no extension",
            expected=", ".join(kind.extensions),
        )
    if quality is not None and not kind.takes_quality:
        raise ConfigError(f"{codec} has no quality setting", found=quality, expected="quality: null")
    return kind


def _check_raster(width: int, height: int, pixel_format: str) -> None:
    chroma = av.VideoFormat(pixel_format, 64, 64)
    step_x, step_y = 64 // chroma.chroma_width(64), 64 // chroma.chroma_height(64)
    if width <= 0 or height <= 0 or width % step_x or height % step_y:
        raise ConfigError(
            f"{pixel_format} cannot hold this raster",
            found=f"{width}x{height}",
            expected=f"a width divisible by {step_x} and a height divisible by {step_y}",
            remedy="choose a 4:4:4 pixel format, or a frame sequence, for odd rasters",
        )
