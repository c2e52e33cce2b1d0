"""Dense optical flow by inverse search (DIS; Kroeger et al., ECCV 2016), through OpenCV."""

from __future__ import annotations

from functools import lru_cache
from threading import get_ident
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma

Preset = Literal["ultrafast", "fast", "medium", "fine"]

LEAST_SIDE_PX, LEAST_LONG_SIDE_PX = 32, 96
"""Smaller frames are padded: OpenCV would take other settings for them, keep these for all frames after, or crash."""

COARSE: Preset = "fast"
"""Of large frames, for what the camera leaves and for frames far apart: a quarter of the raster has less grain."""

_PRESETS: dict[str, int] = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    "fine": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@lru_cache(maxsize=32)
def _engine(preset: Preset, thread: int) -> cv2.DISOpticalFlow:
    """An engine keeps what it is working on: each thread has its own."""
    del thread
    engine = cv2.DISOpticalFlow.create(_PRESETS[preset])
    if preset == "fine":
        # To the last pixel, where the others stop at half or a quarter of the raster.
        engine.setFinestScale(0)
    return engine


def luma_u8(rgb: NDArray[np.float32]) -> NDArray[np.uint8]:
    """BT.709 luma of ``h w 3`` RGB in [0, 1], rounded to 8 bits, as the flow engine wants it."""
    return luma_codes(luma(rgb))


def luma_codes(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Luma in [0, 1], rounded to 8 bits."""
    codes: NDArray[np.uint8] = np.clip(np.rint(plane * 255.0), 0, 255).astype(np.uint8)
    return codes


def dis_flow(source: NDArray[np.uint8], target: NDArray[np.uint8], preset: Preset = "medium") -> NDArray[np.float32]:
    """Flow on the grid of ``source`` pointing into ``target``: ``h w 2``, (x, y) in pixels.

    ``target(x + flow(x)) ~ source(x)``, so warping ``target`` backward by this
    flow lines it up with ``source``. Both are ``h w`` 8-bit luma.
    """
    height, width = source.shape
    pad_y, pad_x = max(0, LEAST_SIDE_PX - height), max(0, LEAST_SIDE_PX - width)
    if max(height, width) < LEAST_LONG_SIDE_PX:
        pad_x = LEAST_LONG_SIDE_PX - width
    if pad_y or pad_x:
        source = np.pad(source, ((0, pad_y), (0, pad_x)), mode="edge")
        target = np.pad(target, ((0, pad_y), (0, pad_x)), mode="edge")
    flow = np.zeros((*source.shape, 2), np.float32)
    flow = _engine(preset, get_ident()).calc(np.ascontiguousarray(source), np.ascontiguousarray(target), flow)
    return np.asarray(flow[:height, :width], dtype=np.float32)
