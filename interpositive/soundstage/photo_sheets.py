"""Photographs hung in a set at their own distance."""

from __future__ import annotations

import cv2
import numpy as np

from interpositive.soundstage.carpentry import TEXELS_PER_PIXEL, Carpenter
from interpositive.soundstage.surfaces import Array, Surface, plane_axes


def photo_sheet(
    stage: Carpenter,
    name: str,
    photo: Array,
    cover: Array,
    z: float,
    centre: tuple[float, float],
    pixels_wide: float,
    catches_shadow: bool = False,
) -> None:
    """Hang a photograph at ``z`` so that it spans ``pixels_wide`` at the nominal lens, centred on a world
    point.
    """
    width = round(pixels_wide * TEXELS_PER_PIXEL)
    height = round(photo.shape[0] * width / photo.shape[1])
    method = cv2.INTER_AREA if width < photo.shape[1] else cv2.INTER_CUBIC
    paint = np.concatenate([photo * cover[..., None], cover[..., None]], -1)
    paint = np.clip(cv2.resize(paint, (width, height), interpolation=method), 0, None)
    paint[..., 3] = np.minimum(paint[..., 3], 1)
    step = z / stage.focal_px / TEXELS_PER_PIXEL
    origin = (centre[0] - step * (width - 1) / 2, centre[1] - step * (height - 1) / 2, z)
    stage.surfaces.append(
        Surface(
            name,
            np.ascontiguousarray(paint, np.float32),
            plane_axes(origin, (step, 0, 0), (0, step, 0)),
            catches_shadow,
        )
    )
