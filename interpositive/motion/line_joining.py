"""Lines that were found in pieces, joined along themselves."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

_NUM_DIRECTIONS = 36
_ASIDE = np.ones((3, 3), np.uint8)


def join_lines(mask: NDArray[np.bool_], gap_px: int) -> NDArray[np.bool_]:
    """A mask ``h w`` with gaps of up to ``gap_px`` filled between straight pieces, each half as long, that continue
    each other; what is no line stays as it is.

    In each direction the mask, a pixel wider than it is, is opened by a piece and closed by a gap (path-like openings
    and closings by lines; Soille, Morphological Image Analysis, 2003), and what that joins is made narrow again. A
    wire that sags bends by less than a pixel over such a gap.
    """
    wide = cv2.dilate(mask.astype(np.uint8), _ASIDE)
    joined = np.zeros_like(wide)
    margin = gap_px // 2 + 1
    for index in range(_NUM_DIRECTIONS):
        angle = np.pi * index / _NUM_DIRECTIONS
        pieces = cv2.morphologyEx(wide, cv2.MORPH_OPEN, _line(gap_px // 2, angle))
        if pieces.any():
            framed = cv2.copyMakeBorder(pieces, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
            closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, _line(gap_px, angle))
            np.maximum(joined, closed[margin:-margin, margin:-margin], out=joined)
    return mask | (cv2.erode(joined, _ASIDE) > 0)


@lru_cache(maxsize=256)
def _line(length_px: int, angle: float) -> NDArray[np.uint8]:
    reach = length_px // 2
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    dx, dy = reach * np.cos(angle), reach * np.sin(angle)
    cv2.line(kernel, (round(reach - dx), round(reach - dy)), (round(reach + dx), round(reach + dy)), 1, 1)
    return kernel
