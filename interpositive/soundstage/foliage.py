"""Growing things for the set: leaves in clumps, trunks, hedges, blades of grass, far treelines.

Each returns premultiplied albedo ``h w 4`` (scene-linear reflectance, not yet lit).
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.textures import Colour, fractal, tint

SUB = 8  # cv2 draws with 1/8-texel positions


def blank(height: int, width: int) -> Array:
    """Clear paint."""
    return np.zeros((height, width, 4), np.float32)


def lay(paint: Array, over: Array) -> Array:
    """Premultiplied ``over`` on top of ``paint``."""
    laid: Array = over + paint * (1 - over[..., 3:])
    return laid


def leaves(
    rng: np.random.Generator,
    paint: Array,
    centres: npt.NDArray[np.float64],
    size: float,
    base: Colour,
    light_from: tuple[float, float] = (-0.5, -0.8),
) -> None:
    """Draw one pointed leaf at each centre (``n 2`` texels) into ``paint``, dark ones first, bright ones on
    top.

    Leaves towards ``light_from`` within the cloud of centres are brighter, which gives crowns their volume.
    """
    if not len(centres):
        return
    spread = centres.std(0).max() + 1e-6
    towards = ((centres - centres.mean(0)) / spread) @ np.asarray(light_from)
    gain = np.exp(0.45 * np.clip(towards, -1.6, 1.6) + 0.35 * rng.standard_normal(len(centres)))
    hue = rng.standard_normal((len(centres), 3)) * np.array([0.16, 0.05, 0.12])
    angle = rng.uniform(0, np.pi, len(centres))
    length = size * rng.uniform(0.6, 1.3, len(centres))
    for index in np.argsort(gain):
        along = np.array([np.cos(angle[index]), np.sin(angle[index])]) * length[index]
        across = np.array([-along[1], along[0]]) * 0.42
        corners = np.array([centres[index] + way for way in (-along, across, along, -across)])
        colour = np.asarray(base) * gain[index] * np.exp(hue[index])
        cv2.fillConvexPoly(
            paint,
            np.round(corners * SUB).astype(np.int32),
            (*np.clip(colour, 0, 0.9).tolist(), 1.0),
            cv2.LINE_AA,
            3,
        )


def cloud_of_points(
    rng: np.random.Generator, num: int, centre: tuple[float, float], spread: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """``num`` random points in an ellipse, denser in the middle."""
    angle = rng.uniform(0, 2 * np.pi, num)
    radius = np.sqrt(rng.uniform(0, 1, num)) * rng.uniform(0.75, 1.05, num)
    return np.stack([centre[0] + spread[0] * radius * np.cos(angle), centre[1] + spread[1] * radius * np.sin(angle)], 1)


def bark(rng: np.random.Generator, height: int, width: int, base: Colour) -> Array:
    """Bark albedo ``h w 3``: long cracks and moss."""
    cracks = np.abs(fractal(rng, height, width, max(width / 14, 2.5), 4, stretch=5.0))
    moss = fractal(rng, height, width, width / 2, 5)
    return tint(base, (cracks - 0.8, (0.5, 0.5, 0.52)), (moss, (-0.10, 0.06, -0.12)))


def trunk(rng: np.random.Generator, height: int, width: int, thick: float, base: Colour, lean: float = 0.0) -> Array:
    """A tree trunk standing on the lower edge, ``thick`` texels at its foot, with a few bare limbs."""
    paint = blank(height, width)
    shape = np.zeros((height, width), np.float32)
    side = np.zeros((height, width), np.float32)
    y = np.arange(height, dtype=np.float32)
    centre = width / 2 + lean * (height - y) + thick * 0.25 * np.sin(y / height * 5 + rng.uniform(0, 6))
    radius = thick / 2 * (0.55 + 0.45 * (y / height)) * (1 + 0.9 * np.exp(-(height - y) / (thick * 0.8)))
    x = np.arange(width, dtype=np.float32)[None]
    offset = (x - centre[:, None]) / radius[:, None]
    shape = np.clip((1 - np.abs(offset)) * radius[:, None] + 0.5, 0, 1)
    side = np.clip(offset, -1, 1)
    for _ in range(int(rng.integers(3, 6))):
        row = int(rng.uniform(0.02, 0.45) * height)
        direction = rng.choice([-1.0, 1.0])
        start = np.array([centre[row], row], np.float64)
        steps = [start]
        heading = np.array([direction * rng.uniform(0.6, 1.0), -rng.uniform(0.3, 0.9)])
        for _ in range(7):
            heading = heading + rng.normal(0, 0.16, 2)
            steps.append(steps[-1] + heading / np.linalg.norm(heading) * height * 0.05)
        for index, (a, b) in enumerate(pairwise(steps)):
            width_px = max(int(thick * 0.28 * (1 - index / 8)), 1)
            ends = [tuple(np.round(point * SUB).astype(int).tolist()) for point in (a, b)]
            cv2.line(shape, ends[0], ends[1], 1.0, width_px, cv2.LINE_AA, 3)
    albedo = bark(rng, height, width, base)
    round_shade = (0.42 + 0.62 * np.sqrt(np.clip(1 - (side + 0.45) ** 2 / 2.1, 0, 1)))[..., None]
    paint[..., :3] = albedo * round_shade * shape[..., None]
    paint[..., 3] = shape
    return paint


def crown(
    rng: np.random.Generator,
    height: int,
    width: int,
    leaf: float,
    base: Colour,
    num_clumps: int = 18,
    density: float = 1.0,
    light_from: tuple[float, float] = (-0.5, -0.8),
) -> Array:
    """A tree's crown or a hedge: overlapping clumps of leaves that fill the texture with gaps between."""
    paint = blank(height, width)
    for _ in range(num_clumps):
        spread = (width * rng.uniform(0.10, 0.2), height * rng.uniform(0.08, 0.16))
        away = np.clip(rng.normal(0, 0.42, 2), -0.95, 0.95)
        away = away / max(float(np.hypot(*away)), 1.0)
        centre = (
            width / 2 + away[0] * (width / 2 - 1.1 * spread[0] - leaf),
            height / 2 + away[1] * (height / 2 - 1.1 * spread[1] - leaf),
        )
        num = int(density * 2.2 * spread[0] * spread[1] * np.pi / (leaf * leaf))
        gain = float(np.exp(0.2 * rng.standard_normal()))
        colour = (base[0] * gain, base[1] * gain, base[2] * gain)
        leaves(rng, paint, cloud_of_points(rng, num, centre, spread), leaf, colour, light_from)
    return paint


