"""Scene 27: a garage with a motorcycle, cut from one photograph into three sheets; the camera is locked
off.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage

from interpositive.soundstage.carpentry import Carpenter, soft_step
from interpositive.soundstage.lights import Light, LightRig, Pool
from interpositive.soundstage.photo_sheets import photo_sheet
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.textures import photograph

GARAGE_RIG = LightRig(
    (
        Light("strip lamp", (-0.35, -0.85, -0.42), (1.0, 0.90, 0.74), 0.95),
        Light("open door", (0.9, -0.25, -0.2), (0.62, 0.78, 1.0), 0.38),
    ),
    ambient=(0.13, 0.125, 0.13),
    pools=(Pool(0.0, 3.5, 1.0, 0.6), Pool(0.0, 2.2, 0.7, -0.6)),
    base_level=0.75,
    shadow_depth=0.55,
    name="garage",
)


def _motorcycle_cover(crop: slice) -> Array:
    """Alpha of the motorcycle from the stereo pair's measured disparity, ``h w`` at photograph size."""
    with np.load(Path(skimage.__file__).parent / "data" / "motorcycle_disp.npz") as archive:
        disparity = np.asarray(archive[archive.files[0]], np.float32)
    height, width = disparity.shape
    known = np.isfinite(disparity) & (disparity > 0)
    column, row = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    floor_like = 33.0 + 27.0 * np.clip((row - 0.3) / 0.7, 0, 1)
    near = known & (disparity > np.maximum(31.0, np.where(row > 0.35, floor_like, 0)))
    near &= (np.abs(column) < 0.97) & (row > -0.80)
    solid = cv2.morphologyEx(near.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 1.0)[crop]


def garage(spec: StageSpec) -> Carpenter:
    """27: a photographed garage in three sheets (wall, floor, motorcycle); performers pass between them."""
    eye = 0.80
    stage = Carpenter(spec, "27", GARAGE_RIG, 1.0 * spec.width, eye, 3.5, 0.0)
    crop = slice(48, 484)
    photo = photograph("motorcycle_left.png")[crop]
    height, width = photo.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width - 0.5, y / height - 0.5
    lamp = 0.42 + 0.75 * np.exp(-((x + 0.05) ** 2 / 0.10 + (y - 0.05) ** 2 / 0.16))
    warm = np.array([1.06, 0.97, 0.84], np.float32)
    photo = (np.minimum(photo * 1.1, 1.4) * lamp[..., None] * warm).astype(np.float32)
    full = np.ones((height, width), np.float32)
    pixels = max(spec.width, spec.height * width / height) + 4
    photo_sheet(stage, "garage wall", photo, full, 4.4, (0.0, -eye), pixels)
    floor = soft_step(y + 0.05 * x, 0.20, 0.10)
    photo_sheet(stage, "garage floor", photo, floor, 4.0, (0.0, -eye), pixels, catches_shadow=True)
    cover = _motorcycle_cover(crop)
    photo_sheet(stage, "motorcycle", photo, cover, 2.9, (0.0, -eye), pixels)
    return stage
