"""Paints for the set: photographs that come with scikit-image, and procedural stone, brick, wood and cloud.

Albedos are scene-linear reflectances ``h w 3``; reliefs are heights in texels ``h w``. Sizes are texels and
every random choice comes from the generator passed in.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage

from interpositive.errors import MediaError
from interpositive.soundstage.surfaces import Array

Colour = tuple[float, float, float]
SMALLEST_PATCH = 48


def photograph(name: str) -> Array:
    """One of scikit-image's bundled photographs as scene-linear ``h w 3`` (sRGB decoded, IEC 61966-2-1).

    Only files inside the installed wheel are read, never the network. Raises ``MediaError`` if it is not
    there.
    """
    path = Path(skimage.__file__).parent / "data" / name
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise MediaError(
            "a photograph for the set is missing",
            found=f"nothing readable at {path}",
            expected="the file that scikit-image ships in its wheel",
            remedy="install scikit-image again",
        )
    code = image[..., ::-1].astype(np.float32) / 255
    linear: Array = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def fractal(
    rng: np.random.Generator, height: int, width: int, largest: float, octaves: int = 5, stretch: float = 1.0
) -> Array:
    """Fractal noise with zero mean and unit spread; ``largest`` is the biggest feature in texels.

    ``stretch`` above 1 draws features out along y.
    """
    total = np.zeros((height, width), np.float32)
    strength, size = 1.0, max(largest, 2.0)
    for _ in range(octaves):
        rows = int(np.ceil(height / (size * stretch))) + 4
        columns = int(np.ceil(width / size)) + 4
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        spread = (max(int(columns * size), width), max(int(rows * size * stretch), height))
        wide = cv2.resize(grid, spread, interpolation=cv2.INTER_CUBIC)
        top, left = (spread[1] - height) // 2, (spread[0] - width) // 2
        total += np.float32(strength) * wide[top : top + height, left : left + width]
        strength, size = strength * 0.56, size / 2
        if size < 1:
            break
    unit: Array = (total - total.mean()) / (total.std() + 1e-6)
    return unit


def patchwork(rng: np.random.Generator, source: Array, height: int, width: int, zoom: float) -> Array:
    """An endless version of a stationary photograph (gravel, grass) without visible repeats, ``h w``.

    ``zoom`` is output texels per photograph pixel. Random patches are laid over each other under Hann
    windows and divided by the root of the summed squared windows, which keeps the photograph's contrast.
    Result has zero mean and unit spread.
    """
    gray = source.mean(-1) if source.ndim == 3 else source
    gray = gray - cv2.GaussianBlur(gray, (0, 0), gray.shape[0] / 10)
    zoom = max(zoom, SMALLEST_PATCH / min(gray.shape))
    if zoom < 1:
        gray = cv2.resize(gray, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    elif zoom > 1:
        gray = cv2.resize(gray, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    gray = (gray - gray.mean()) / (gray.std() + 1e-6)
    size = min(gray.shape) * 2 // 3
    window = np.outer(np.hanning(size + 2)[1:-1], np.hanning(size + 2)[1:-1]).astype(np.float32) ** 0.5
    step = max(size // 2, 1)
    total = np.zeros((height + 2 * size, width + 2 * size), np.float32)
    weight = np.zeros_like(total)
    for top in range(0, height + size, step):
        for left in range(0, width + size, step):
            row = int(rng.integers(0, gray.shape[0] - size + 1))
            column = int(rng.integers(0, gray.shape[1] - size + 1))
            patch = gray[row : row + size, column : column + size]
            if rng.random() < 0.5:
                patch = patch[:, ::-1]
            total[top : top + size, left : left + size] += window * patch
            weight[top : top + size, left : left + size] += window**2
    laid = total / np.sqrt(np.maximum(weight, 1e-6))
    return laid[size : size + height, size : size + width].astype(np.float32)


def tint(base: Colour, *layers: tuple[Array, Colour]) -> Array:
    """An albedo: ``base`` times the exponential of weighted noises, kept within [0.01, 0.92]."""
    exponent = np.zeros((*layers[0][0].shape, 3), np.float32)
    for noise, weight in layers:
        exponent += noise[..., None] * np.asarray(weight, np.float32)
    albedo: Array = np.clip(np.asarray(base, np.float32) * np.exp(exponent), 0.01, 0.92)
    return albedo


def brickwork(
    rng: np.random.Generator,
    height: int,
    width: int,
    brick: tuple[float, float],
    base: Colour,
    mortar: Colour,
) -> tuple[Array, Array]:
    """A running-bond brick wall: (albedo, relief); ``brick`` is (height, length) in texels with its joint."""
    tall, long = brick
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x = x + 0.35 * fractal(rng, height, width, long * 2, 3)
    y = y + 0.25 * fractal(rng, height, width, tall * 6, 3)
    row = np.floor(y / tall).astype(int)
    column_place = x / long + 0.5 * (row % 2)
    column = np.floor(column_place).astype(int)
    rows, columns = row.max() - row.min() + 1, column.max() - column.min() + 1
    shade = rng.standard_normal((rows, columns, 2)).astype(np.float32)[row - row.min(), column - column.min()]
    from_joint = np.minimum(
        np.minimum(y % tall, tall - y % tall),
        np.minimum((column_place % 1) * long, (1 - column_place % 1) * long),
    )
    joint = np.clip(1.25 - from_joint / max(0.09 * tall, 0.55), 0, 1)[..., None]
    stain = fractal(rng, height, width, tall * 14, 6)
    pores = fractal(rng, height, width, max(tall * 0.6, 2), 3)
    face = tint(
        base,
        (shade[..., 0], (0.22, 0.24, 0.26)),
        (shade[..., 1], (0.05, -0.04, -0.06)),
        (stain, (0.16, 0.17, 0.18)),
        (pores, (0.13, 0.13, 0.13)),
    )
    grout = tint(mortar, (stain, (0.15, 0.15, 0.15)), (pores, (0.1, 0.1, 0.1)))
    relief = (1 - joint[..., 0]) * 0.45 + 0.10 * pores + 0.12 * shade[..., 0]
    return (face * (1 - joint) + grout * joint).astype(np.float32), relief.astype(np.float32)


def plaster(rng: np.random.Generator, height: int, width: int, base: Colour, size: float) -> tuple[Array, Array]:
    """Old rendered wall with stains running down: (albedo, relief)."""
    blotch = fractal(rng, height, width, size, 6)
    runs = fractal(rng, height, width, size / 6, 4, stretch=8.0)
    fine = fractal(rng, height, width, size / 14, 4)
    albedo = tint(base, (blotch, (0.10, 0.12, 0.15)), (runs, (0.07, 0.08, 0.09)), (fine, (0.06, 0.06, 0.06)))
    return albedo, (0.35 * fine + 0.2 * blotch).astype(np.float32)


def planks(rng: np.random.Generator, height: int, width: int, board: float, base: Colour) -> tuple[Array, Array]:
    """Upright wooden boards ``board`` texels wide: (albedo, relief)."""
    _y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    index = np.floor(x / board).astype(int)
    shade = rng.standard_normal(index.max() + 1).astype(np.float32)[index]
    shift = rng.uniform(0, 900, index.max() + 1).astype(np.float32)[index]
    rings = fractal(rng, height, width, board * 0.45, 4, stretch=14.0)
    grain = np.sin(rings * 3.0 + x * (9.0 / board) + shift)
    gap = np.clip(1.2 - np.minimum(x % board, board - x % board) / max(0.05 * board, 0.6), 0, 1)
    albedo = tint(base, (shade, (0.2, 0.21, 0.23)), (grain, (0.10, 0.12, 0.14)), (rings, (0.12, 0.13, 0.14)))
    albedo = albedo * (1 - 0.85 * gap[..., None])
    return albedo.astype(np.float32), (0.15 * grain - 1.2 * gap).astype(np.float32)


def sky(
    rng: np.random.Generator,
    height: int,
    width: int,
    zenith: Colour,
    horizon: Colour,
    cloud: Colour,
    cover: float,
) -> Array:
    """Radiance of a sky with side-lit clouds, ``h w 3``; ``cover`` from 0 (clear) to 1 (overcast)."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    clear = np.asarray(zenith, np.float32) * (1 - y) ** 1.4 + np.asarray(horizon, np.float32) * (1 - (1 - y) ** 1.4)
    field = fractal(rng, height * 2, width, width / 4, 7)[::2]
    density = 1 / (1 + np.exp(-(field + 2.4 * (cover - 0.55)) * 2.6))
    lit = np.clip(
        0.78 + 0.5 * (field - np.roll(field, (max(height // 40, 1), max(width // 60, 1)), (0, 1))), 0.45, 1.25
    )
    clouds = np.asarray(cloud, np.float32) * lit[..., None]
    mixed: Array = (clear * (1 - density[..., None]) + clouds * density[..., None]).astype(np.float32)
    return mixed


def prefilter_rows(paint: Array, footprint: Array) -> Array:
    """Blur each row of a foreshortened texture to its footprint (texels per pixel), so it does not shimmer.

    ``footprint`` is ``h`` values; blur is fixed to the surface, so the truth stays exact.
    """
    wanted = np.clip(0.5 * (footprint - 1), 0, None)
    blurred = np.empty_like(paint)
    sigmas = [0.0, *(0.5 * 2.0**power for power in range(7))]
    place = np.interp(wanted, sigmas, np.arange(len(sigmas)))
    for level in range(len(sigmas)):
        rows = np.nonzero((place >= level) & (place < level + 1))[0]
        if not len(rows):
            continue
        margin = int(4 * sigmas[min(level + 1, len(sigmas) - 1)]) + 2
        top, bottom = max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin
        strip = paint[top:bottom]
        low, high = (_wide_blur(strip, sigmas[min(k, len(sigmas) - 1)])[rows - top] for k in (level, level + 1))
        part = (place[rows] - level).astype(np.float32)[:, None, None]
        blurred[rows] = low * (1 - part) + high * part
    return blurred


def _wide_blur(paint: Array, sigma: float) -> Array:
    """A Gaussian blur that works at reduced size when it is wide."""
    if sigma == 0:
        return paint
    if sigma < 3 or min(paint.shape[:2]) < 16:
        return cv2.GaussianBlur(paint, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    half = cv2.resize(paint, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    soft: Array = cv2.resize(_wide_blur(half, sigma / 2), paint.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return soft


def defocus(paint: Array, sigma_texels: float) -> Array:
    """Throw a premultiplied ``h w 4`` paint out of focus by a fixed blur on its own surface."""
    if sigma_texels < 0.3:
        return paint
    radius = max(round(sigma_texels * 1.6), 1)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    soft: Array = cv2.filter2D(paint, -1, disc / disc.sum(), borderType=cv2.BORDER_CONSTANT)
    return soft
