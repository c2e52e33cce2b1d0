"""Things that are no wire and no dirt: pieces of the production's own picture that stand in the way and move.

Whatever an artist masks may hide a thing with edges and texture as good as the set's. A mini-model that is shown the
plate under its mask has to have seen such things, or it takes them for clean.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.tasks.outlines import filled, uneven_outline

Plane = NDArray[np.float32]

_NUM_OUTLINE_POINTS = 24
_MOST_OBJECTS = 2


def draw_objects(frames: Plane, random: np.random.Generator) -> tuple[Plane, Plane]:
    """Draw one or two opaque objects over ``t h w 3`` frames; returns the damaged frames and their coverage ``t h w``.

    Their texture is the window's own, from another place and mostly another level; they move as people and props do.
    """
    num_frames, height, width, _ = frames.shape
    damaged, coverage = frames.copy(), np.zeros(frames.shape[:3], np.float32)
    for _ in range(int(random.integers(1, _MOST_OBJECTS + 1))):
        outlines = _limbs(random, height) if random.random() < 0.6 else [_blob(random, height)]
        texture = frames[int(random.integers(num_frames))]
        texture = np.roll(texture, (int(random.integers(height)), int(random.integers(width))), (0, 1))
        texture = texture[:, ::-1] if random.random() < 0.5 else texture
        texture = np.clip(texture * random.uniform(0.6, 1.5), 0.0, max(1.0, float(frames.max())))
        start = random.uniform((0.1, 0.1), (0.9, 0.9)) * (width, height)
        speed = random.normal(0.0, 0.008, 2) * height
        bob, tempo = random.uniform(0.0, 0.03, 2) * height, random.uniform(0.01, 0.06, 2)
        soft = random.uniform(0.0, 0.8)
        for t in range(num_frames):
            moved = speed * (t - num_frames / 2) + bob * np.sin(2.0 * np.pi * tempo * t)
            alpha = filled([outline + start + moved for outline in outlines], height, width)
            if soft > 0.2:
                alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), soft), np.float32)
            matrix = np.array([[1.0, 0.0, moved[0]], [0.0, 1.0, moved[1]]])
            shown = cv2.warpAffine(texture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
            damaged[t] += alpha[..., None] * (shown - damaged[t])
            np.maximum(coverage[t], alpha, out=coverage[t])
    return damaged, coverage


def _blob(random: np.random.Generator, height: int) -> NDArray[np.float64]:
    radius = float(np.exp(random.uniform(np.log(0.012), np.log(0.09)))) * height
    return uneven_outline(random, radius, _NUM_OUTLINE_POINTS, 0.35, (1, 2, 3))


def _limbs(random: np.random.Generator, height: int) -> list[Plane]:
    """Tapering limbs, each the outline of a bent strip, that begin at one place."""
    outlines = []
    for _ in range(int(random.integers(1, 4))):
        length = random.uniform(0.08, 0.35) * height
        half = 0.5 * np.exp(random.uniform(np.log(0.012), np.log(0.05))) * height
        along = np.linspace(0.0, 1.0, _NUM_OUTLINE_POINTS // 2)
        heading = random.uniform(0.0, 2.0 * np.pi) + random.uniform(-1.2, 1.2) * along
        steps = length / len(along) * np.stack((np.cos(heading), np.sin(heading)), -1)
        middle = np.cumsum(steps, 0)
        normal = np.stack((-np.sin(heading), np.cos(heading)), -1) * (half * (1.0 - 0.4 * along))[:, None]
        outlines.append(np.concatenate((middle + normal, (middle - normal)[::-1])).astype(np.float32))
    return outlines
