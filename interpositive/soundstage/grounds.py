"""Ground that several sets share: photographed gravel and grass."""

from __future__ import annotations

import numpy as np

from interpositive.soundstage.carpentry import soft_step
from interpositive.soundstage.foliage import leaves
from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.textures import (
    fractal,
    patchwork,
    photograph,
    tint,
)


def gravel_ground(rng: np.random.Generator, height: int, width: int, dense: float) -> tuple[Array, Array]:
    """Photographed gravel, stones about 4 cm."""
    stones = patchwork(rng, photograph("gravel.png"), height, width, zoom=dense / 230)
    hue = fractal(rng, height, width, dense * 1.5, 6)
    return tint((0.30, 0.27, 0.235), (stones, (0.36, 0.36, 0.36)), (hue, (0.12, 0.13, 0.15))), 0.25 * stones


def grass_ground(rng: np.random.Generator, height: int, width: int, dense: float) -> tuple[Array, Array]:
    """Photographed lawn with fallen leaves, and a trodden gravel path winding through it."""
    turf = patchwork(rng, photograph("grass.png"), height, width, zoom=dense / 210)
    patches = fractal(rng, height, width, dense * 1.8, 6)
    lawn = tint((0.075, 0.105, 0.030), (turf, (0.50, 0.46, 0.5)), (patches, (0.22, 0.10, 0.16)))
    stones, _ = gravel_ground(rng, height, width, dense)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(dense)
    middle = width / dense / 2 + 0.9 * np.sin(y * 0.33 + 0.5)
    edge = 0.85 + 0.18 * fractal(rng, height, width, dense * 0.8, 5)
    path = soft_step((edge - np.abs(x - middle)).astype(np.float32), 0.0, 0.25)[..., None]
    albedo = lawn * (1 - path) + stones * 0.62 * path
    points = np.stack(
        [
            rng.uniform(0, width, int(width * height * 0.0022)),
            rng.uniform(0, height, int(width * height * 0.0022)),
        ],
        1,
    )
    litter = np.concatenate([albedo, np.ones((height, width, 1), np.float32)], -1).astype(np.float32)
    leaves(rng, litter, points, dense * 0.045, (0.24, 0.12, 0.035))
    return np.ascontiguousarray(litter[..., :3]), 0.3 * turf
