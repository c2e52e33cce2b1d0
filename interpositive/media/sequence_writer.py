"""Frames to single numbered files, exact to the bit: 16-bit PNG or TIFF, DPX of 10, 12 or 16 bits, EXR."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from interpositive.errors import ConfigError, MediaError, StorageError
from interpositive.media.contract import Frames, Window
from interpositive.media.still_tags import FrameFormat, FrameTags, tag_frame
from interpositive.records.publishing import refuse_existing, storage_error
from interpositive.records.timecode import is_drop_frame, timecode_to_frame, wrapped_timecode


@dataclass(frozen=True)
class _Kind:
    extension: str
    bits: int | None
    attributes: tuple[tuple[str, Any], ...]


# Level 4 is the zlib level with the best ratio of size to time on noisy plates; big-endian is what the DPX
# of scanners and of most programs is.
_KINDS: dict[FrameFormat, _Kind] = {
    "png16": _Kind("png", 16, (("png:compressionLevel", 4),)),
    "exr": _Kind("exr", None, (("compression", "zip"),)),
    "dpx10": _Kind("dpx", 10, (("oiio:Endian", "big"), ("dpx:Packing", "Filled, method A"))),
    "dpx12": _Kind("dpx", 12, (("oiio:Endian", "big"),)),
    "dpx16": _Kind("dpx", 16, (("oiio:Endian", "big"),)),
    "tiff16": _Kind("tif", 16, (("compression", "zip"),)),
}
FRAME_FORMATS = tuple(_KINDS)
# Where SMPTE ST 268 keeps the name of the file.
_DPX_NAME = range(36, 136)


def stored_codes(frames: Frames, format: FrameFormat) -> NDArray[Any]:
    """Give what files of a format hold of these frames, as a reader gives it back."""
    bits = _KINDS[format].bits
    return encode_exr(frames) if bits is None else encode_integers(frames, bits)


def encode_integers(frames: Frames, bits: int = 16) -> NDArray[np.uint16]:
    """Give codes of ``bits`` over the full 16-bit scale: 8-bit codes times 257, exactly; 16-bit codes as they are.

    Below 16 bits the nearest code is taken, its bits repeated to fill the scale: a plate of
    that depth stays as it is.
    """
    if frames.dtype == np.uint8:
        codes = frames.astype(np.uint16) * np.uint16(257)
    elif frames.dtype == np.uint16:
        codes = np.asarray(frames, np.uint16)
    else:
        raise MediaError(
            "only EXR holds floating-point values",
            found=str(frames.dtype),
            expected="integer codes: uint8 or uint16",
            remedy="deliver floating-point plates as EXR",
        )
    if bits == 16:
        return codes
    top = np.uint32((1 << bits) - 1)
    nearest = (codes.astype(np.uint32) * top + np.uint32(32767)) // np.uint32(65535)
    return (nearest << np.uint32(16 - bits) | nearest >> np.uint32(2 * bits - 16)).astype(np.uint16)


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
    """Writes ``<stem>.<7-digit number>.<extension>`` into a folder that exists.

    ``first_frame`` numbers the first file; ``start_timecode`` is that frame's
    and is counted on from file to file. ``tags`` go into every header, in the
    fields of its own format; ``bits`` are those of the plate. ``display_window``
    places an EXR's raster. No colour is converted. The same frames and tags give the
    same bytes, whenever and wherever they are written.

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
        tags: FrameTags | None = None,
        display_window: Window | None = None,
    ) -> None:
        if format not in _KINDS:
            raise ConfigError("there is no such frame format", found=format, expected=f"one of {', '.join(_KINDS)}")
        if first_frame < 0:
            raise ConfigError("frame numbers begin at zero or above", found=first_frame, expected="0 or more")
        self.folder = Path(folder)
        self.stem, self.format, self.rate, self.bits = stem, format, rate, bits
        self.tags = tags or FrameTags()
        self.display_window = display_window
        self._kind = _KINDS[format]
        self._next_number = first_frame
        self._drop_frame = start_timecode is not None and is_drop_frame(start_timecode)
        self._next_count = None if start_timecode is None else timecode_to_frame(start_timecode, rate)

    @property
    def extension(self) -> str:
        """The extension of every file, without its dot."""
        return self._kind.extension

    def write(self, frames: Frames, data_window: Window | None = None) -> list[Path]:
        """Write frames ``t h w 3``, one file each; gives the files in frame order.

        An EXR stores only ``data_window`` of them, in the coordinates of the display
        window and inside it; what is outside must be 0. None stores all.
        """
        if frames.ndim != 4 or frames.shape[3] != 3:
            raise MediaError(
                f"these frames do not fit {self.stem}",
                found="x".join(map(str, frames.shape)),
                expected="t x h x w x 3",
            )
        pixels = stored_codes(frames, self.format)
        if frames.dtype == np.float32 and self.bits > 16:
            # A float plate may have single frames of halves (black ones); its files are of one type all the same.
            pixels = np.asarray(frames, np.float32)
        shown = self.display_window or Window(0, 0, frames.shape[2], frames.shape[1])
        stored = data_window if self.format == "exr" and data_window is not None else shown
        assert stored.intersect(shown) == stored and shown.num_pixels == frames.shape[1] * frames.shape[2]
        rows, columns = stored.within(shown)
        return [
            self._write_one(np.ascontiguousarray(picture[rows, columns]), self._spec(picture.dtype, shown, stored))
            for picture in pixels
        ]

    def close(self) -> None:
        """Nothing stays open between files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_one(self, picture: NDArray[Any], spec: Any) -> Path:
        path = self.folder / f"{self.stem}.{self._next_number:07d}.{self._kind.extension}"
        refuse_existing(path)
        self._tag(spec)
        try:
            # OpenImageIO hides why a disk refuses; the operating system is asked first and again when it
            # fails.
            path.touch(exist_ok=False)
        except OSError as error:
            raise storage_error(error, path) from error
        reason = _put(path, picture, spec) or _difference(path, picture)
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

    def _spec(self, dtype: np.dtype[Any], shown: Window, stored: Window) -> Any:
        spec = oiio.ImageSpec(stored.width, stored.height, 3, _oiio_type(dtype))
        if self.format == "exr":
            spec.x, spec.y = stored.x, stored.y
            spec.full_x, spec.full_y, spec.full_width, spec.full_height = shown
        for name, value in self._kind.attributes:
            spec.attribute(name, value)
        if self._kind.bits is not None:
            spec.attribute("oiio:BitsPerSample", self._kind.bits)
        # OpenImageIO would write the time of day; the same frames are to be the same bytes.
        spec.attribute("DateTime", "")
        return spec

    def _tag(self, spec: Any) -> None:
        timecode = None
        if self._next_count is not None:
            timecode = wrapped_timecode(self._next_count, self.rate, self._drop_frame)
        tag_frame(spec, self.format, self.tags, self.rate, self._next_number, timecode, self.bits)


def _put(path: Path, picture: NDArray[Any], spec: Any) -> str | None:
    output = oiio.ImageOutput.create(str(path))
    if output is None:
        return oiio.geterror() or "no writer for this format"
    if not (output.open(str(path), spec) and output.write_image(picture) and output.close()):
        return output.geterror() or "no reason given"
    if output.format_name() == "dpx":
        # The whole path was written, which is another in every delivery and nobody else's business.
        with path.open("r+b") as stream:
            stream.seek(_DPX_NAME.start)
            stream.write(path.name.encode()[: len(_DPX_NAME) - 1].ljust(len(_DPX_NAME), b"\0"))
    return None


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
