"""Performers' shadows on the floor: cast from the key by one more homography, and the dark touch under each
shoe.
"""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np

from interpositive.soundstage.cloth import Piece
from interpositive.soundstage.scenes import StagedTake
from interpositive.soundstage.surfaces import Array, Box, Matrix, place, plane_axes, reach, union
from interpositive.soundstage.wardrobe import with_virtual_joints

CONTACT_TEXELS = 24
CONTACT_DEPTH = 0.62
BODY_DEPTH_METRES = 0.24  # flat figures cast as if they had a front and a back


def onto_floor(towards: Array) -> Matrix:
    """4x4 projection of world points along a light direction onto the plane y = 0."""
    flatten: Matrix = np.eye(4)
    flatten[0, 1] = -towards[0] / towards[1]
    flatten[1, 1] = 0.0
    flatten[2, 1] = -towards[2] / towards[1]
    return flatten


def shadow_on_floor(
    staged: StagedTake, pieces: list[list[Piece]], time: float, size: tuple[int, int], scale: float
) -> tuple[Box, Array] | None:
    """The box touched and, inside it, the share of floor light taken away (0 to 1); None if no shadow is in
    frame.
    """
    camera = staged.camera.matrix(time)
    flatten = onto_floor(staged.rig.lamps[0].direction)
    jobs: list[tuple[Array, Matrix, Box, float]] = []
    for performer, worn in zip(staged.performers, pieces, strict=True):
        joints, face = with_virtual_joints(performer, time), performer.facing(time)
        for piece, nearer in product(worn, (-BODY_DEPTH_METRES / 2, BODY_DEPTH_METRES / 2)):
            homography = camera @ flatten @ piece.axes(joints, performer.z + nearer, face)
            box = reach(homography, piece.alpha.shape[::-1], size, margin=int(8 * scale))
            if box is not None:
                jobs.append((piece.alpha, homography, box, staged.rig.shadow_depth))
        for side in ("left", "right"):
            foot = (joints[f"{side}_ankle"] * 0.4 + joints[f"{side}_toe"] * 0.6) * np.array([1, 0])
            lift = max(-float(joints[f"{side}_ankle"][1]) - 0.07, 0.0)
            step = 0.62 / CONTACT_TEXELS
            axes = plane_axes((foot[0] - 0.31, 0.0, performer.z - 0.31), (step, 0, 0), (0, 0, step))
            box = reach(camera @ axes, (CONTACT_TEXELS, CONTACT_TEXELS), size)
            if box is not None:
                jobs.append((_spot(), camera @ axes, box, CONTACT_DEPTH * float(np.exp(-lift / 0.09))))
    around = union([job[2] for job in jobs])
    if around is None:
        return None
    x0, y0, x1, y1 = around
    cast = np.zeros((y1 - y0, x1 - x0), np.float32)
    touch = np.zeros_like(cast)
    for alpha, homography, box, depth in jobs:
        target = cast if alpha is not _spot() else touch
        part = target[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]
        np.maximum(part, place(alpha, homography, box) * np.float32(depth), out=part)
    soft: Array = cv2.GaussianBlur(cast, (0, 0), 1.5 * scale, borderType=cv2.BORDER_REPLICATE)
    dark: Array = 1 - (1 - soft) * (1 - touch)
    return around, dark


_SPOT: list[Array] = []


def _spot() -> Array:
    """A soft round texture, made once."""
    if not _SPOT:
        y, x = np.mgrid[0:CONTACT_TEXELS, 0:CONTACT_TEXELS].astype(np.float32)
        middle = (CONTACT_TEXELS - 1) / 2
        radius = ((x - middle) ** 2 + (y - middle) ** 2) / (CONTACT_TEXELS / 2) ** 2
        _SPOT.append((np.clip(1 - radius, 0, 1) ** 1.5).astype(np.float32))
    return _SPOT[0]
