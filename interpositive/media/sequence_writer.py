"""Frames to single numbered files, exact to the bit: 16-bit PNG or EXR."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from interpositive.errors import ConfigError, MediaError, StorageError
from interpositive.media.contract import Frames
from interpositive.records.publishing import refuse_existing, storage_error
from interpositive.records.timecode import (
    frame_to_timecode,
    is_drop_frame,
    timecode_to_frame,
)

FrameFormat = Literal["png16", "exr"]
_EXTENSIONS = {"png16": "png", "exr": "exr"}


def encode_png16(frames: Frames) -> NDArray[np.uint16]:
    """Give the codes that a 16-bit PNG holds: 8-bit codes times 257, exactly; 16-bit codes as they are."""
    if frames.dtype == np.uint8:
        return frames.astype(np.uint16) * np.uint16(257)
    if frames.dtype == np.uint16:
        return np.asarray(frames, np.uint16)
    raise MediaError(
        "PNG holds integer codes",
        found=str(frames.dtype),
        expected="uint8 or uint16",
        remedy="deliver floating-point plates as EXR",
    )


def encode_exr(frames: Frames) -> NDArray[np.float16] | NDArray[np.float32]:
    """Give the values that an EXR holds: code/max, in the smallest float that gives every code back.

    8-bit codes go to half (the nearest code of the half is the code again);
    16-bit codes need float. Floats that are halves already stay so.
    """
    if frames.dtype == np.uint8:
        return (frames.astype(np.float32) / np.float32(255)).astype(np.float16)
    if frames.dtype == np.uint16:
        return frames.astype(np.float32) / np.float32(65535)
    values = np.asarray(frames, np.float32)
    with np.errstate(over="ignore"):
        halves = values.astype(np.float16)
    return halves if np.array_equal(halves.astype(np.float32), values, equal_nan=True) else values


class SequenceWriter:
    """Writes ``<stem>.<7-digit number>.png|exr`` into a folder that exists.

    ``first_frame`` numbers the first file; ``start_timecode`` is that frame's
    and is counted on from file to file. EXR carries it as ``smpte:TimeCode``
    with ``FramesPerSecond``, PNG as text. ``bits`` and ``encoding`` (such as
    ``"bt709"``) are those of the plate, noted beside the pixels. No colour is converted.

    Every file is read back and compared before ``write`` returns. Raises
    ``StorageError`` when a file is already there or the disk refuses it.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        *,
        format: FrameFormat,
        first_frame: int,
        rate: Fraction,
        start_timecode: str | None,
        bits: int,
        encoding: str,
    ) -> None:
        if format not in _EXTENSIONS:
            raise ConfigError("there is no such frame format", found=format, expected=" or ".join(_EXTENSIONS))
        if first_frame < 0:
            raise ConfigError("frame numbers begin at zero or above", found=first_frame, expected="0 or more")
        self.folder = Path(folder)
        self.stem, self.format, self.rate, self.bits, self.encoding = stem, format, rate, bits, encoding
        self._next_number = first_frame
        self._drop_frame = start_timecode is not None and is_drop_frame(start_timecode)
        self._next_count = None if start_timecode is None else timecode_to_frame(start_timecode, rate)

    def write(self, frames: Frames) -> list[Path]:
        """Write frames ``t h w 3``, one file each; gives the files in frame order."""
        if frames.ndim != 4 or frames.shape[3] != 3:
            raise MediaError(
                f"these frames do not fit {self.stem}",
                found="x".join(map(str, frames.shape)),
                expected="t x h x w x 3",
            )
        pixels: NDArray[Any] = encode_png16(frames) if self.format == "png16" else encode_exr(frames)
        if frames.dtype == np.float32 and self.bits > 16:
            # A float plate may have single frames of halves (black ones); its files are of one type all the same.
            pixels = np.asarray(frames, np.float32)
        return [self._write_one(np.ascontiguousarray(picture)) for picture in pixels]

    def close(self) -> None:
        """Nothing stays open between files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_one(self, picture: NDArray[Any]) -> Path:
        path = self.folder / f"{self.stem}.{self._next_number:07d}.{_EXTENSIONS[self.format]}"
        refuse_existing(path)
        try:
            # OpenImageIO hides why a disk refuses; the operating system is asked first and again when it
            # fails.
            path.touch(exist_ok=False)
        except OSError as error:
            raise storage_error(error, path) from error
        reason = self._put(path, picture) or _difference(path, picture)
        if reason is not None:
            path.unlink(missing_ok=True)
            raise StorageError(
                f"could not write {path}",
                found=reason.strip().splitlines()[0],
                expected="a writable folder with room for the whole result",
                remedy="free some space or choose another folder, then run the same command again",
            )
        self._next_number += 1
        if self._next_count is not None:
            self._next_count += 1
        return path

    def _put(self, path: Path, picture: NDArray[Any]) -> str | None:
        output = oiio.ImageOutput.create(str(path))
        if output is None:
            return oiio.geterror() or "no writer for this format"
        if output.open(str(path), self._spec(picture)) and output.write_image(picture) and output.close():
            return None
        return output.geterror() or "no reason given"

    def _spec(self, picture: NDArray[Any]) -> Any:
        height, width, channels = picture.shape
        spec = oiio.ImageSpec(width, height, channels, _oiio_type(picture.dtype))
        timecode = None
        if self._next_count is not None:
            timecode = frame_to_timecode(self._next_count, self.rate, self._drop_frame)
        rate = f"{self.rate.numerator}/{self.rate.denominator}"
        if self.format == "exr":
            spec.attribute("compression", "zip")
            spec.attribute("FramesPerSecond", oiio.TypeRational, (self.rate.numerator, self.rate.denominator))
            if timecode is not None:
                spec.attribute("smpte:TimeCode", oiio.TypeTimeCode, _timecode_bits(timecode))
        else:
            # Level 4 is the zlib level with the best ratio of size to time on noisy plates.
            spec.attribute("png:compressionLevel", 4)
            spec.attribute("FramesPerSecond", rate)
            if timecode is not None:
                spec.attribute("smpte:TimeCode", timecode)
        spec.attribute("interpositive:encoding", self.encoding)
        spec.attribute("interpositive:bits", str(self.bits))
        return spec


def _difference(path: Path, picture: NDArray[Any]) -> str | None:
    """Read a file back; say so when it lacks the picture (a full disk cuts a PNG without an error)."""
    written = oiio.ImageInput.open(str(path))
    if written is None:
        return oiio.geterror() or "the file cannot be read back"
    pixels = written.read_image(0, 0, 0, picture.shape[2], _oiio_type(picture.dtype))
    reason = written.geterror()
    written.close()
    if pixels is None or np.asarray(pixels).tobytes() != picture.tobytes():
        return reason or "the file read back is not what was written"
    return None


def _oiio_type(dtype: np.dtype[Any]) -> Any:
    return {"uint16": oiio.UINT16, "float16": oiio.HALF, "float32": oiio.FLOAT}[str(dtype)]


def _timecode_bits(timecode: str) -> tuple[int, int]:
    """Pack a timecode as SMPTE ST 12-1 binary-coded decimals, hours first; bit 6 is drop-frame."""
    hours, minutes, seconds, frames = (int(part) for part in timecode.replace(";", ":").split(":"))
    packed = 0
    for value in (hours, minutes, seconds, frames):
        packed = packed << 8 | (value // 10) << 4 | value % 10
    return packed | (1 << 6 if ";" in timecode else 0), 0
