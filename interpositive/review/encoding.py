"""Frames as compressed pictures, each track stored only where it differs from the plate."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpositive.media.contract import Frames

# A multiple of JPEG's own block, so that what is stored does not bleed over its edge.
BLOCK_PX = 16
# What two compressions of the same picture differ by; less than this outside the mask is not stored.
NOISE_MEAN_CODES = 4
NOISE_MOST_CODES = 48
_MASKED_CODE = 127
_KEPT_SHARE_CODE = 32
_FLAT_CODE = 128

Picture = NDArray[np.uint8]
Blocks = NDArray[np.bool_]


@dataclass(frozen=True)
class Patch:
    """A base64 JPEG and the blocks of it that count.

    ``runs`` has row, first column and number of blocks of each horizontal
    run, in blocks of ``BLOCK_PX``; None where the whole picture counts.
    """

    jpeg: str
    runs: list[tuple[int, int, int]] | None = None


def to_8_bit(frames: Frames) -> NDArray[np.uint8]:
    """Codes of any depth, or floats in [0, 1], as the nearest 8-bit codes."""
    codes: NDArray[np.generic] = frames
    if codes.dtype == np.uint16:
        codes = (frames.astype(np.uint32) + 128) // 257
    elif codes.dtype != np.uint8:
        codes = np.rint(np.clip(np.nan_to_num(frames), 0, 1) * 255)
    return codes.astype(np.uint8)


def resized(frame: Picture, size: tuple[int, int]) -> Picture:
    """A frame ``h w 3`` at ``size`` (width, height)."""
    image = Image.fromarray(np.ascontiguousarray(frame[..., :3]))
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))


def resized_mask(frame: Picture, size: tuple[int, int]) -> Blocks:
    """The mask ``h w`` of a matte frame; an eighth of a pixel of it stays when it is made smaller."""
    grey = Image.fromarray(np.where(frame[..., 0] > _MASKED_CODE, 255, 0).astype(np.uint8))
    return np.asarray(grey.resize(size, Image.Resampling.BOX)) >= _KEPT_SHARE_CODE


def differing_blocks(frame: Picture, plate: Picture, mask: Blocks) -> Blocks:
    """Blocks ``rows columns`` that the mask touches, or that differ by more than compression does."""
    away = np.abs(frame.astype(np.int16) - plate).max(axis=-1)
    split = _in_blocks(away)
    differs = (split.mean(axis=(1, 3)) > NOISE_MEAN_CODES) | (split.max(axis=(1, 3)) > NOISE_MOST_CODES)
    return np.asarray(differs | _in_blocks(mask).any(axis=(1, 3)))


def encode_whole(frame: Picture, quality: int) -> Patch:
    """A whole frame as JPEG."""
    return Patch(_jpeg(frame, quality))


def encode_patch(frame: Picture, plate: Picture, mask: Blocks, quality: int) -> Patch:
    """A frame as JPEG, flat and nearly free of cost wherever it shows the plate."""
    blocks = differing_blocks(frame, plate, mask)
    height, width = frame.shape[:2]
    shown = blocks.repeat(BLOCK_PX, axis=0).repeat(BLOCK_PX, axis=1)[:height, :width, None]
    return Patch(_jpeg(np.where(shown, frame, np.uint8(_FLAT_CODE)), quality), block_runs(blocks))


def block_runs(blocks: Blocks) -> list[tuple[int, int, int]]:
    """Row, first column and length of each horizontal run of blocks."""
    runs = []
    for row, line in enumerate(blocks):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        runs += [(row, int(start), int(stop - start)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return runs


def encode_mask(mask: Blocks) -> str:
    """A mask ``h w`` as a base64 PNG of one bit a pixel."""
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def mask_centre(mask: Blocks) -> tuple[float, float] | None:
    """The middle of a mask ``h w`` in widths and heights of the picture, None for an empty one."""
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return None
    height, width = mask.shape
    return round(float(columns.mean() + 0.5) / width, 4), round(float(rows.mean() + 0.5) / height, 4)


def _in_blocks(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % BLOCK_PX), (0, -width % BLOCK_PX)))
    return padded.reshape(padded.shape[0] // BLOCK_PX, BLOCK_PX, -1, BLOCK_PX)


def _jpeg(frame: Picture, quality: int) -> str:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG", quality=quality, subsampling=0, optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")
