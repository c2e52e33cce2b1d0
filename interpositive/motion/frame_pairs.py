"""What two frames of a flickering shot both see: values of small blocks, brought together by optical flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.functional.luma import luma
from interpositive.motion.optical_flow import dis_flow

Plane = NDArray[np.float32]

OFFSETS = (1, 2, 4, 8, 16)
_LONG_SIDE_PX = 160
_BLOCK_PX = 3


@dataclass(frozen=True)
class FramePair:
    """Blocks that two frames both see: their values ``p 3``, where each lies ``p 2`` in [0, 1], and trust ``p 3``."""

    first: int
    second: int
    values: tuple[Plane, Plane]
    places: tuple[Plane, Plane]
    trust: Plane


def reduced(frame: Plane) -> Plane:
    """A frame ``h w 3`` by area at the size that pairs are made at."""
    height, width = frame.shape[:2]
    scale = min(1.0, _LONG_SIDE_PX / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.float32)


def _normalised_luma(frame: Plane) -> NDArray[np.uint8]:
    """Luma without its local level and contrast, so that flow does not see the flicker."""
    plane = luma(frame)
    mean = cv2.GaussianBlur(plane, (0, 0), 8.0)
    spread = np.sqrt(cv2.GaussianBlur((plane - mean) ** 2, (0, 0), 8.0))
    level = (plane - mean) / (spread + 0.02 * max(float(plane.std()), 1e-3) + 1e-4)
    return np.clip(np.rint(128.0 + 42.0 * level), 0, 255).astype(np.uint8)


def frame_pairs(small: Plane, trusted: tuple[float, float]) -> Iterator[FramePair]:
    """All pairs of frames ``t h w 3`` up to sixteen apart; values outside ``trusted`` are cut off and count nothing."""
    num_frames, height, width = small.shape[:3]
    luma = [_normalised_luma(frame) for frame in small]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    blocks = (max(2, width // _BLOCK_PX), max(2, height // _BLOCK_PX))

    def averaged(plane: Plane) -> Plane:
        return np.asarray(cv2.resize(plane, blocks, interpolation=cv2.INTER_AREA), np.float32)

    for first in range(num_frames):
        for step in OFFSETS:
            second = first + step
            if second >= num_frames:
                continue
            there, back = dis_flow(luma[first], luma[second], "fast"), dis_flow(luma[second], luma[first], "fast")
            x, y = xs + there[..., 0], ys + there[..., 1]
            returned = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            gap = np.square(there + returned).sum(-1)
            size = np.square(there).sum(-1) + np.square(returned).sum(-1)
            seen = (gap <= 0.01 * size + 0.1) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
            brought = cv2.remap(small[second], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            inside = np.stack([(p > trusted[0]) & (p < trusted[1]) for p in (small[first], brought)]).all(0)
            weight = averaged((inside & seen[..., None]).astype(np.float32))
            weight[weight < 0.6] = 0.0
            place = averaged(np.stack((xs / max(1, width - 1), ys / max(1, height - 1)), -1))
            moved = averaged(np.stack((x / max(1, width - 1), y / max(1, height - 1)), -1))
            yield FramePair(
                first,
                second,
                (averaged(small[first]).reshape(-1, 3), averaged(brought).reshape(-1, 3)),
                (place.reshape(-1, 2), moved.clip(0, 1).reshape(-1, 2)),
                weight.reshape(-1, 3),
            )
