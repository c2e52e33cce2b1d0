"""The light rig: key, fill and ambient, with the pools they throw on the set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from interpositive.soundstage.surfaces import Array

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """A distant lamp: unit ``towards`` points from the set to the lamp (y down); ``colour`` times
    ``intensity`` is the scene-linear radiance a white wall facing it would show."""

    name: str
    towards: Vector
    colour: Vector
    intensity: float

    @property
    def direction(self) -> npt.NDArray[np.float64]:
        """``towards`` made unit length."""
        vector = np.asarray(self.towards, np.float64)
        return vector / np.linalg.norm(vector)

    @property
    def radiance(self) -> Array:
        """Colour times intensity, 3 values."""
        return np.asarray(self.colour, np.float32) * np.float32(self.intensity)


@dataclass(frozen=True)
class Pool:
    """A round patch of brighter (or darker) key light on the floor plan, Gaussian in x and z (metres)."""

    x: float
    z: float
    radius: float
    gain: float


@dataclass(frozen=True)
class LightRig:
    """All lamps of one scene; ``lamps[0]`` is the key and casts the performers' shadows.

    ``haze`` is the radiance of the air and ``haze_metres`` the distance at which it hides 63 %.
    """

    lamps: tuple[Light, ...]
    ambient: Vector
    pools: tuple[Pool, ...] = ()
    base_level: float = 1.0
    shadow_depth: float = 0.8
    haze: Vector = (0.0, 0.0, 0.0)
    haze_metres: float = 1e6
    name: str = field(default="")

    def level(self, x: Any, z: Any) -> Any:
        """How much of the key reaches floor-plan positions ``x``, ``z`` (arrays or scalars)."""
        total = np.full(np.broadcast(x, z).shape, self.base_level, np.float32)
        for pool in self.pools:
            distance = ((x - pool.x) ** 2 + (z - pool.z) ** 2) / (2 * pool.radius**2)
            total = total + np.float32(pool.gain) * np.exp(-distance).astype(np.float32)
        return np.maximum(total, 0)

    def bake(self, albedo: Array, relief: Array, u: npt.ArrayLike, v: npt.ArrayLike, level: Array | float) -> Array:
        """Radiance of a static surface under this rig (Lambert's cosine law), ``h w 3``.

        ``relief`` is its height in texels, ``u`` and ``v`` the world directions of texture x and y; the
        outward normal is chosen to face the camera side (``-z``) or up. ``level`` scales the key per texel.
        """
        u_axis, v_axis = (np.asarray(axis, np.float64) / np.linalg.norm(axis) for axis in (u, v))
        normal = np.cross(u_axis, v_axis)
        if normal @ np.array([0.0, -1.0, -1.0]) < 0:
            normal = -normal
        slope_y, slope_x = np.gradient(relief)
        length = np.sqrt(1 + slope_x**2 + slope_y**2)
        light = np.broadcast_to(np.asarray(self.ambient, np.float32), albedo.shape).copy()
        for index, lamp in enumerate(self.lamps):
            towards = lamp.direction
            cosine = towards @ normal - slope_x * (towards @ u_axis) - slope_y * (towards @ v_axis)
            cosine = np.maximum(cosine / length, 0).astype(np.float32)
            if index == 0:
                cosine = cosine * level
            light += cosine[..., None] * lamp.radiance
        lit: Array = (albedo * light).astype(np.float32)
        return lit

    def veil(self, radiance: Array, distance: Array | float) -> Array:
        """Radiance seen through the haze from ``distance`` metres."""
        clear = np.exp(-np.asarray(distance, np.float32) / np.float32(self.haze_metres))
        clear = clear[..., None] if clear.ndim else clear
        seen: Array = radiance * clear + np.asarray(self.haze, np.float32) * (1 - clear)
        return seen.astype(np.float32)

    def describe(self) -> dict[str, object]:
        """The rig as plain values for ``stage.json``."""
        return {
            "lamps": [
                {
                    "name": lamp.name,
                    "towards": [float(value) for value in lamp.direction],
                    "colour": list(lamp.colour),
                    "intensity": lamp.intensity,
                }
                for lamp in self.lamps
            ],
            "ambient": list(self.ambient),
            "pools": [[pool.x, pool.z, pool.radius, pool.gain] for pool in self.pools],
            "shadow_depth": self.shadow_depth,
        }
