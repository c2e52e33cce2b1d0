"""A contact sheet: evenly spaced frames of one take, each with its timecode under it, as one PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from interpositive.errors import StorageError
from interpositive.media.contract import Frames, code_range

Picture = NDArray[np.uint8]

SHEET_FRAMES = 12
_COLUMNS = 4
_PICTURE_WIDTH_PX = 320
_GAP_PX = 12
_CAPTION_PX = 22
_TITLE_PX = 34
_GROUND, _WORDS, _SOFT_WORDS = (24, 24, 26), (232, 230, 224), (150, 148, 142)


@dataclass(frozen=True)
class SheetFrame:
    """One picture of the sheet, ``h w 3`` in 8 bits, and what stands under it."""

    picture: Picture
    caption: str


def evenly_spaced(num_frames: int, most: int = SHEET_FRAMES) -> list[int]:
    """Frame numbers from the first to the last with equal steps; all if they are no more than ``most``."""
    if num_frames <= most:
        return list(range(num_frames))
    if most == 1:
        return [num_frames // 2]
    return [round(n * (num_frames - 1) / (most - 1)) for n in range(most)]


def as_coded(frame: Frames) -> Picture:
    """A frame's codes as they are, in 8 bits: what is seen of a picture whose encoding nobody has named."""
    codes = np.nan_to_num(frame.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0) / np.float32(code_range(frame))
    picture: Picture = np.rint(codes.clip(0.0, 1.0) * 255).astype(np.uint8)
    return picture


def fitted(picture: Picture, width_px: int = _PICTURE_WIDTH_PX) -> Picture:
    """A picture as small as the sheet needs it, in its own proportions, never larger than it was."""
    height, width = picture.shape[:2]
    size = (min(width, width_px), max(1, round(height * min(width, width_px) / width)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture[..., :3])).resize(size, Image.Resampling.BOX))


def draw_contact_sheet(frames: Sequence[SheetFrame], title: str, subtitle: str = "") -> bytes:
    """The sheet as PNG: four pictures a row, captions under them, the title and a quieter second line above."""
    columns = min(_COLUMNS, len(frames))
    height = max(frame.picture.shape[0] for frame in frames)
    cell_width, cell_height = _PICTURE_WIDTH_PX + _GAP_PX, height + _CAPTION_PX + _GAP_PX
    rows = -(-len(frames) // columns)
    head = _TITLE_PX + (_CAPTION_PX if subtitle else 0)
    # Room for the words, even above a single picture.
    size = (max(columns, 2) * cell_width + _GAP_PX, head + rows * cell_height + _GAP_PX)
    sheet = Image.new("RGB", size, _GROUND)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(17), ImageFont.load_default(14)
    draw.text((_GAP_PX, 9), title, _WORDS, large)
    if subtitle:
        draw.text((_GAP_PX, _TITLE_PX - 2), subtitle, _SOFT_WORDS, small)
    for n, frame in enumerate(frames):
        left, top = _GAP_PX + (n % columns) * cell_width, head + (n // columns) * cell_height
        sheet.paste(Image.fromarray(frame.picture), (left, top))
        draw.text((left, top + frame.picture.shape[0] + 3), frame.caption, _WORDS, small)
    written = io.BytesIO()
    sheet.save(written, "PNG", optimize=True)
    return written.getvalue()


def refuse_sheet_path(path: Path) -> None:
    """Raise ``StorageError`` for a place where a sheet would replace something else; an earlier PNG it may replace."""
    if path.suffix.lower() != ".png" or (path.exists() and not _is_png(path)):
        raise StorageError(
            f"a contact sheet is a PNG, and never takes the place of another file: {path}",
            found="a file that is no PNG" if path.exists() else f"the extension {path.suffix or '(none)'}",
            expected="a .png path",
        )


def lies_among(path: Path, footage: Path) -> bool:
    """Whether a sheet at ``path`` would lie beside the footage or below it, where nothing of ours is ever written."""
    home = (footage if footage.is_dir() else footage.parent).resolve()
    return path.absolute().parent.resolve().is_relative_to(home)


def _is_png(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(8) == b"\x89PNG\r\n\x1a\n"
