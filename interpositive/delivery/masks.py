"""A shot's mask, however it was made: a movie, a frame sequence, or polylines in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from interpositive.errors import InterpositiveError, MaskError
from interpositive.media.contract import FrameReader, MaskSource, MediaInfo, frames_to_mask
from interpositive.media.opening import open_reader
from interpositive.media.range_reader import RangeReader, in_sequence
from interpositive.records.base import Record

# Fixed-point drawing counts sixty-fourths of a pixel in 32 bits.
Place = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Polyline(Record):
    """One drawn line: points (x, y) in pixels of the plate, pixel centres at whole numbers, and its width.

    A single point is a dot.
    """

    points: list[tuple[Place, Place]] = Field(min_length=1)
    width_px: float = Field(gt=0, le=4096)
    closed: bool = False


class PolylineMask(Record):
    """Polylines by frame number of the shot, counted from 0; frames not named have an empty mask."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frames: dict[int, list[Polyline]]


class FramesMask:
    """A mask as a movie or a frame sequence of the plate's size and length; the brightest channel counts."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader

    def window(self, start: int, stop: int) -> NDArray[np.float32]:
        """Frames ``start <= n < stop``."""
        return frames_to_mask(self._reader.window(start, stop))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class DrawnMask:
    """A mask drawn from polylines."""

    def __init__(self, drawing: PolylineMask) -> None:
        self._drawing = drawing

    def window(self, start: int, stop: int) -> NDArray[np.float32]:
        """Frames ``start <= n < stop``; every pixel a line touches is 1."""
        return np.stack([self._draw(frame) for frame in range(start, stop)])

    def _draw(self, frame: int) -> NDArray[np.float32]:
        scale, shift = 4, 4
        canvas = np.zeros((self._drawing.height * scale, self._drawing.width * scale), np.uint8)
        for line in self._drawing.frames.get(frame, []):
            fixed = np.rint(((np.asarray(line.points) + 0.5) * scale - 0.5) * (1 << shift)).astype(np.int32)
            thickness = max(1, round(line.width_px * scale))
            if len(fixed) == 1:
                fixed = np.concatenate((fixed, fixed))
            cv2.polylines(canvas, [fixed[:, None, :]], line.closed, 255, thickness, cv2.LINE_8, shift)
        small = cv2.resize(canvas, (self._drawing.width, self._drawing.height), interpolation=cv2.INTER_AREA)
        return (small > 0).astype(np.float32)

    def close(self) -> None:
        """Nothing is open."""


def open_mask(
    path: Path, plate: MediaInfo, reader_of_plate: FrameReader | None = None, layer: str | None = None
) -> MaskSource:
    """Open a mask and check that it fits the plate's size and length.

    Where the plate's frames are pulled from a take, a mask as long as the take is cut to those frames; drawn
    masks count from the first frame of the plate. ``layer`` says which picture of EXR frames is the mask.
    ``MaskError`` with both values when it does not, or when the file is no mask.
    """
    path = Path(path)
    if not path.exists():
        raise MaskError(f"there is no mask at {path}", expected="a movie, a folder of frames, or polylines in JSON")
    if path.suffix.lower() == ".json":
        drawing = _read_drawing(path)
        _check(path, (drawing.width, drawing.height), None, plate)
        beyond = [n for n in drawing.frames if not 0 <= n < plate.num_frames]
        if beyond:
            raise MaskError(
                f"{path} draws on frames that the shot does not have",
                found=f"frame {max(beyond)}",
                expected=f"frames 0 to {plate.num_frames - 1}",
            )
        return DrawnMask(drawing)
    try:
        reader = _over_same_frames(open_reader(path, layer=layer), reader_of_plate)
        info = reader.info
    except InterpositiveError as error:
        raise MaskError(f"{path} cannot be read as a mask: {error.what}", found=error.found) from error
    _check(path, (info.width, info.height), info.num_frames, plate)
    if reader_of_plate is not None:
        _refuse_offset(path, reader, reader_of_plate)
    return FramesMask(reader)


def _over_same_frames(mask: FrameReader, plate: FrameReader | None) -> FrameReader:
    if isinstance(plate, RangeReader) and len(mask) == len(plate.whole) != len(plate):
        return RangeReader(mask, plate.first, plate.end)
    return mask


def _refuse_offset(path: Path, mask: FrameReader, plate: FrameReader) -> None:
    """Refuse a numbered mask that lies beside its numbered plate; numbers from 0 or 1 only count from the start."""
    places = [in_sequence(reader, 0) for reader in (mask, plate)]
    first, expected = (place[0].first_frame_number + place[1] if place else 0 for place in places)
    if min(first, expected) > 1 and first != expected and abs(first - expected) < len(plate):
        raise MaskError(
            f"the frame numbers of {path} overlap those of the shot but do not agree",
            found=f"frames {first} to {first + len(mask) - 1}",
            expected=f"frames {expected} to {expected + len(plate) - 1}",
            remedy="render the mask over the plate's own frames, or number it from 1 if the numbers mean nothing",
        )


def _read_drawing(path: Path) -> PolylineMask:
    try:
        return PolylineMask.model_validate_json(path.read_text())
    except (ValidationError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise MaskError(
            f"{path} is not a polyline mask",
            found=str(error)[:400],
            expected='{"width": …, "height": …, "frames": {"0": [{"points": [[x, y], …], "width_px": …}]}}',
        ) from None


def _check(path: Path, size: tuple[int, int], num_frames: int | None, plate: MediaInfo) -> None:
    if size != (plate.width, plate.height):
        raise MaskError(
            f"{path} is not the size of the shot",
            found=f"{size[0]}x{size[1]}",
            expected=f"{plate.width}x{plate.height}, as {plate.path}",
            remedy="render the mask at the plate's full raster",
        )
    if num_frames is not None and num_frames != plate.num_frames:
        raise MaskError(
            f"{path} is not as long as the shot",
            found=f"{num_frames} frames",
            expected=f"{plate.num_frames} frames, as {plate.path}",
            remedy="one mask frame for each frame of the shot, black where nothing is to be removed",
        )
