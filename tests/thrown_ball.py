"""A ball that crosses a pan further than its own size between two frames: what dense flow loses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from productions import panning_shot

HEIGHT, WIDTH, RADIUS = 144, 240, 11


def ball_at(x: float, y: float, radius: int = RADIUS) -> NDArray[np.bool_]:
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    inside: NDArray[np.bool_] = (xs - x) ** 2 + (ys - y) ** 2 <= radius**2
    return inside


def place(time: float, bend: float = 0.0) -> tuple[float, float]:
    """Thrown from the left at 9 px a frame; with ``bend`` it rises and falls."""
    share = (time - 4) / 8
    return 60 + 9 * (time - 4), 70 - 4 * bend * (share - share * share)


def thrown(bend: float = 0.0, speed_px: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
    frames = panning_shot(3, 17, height=HEIGHT, width=WIDTH, speed_px=speed_px, actor=False)
    draw = np.random.default_rng(1)
    skin = cv2.GaussianBlur(draw.random((HEIGHT, WIDTH, 1), np.float32), (0, 0), 2.0)[..., None]
    skin = 0.85 + 0.6 * (skin - skin.mean())
    for time, frame in enumerate(frames):
        x, y = place(time, bend)
        worn = cv2.warpAffine(skin, np.array([[1.0, 0, x - 60], [0, 1.0, y - 70]]), (WIDTH, HEIGHT))[..., None]
        frame[:] = np.where(ball_at(x, y)[..., None], np.clip(worn, 0, 1), frame)
    return frames
