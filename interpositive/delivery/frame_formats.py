"""In which files a shot is delivered, so that its plate comes back from them bit for bit."""

from __future__ import annotations

from typing import Literal

import numpy as np

from interpositive.delivery.filled_frame import RestoredFrame
from interpositive.delivery.restoring import changed_pixels
from interpositive.errors import ConfigError, MediaError
from interpositive.media.contract import FrameReader, Frames, MediaInfo, Window
from interpositive.media.range_reader import in_sequence
from interpositive.media.sequence_writer import FRAME_FORMATS, stored_codes
from interpositive.media.still_tags import FrameFormat

FormatChoice = FrameFormat | Literal["plate"]
_EVERY_DEPTH = 16
_DPX_DEPTHS: dict[str, int] = {"dpx10": 10, "dpx12": 12}
# 8-bit plates of any kind are delivered in 16 bits, from which every 8-bit code is found again.
_OF_PLATE: dict[tuple[str, int], FrameFormat] = {
    ("dpx", 10): "dpx10",
    ("dpx", 12): "dpx12",
    ("dpx", 16): "dpx16",
    ("dpx", 8): "dpx16",
    ("cineon", 10): "dpx10",
}


def choose_format(wanted: FormatChoice, info: MediaInfo) -> FrameFormat:
    """The format of delivered frames; ``plate`` is the plate's own: EXR for EXR, DPX of its depth for DPX.

    A movie, which is no frame format, goes into 16-bit PNG. ``ConfigError`` for a
    name that is none; ``MediaError`` when the plate does not fit without loss.
    """
    if wanted != "plate" and wanted not in FRAME_FORMATS:
        expected = f"plate, {', '.join(FRAME_FORMATS)}"
        raise ConfigError("no such frame format", found=wanted, expected=expected)
    is_float = info.pixel_format in ("half", "float")
    if wanted == "plate":
        if is_float:
            return "exr"
        if info.kind == "sequence" and info.codec == "tiff":
            return "tiff16"
        return _OF_PLATE.get((info.codec, info.bits), "png16")
    fits = wanted == "exr" or not (is_float or info.bits > _EVERY_DEPTH)
    if wanted in _DPX_DEPTHS and info.bits > 8:
        # A movie's RGB is computed from its own planes, and fills more bits than they have.
        fits = fits and info.kind == "sequence" and info.bits <= _DPX_DEPTHS[wanted]
    if not fits:
        raise MediaError(
            f"{info.path} does not fit into {wanted} without loss",
            found=f"{info.bits}-bit {info.pixel_format} {info.codec}",
            expected=f"integer codes of at most {_DPX_DEPTHS.get(wanted, _EVERY_DEPTH)} bits a channel",
            remedy=f"deliver it as {'exr' if is_float else 'dpx16, tiff16 or png16'}: delivery.frame_format="
            f"{'exr' if is_float else 'dpx16'}",
        )
    return wanted


def as_stored(result: Frames, info: MediaInfo, frame_format: FrameFormat) -> Frames:
    """A restored frame as its file can hold it: halves for a plate of halves, 10-bit codes for 10-bit DPX.

    Rounding happens before anything is counted or shown, so that the matte is that of the files.
    """
    if info.pixel_format == "half":
        return result.astype(np.float16).astype(np.float32)
    if frame_format in _DPX_DEPTHS and result.dtype == np.uint16:
        codes: Frames = stored_codes(result, frame_format)
        return codes
    return result


def window_to_store(reader: FrameReader, frame: RestoredFrame, result: Frames) -> Window | None:
    """The data window of a delivered EXR: the plate's own inside the display window, grown to hold the repair.

    None where the plate stores all it shows. Overscan is not delivered.
    """
    sequence = in_sequence(reader, frame.number)
    if sequence is None or reader.info.codec != "openexr":
        return None
    stored = sequence[0].data_window(sequence[1])
    shown = reader.info.display_window or Window(0, 0, reader.info.width, reader.info.height)
    if stored == shown:
        return None
    inside = stored.intersect(shown)
    rows, columns = np.nonzero(changed_pixels(result, frame.plate))
    if not rows.size:
        # A file stores one pixel at least.
        return inside or Window(shown.x, shown.y, 1, 1)
    left, top = int(columns.min()), int(rows.min())
    repair = Window(shown.x + left, shown.y + top, int(columns.max()) - left + 1, int(rows.max()) - top + 1)
    return inside.join(repair) if inside else repair


def format_notes(reader: FrameReader, frame_format: FrameFormat) -> list[str]:
    """What of the plate's files the delivered frames do not have, for the manifest; reads every header of an EXR."""
    sequence = in_sequence(reader, 0)
    if sequence is None or reader.info.codec != "openexr":
        return []
    info = reader.info
    shown = info.display_window or Window(0, 0, info.width, info.height)
    stored = [sequence[0].data_window(sequence[1] + frame) for frame in range(len(reader))]
    notes = []
    if num_beyond := sum(window.intersect(shown) != window for window in stored):
        notes.append(
            f"{num_beyond} of the plate's frames store more than the display window {shown} (the first stores "
            f"{stored[0]}): this overscan is not delivered"
        )
    if frame_format != "exr" and any(window != shown for window in stored):
        notes.append(f"{frame_format} has no data window: what the plate does not store is 0 (display window {shown})")
    return notes
