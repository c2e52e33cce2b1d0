"""The movie codecs that can be written: which pixel formats and containers each goes with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import av

from interpositive.errors import ConfigError


@dataclass(frozen=True)
class MovieCodec:
    """One row of the table.

    ``pixel_formats`` gives the encoder's options for each format; the first is
    the default. ``containers`` are file extensions. ``gop`` is the distance of
    entry points unless another is asked for (None: the encoder's own).
    """

    encoder: str
    pixel_formats: dict[str, dict[str, str]]
    containers: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)
    takes_quality: bool = False
    gop: int | None = None


def _plain(*pixel_formats: str) -> dict[str, dict[str, str]]:
    return {pixel_format: {} for pixel_format in pixel_formats}


_H264_FORMATS = _plain("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le")
_HEVC_FORMATS = _plain(
    "yuv420p10le", "yuv420p", "yuv422p", "yuv444p", "yuv422p10le", "yuv444p10le",
    "yuv420p12le", "yuv422p12le", "yuv444p12le", "gbrp", "gbrp10le", "gbrp12le",
)  # fmt: skip
_FFV1_FORMATS = _plain(
    "yuv444p10le", "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le",
    "yuv420p12le", "yuv422p12le", "yuv444p12le", "yuv420p16le", "yuv422p16le", "yuv444p16le",
    "bgr0", "gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le",
)  # fmt: skip
_DNXHR_FORMATS = {
    "yuv422p10le": {"profile": "dnxhr_hqx"},
    "yuv422p": {"profile": "dnxhr_hq"},
    "yuv444p10le": {"profile": "dnxhr_444"},
    "gbrp10le": {"profile": "dnxhr_444"},
}
_PRORES_FORMATS = {"yuv422p10le": {"profile": "hq"}, "yuv444p10le": {"profile": "4444"}}

CODECS = {
    "h264": MovieCodec(
        "libx264", _H264_FORMATS, (".mp4", ".mov", ".mkv", ".ts", ".mxf"),
        # Else x264 looks ahead with what its AVX-512 code reads beyond a row: of the same frames other bytes each time.
        {"preset": "medium", "crf": "18", "x264-params": "cpu-independent=1"}, takes_quality=True,
    ),
    "h264_intra": MovieCodec(
        "libx264", _H264_FORMATS, (".mp4", ".mov", ".mkv", ".mxf"),
        # Decoded in half the time, for a tenth more bytes.
        {"preset": "veryfast", "crf": "12", "tune": "fastdecode"}, takes_quality=True, gop=1,
    ),
    "hevc": MovieCodec(
        "libx265", _HEVC_FORMATS, (".mp4", ".mov", ".mkv", ".ts"),
        {"preset": "medium", "crf": "18", "x265-params": "log-level=none"}, takes_quality=True,
    ),
    "av1": MovieCodec(
        "libsvtav1", _plain("yuv420p10le", "yuv420p"), (".mp4", ".mkv"),
        {"preset": "8", "crf": "24"}, takes_quality=True,
    ),
    "prores": MovieCodec("prores_ks", _PRORES_FORMATS, (".mov", ".mxf", ".mkv"), {"vendor": "apl0"}),
    "dnxhr": MovieCodec("dnxhd", _DNXHR_FORMATS, (".mov", ".mxf")),
    "cineform": MovieCodec("cfhd", _plain("yuv422p10le", "gbrp12le"), (".mov",)),
    "ffv1": MovieCodec("ffv1", _FFV1_FORMATS, (".mkv", ".mxf"), {"level": "3", "slicecrc": "1"}, gop=1),
    "uncompressed": MovieCodec("v210", _plain("yuv422p10le"), (".mov",)),
    "mjpeg": MovieCodec(
        "mjpeg", _plain("yuvj422p", "yuvj420p", "yuvj444p"), (".mov", ".mp4", ".mkv"),
        {"flags": "+qscale", "global_quality": "236"},
    ),
}  # fmt: skip


def choose_codec(codec: str, path: Path, pixel_format: str | None, quality: int | None) -> tuple[MovieCodec, str]:
    """The row and pixel format that were asked for; ``ConfigError`` for what they cannot do."""
    row = CODECS.get(codec)
    if row is None:
        raise ConfigError("there is no such movie codec", found=codec, expected=f"one of {', '.join(CODECS)}")
    if path.suffix.lower() not in row.containers:
        raise ConfigError(
            f"{codec} does not go into this container",
            found=path.suffix or "no extension",
            expected=", ".join(row.containers),
        )
    if quality is not None and not row.takes_quality:
        raise ConfigError(f"{codec} has no quality setting", found=quality, expected="quality: null")
    pixel_format = pixel_format or next(iter(row.pixel_formats))
    if pixel_format not in row.pixel_formats:
        raise ConfigError(
            f"{codec} has no such pixel format", found=pixel_format, expected=f"one of {', '.join(row.pixel_formats)}"
        )
    return row, pixel_format


def check_raster(width: int, height: int, pixel_format: str) -> None:
    """Raise ``ConfigError`` for a raster that a pixel format's chroma does not divide."""
    chroma = av.VideoFormat(pixel_format, 64, 64)
    step_x, step_y = 64 // chroma.chroma_width(64), 64 // chroma.chroma_height(64)
    if width <= 0 or height <= 0 or width % step_x or height % step_y:
        raise ConfigError(
            f"{pixel_format} cannot hold this raster",
            found=f"{width}x{height}",
            expected=f"a width divisible by {step_x} and a height divisible by {step_y}",
            remedy="choose a 4:4:4 pixel format, or a frame sequence, for odd rasters",
        )