def hedge(rng: np.random.Generator, height: int, width: int, leaf: float, base: Colour, rough: float = 0.35) -> Array:
    """A bank of shrubs along the lower edge with an uneven top."""
    paint = blank(height, width)
    top = (0.42 + rough * 0.45 * fractal(rng, 1, width, max(height * 0.8, 8), 4)[0]) * height
    ends = np.abs(np.linspace(-1, 1, width, dtype=np.float32))
    top = np.minimum(top + height * np.clip((ends - 0.55) / 0.42, 0, 1) ** 2, height + leaf)
    num = int(3.0 * height * width / (leaf * leaf))
    x = rng.uniform(0, width - 1, num)
    y = rng.uniform(0, height * 1.04, num)
    keep = y > np.maximum(top[x.astype(int)], 1) + leaf * rng.uniform(0, 2.5, num)
    points = np.stack([x[keep], y[keep]], 1)
    row = np.arange(height, dtype=np.float32)[:, None]
    heart = (row > np.maximum(top[None] + 3 * leaf, height * 0.6)).astype(np.float32)
    paint[..., :3], paint[..., 3] = np.asarray(base, np.float32) * 0.25 * heart[..., None], heart
    for strip in np.array_split(points[np.argsort(points[:, 1])], 5):
        leaves(rng, paint, strip, leaf, base, (-0.1, -0.9))
    return paint


def blades(rng: np.random.Generator, height: int, width: int, num: int, base: Colour, thick: float) -> Array:
    """Long grass growing from the lower edge."""
    paint = blank(height, width)
    for _ in range(num):
        foot = np.array([rng.uniform(-0.05, 1.05) * width, height + 2.0])
        tall = height * rng.uniform(0.35, 0.95)
        bend = rng.normal(0, 0.35) * tall
        t = np.linspace(0, 1, 9)[:, None]
        path = foot + np.concatenate([bend * t**2, -tall * t * (1 - 0.12 * t)], 1)
        colour = np.clip(
            np.asarray(base) * np.exp(rng.normal(0, 0.35)) * np.array([rng.uniform(0.8, 1.4), 1, 1]), 0, 0.8
        )
        for index in range(8):
            ends = [tuple(np.round(point * SUB).astype(int).tolist()) for point in path[index : index + 2]]
            cv2.line(
                paint,
                ends[0],
                ends[1],
                (*colour.tolist(), 1.0),
                max(round(thick * (1 - index / 9)), 1),
                cv2.LINE_AA,
                3,
            )
    return paint


def treeline(rng: np.random.Generator, height: int, width: int, base: Colour, size: float) -> Array:
    """A far wood: rough skyline and mottled crowns of ``size`` texels."""
    y = np.arange(height, dtype=np.float32)[:, None]
    skyline = 0.38 + 0.11 * fractal(rng, 1, width, size * 4, 6)[0]
    ragged = fractal(rng, height, width, size * 0.8, 5) * 0.045
    alpha = np.clip((y / height - skyline[None] + ragged) * height * 0.5 + 0.5, 0, 1)
    mottle = fractal(rng, height, width, size, 6)
    albedo = tint(base, (mottle, (0.36, 0.34, 0.34)))
    return np.concatenate([albedo * alpha[..., None], alpha[..., None]], -1).astype(np.float32)
