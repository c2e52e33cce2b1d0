"""One limb of a performer: a flat piece with cloth, rounded normals and a soft edge, hung on a bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpositive.soundstage.lights import LightRig
from interpositive.soundstage.surfaces import Array, Matrix, plane_axes
from interpositive.soundstage.textures import Colour, fractal

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Piece:
    """One limb's cloth: albedo, normals and soft alpha, and the two joints (or fixed points) it hangs
    between.
    """

    name: str
    ends: tuple[str, str]
    overshoot: tuple[float, float]
    albedo: Array
    normal: Array
    alpha: Array
    start_texel: float
    length_texels: float
    gain: float
    texels_per_metre: float
    mirrors: bool = False

    def axes(self, joints: dict[str, Vector], z: float, facing: int) -> Matrix:
        """4x3 axes of this piece for a pose; the texture's y runs along the bone."""
        first, last = joints[self.ends[0]], joints[self.ends[1]]
        bone = last - first
        first, last = first - bone * self.overshoot[0], last + bone * self.overshoot[1]
        along = (last - first) / self.length_texels
        length = max(float(np.linalg.norm(last - first)), 1e-6)
        across = np.array([along[1], -along[0]]) / (length / self.length_texels) / self.texels_per_metre
        across = across * (-facing if self.mirrors else 1)
        centre = (self.alpha.shape[1] - 1) / 2
        origin = first - along * self.start_texel - across * centre
        return plane_axes((*origin, z), (*across, 0.0), (*along, 0.0))

    def lit(self, axes: Matrix, rig: LightRig, level: float) -> Array:
        """Premultiplied ``h w 4`` radiance under the rig, for the pose that gave ``axes``."""
        across, along = (axes[:3, index] / np.linalg.norm(axes[:3, index]) for index in (0, 1))
        light = np.broadcast_to(np.asarray(rig.ambient, np.float32), self.albedo.shape).copy()
        light *= (0.62 - 0.38 * self.normal[..., 1:2] * np.float32(np.sign(along[1]) or 1)).clip(0.3, 1)
        for index, lamp in enumerate(rig.lamps):
            towards = lamp.direction
            facts = np.array([towards @ across, towards @ along, -towards[2]], np.float32)
            cosine = np.maximum(self.normal @ facts, 0)
            light += cosine[..., None] * (lamp.radiance * np.float32(level if index == 0 else 1.0))
        radiance = self.albedo * light * np.float32(self.gain)
        return np.concatenate([radiance, np.ones_like(self.alpha)[..., None]], -1) * self.alpha[..., None]


def cut_piece(
    rng: np.random.Generator,
    name: str,
    ends: tuple[str, str],
    metres: float,
    radii: tuple[float, float],
    colour: Colour,
    density: float,
    *,
    overshoot: tuple[float, float] = (0.0, 0.0),
    gain: float = 1.0,
    folds: float = 1.0,
    flat: float = 0.0,
    pattern: float = 0.0,
    edge: float = 1.3,
) -> Piece:
    """Sew a tapered, rounded piece: ``radii`` at both ends and ``metres`` of bone, ``density`` texels per
    metre.

    ``folds`` is the strength of creases, ``flat`` flattens the round (1 for a board), ``pattern`` weaves
    stripes, ``edge`` is the width of the soft edge in texels (wider when out of focus).
    """
    length = metres * density
    first, last = radii[0] * density, radii[1] * density
    pad = 2.0 + edge
    half = int(np.ceil(max(first, last) + pad))
    height = int(np.ceil(length + first + last + 2 * pad))
    start = first + pad
    y, x = np.mgrid[0:height, 0 : 2 * half + 1].astype(np.float32)
    x, along = x - half, y - np.float32(start)
    part = np.clip(along / max(length, 1e-3), 0, 1)
    radius = first + (last - first) * part
    beyond = along - np.clip(along, 0, length)
    reach = np.hypot(x, beyond)
    alpha = np.clip(0.5 + (radius - reach) / edge, 0, 1).astype(np.float32)
    across = np.clip(x / radius, -1, 1) * (1 - flat)
    ending = np.clip(beyond / radius, -1, 1) * (1 - flat)
    crease = fractal(rng, height, 2 * half + 1, max(0.09 * density, 2), 4) * 0.24 * folds
    crease += 0.16 * folds * np.sin(part * 9 + 2.2 * x / max(half, 1) + rng.uniform(0, 6)).astype(np.float32)
    across = across + np.gradient(crease, axis=1) * 1.2
    ending = ending + np.gradient(crease, axis=0) * 1.2
    facing = np.sqrt(np.clip(1 - across**2 - ending**2, 0.02, 1))
    normal = np.stack([across, ending, facing], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    weave = fractal(rng, height, 2 * half + 1, max(0.05 * density, 2), 3)
    cloth = np.asarray(colour, np.float32) * np.exp(0.11 * weave + 0.18 * crease)[..., None]
    if pattern:
        lines = np.sin(2 * np.pi * along / (0.07 * density)) + np.sin(2 * np.pi * x / (0.06 * density))
        cloth *= np.exp(pattern * np.sign(lines) * np.minimum(np.abs(lines), 1))[..., None]
    return Piece(
        name,
        ends,
        overshoot,
        cloth.astype(np.float32),
        normal.astype(np.float32),
        alpha,
        float(start),
        float(length),
        gain,
        texels_per_metre=density,
    )
