"""How sets are built: walls, floors and cut-outs placed in the world, painted, lit, hazed and focused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from interpositive.soundstage.lights import LightRig
from interpositive.soundstage.spec import StageSpec, stream
from interpositive.soundstage.surfaces import Array, Surface, plane_axes
from interpositive.soundstage.textures import defocus, prefilter_rows

TEXELS_PER_PIXEL = 1.25


@dataclass
class Carpenter:
    """Builds one set, back to front, under one rig.

    ``focal_px`` and ``eye_metres`` are the nominal lens and lens height, ``focus_metres`` the distance
    that is sharp and ``aperture`` the blur (pixels at 384 wide) of something infinitely far.
    """

    spec: StageSpec
    scene: str
    rig: LightRig
    focal_px: float
    eye_metres: float
    focus_metres: float
    aperture: float
    surfaces: list[Surface] = field(default_factory=list)

    def rng(self, *keys: object) -> np.random.Generator:
        """A random stream for one piece of this set; all takes of a scene share it."""
        return stream(self.spec.seed, self.scene, *keys)

    def density(self, z: float) -> float:
        """Texels per metre for a surface ``z`` metres away."""
        return TEXELS_PER_PIXEL * self.focal_px / z

    def blur_texels(self, z: float) -> float:
        """Defocus of a surface at ``z``, in its own texels (thin lens, circle of confusion)."""
        return self.aperture * self.spec.scale * abs(1 - self.focus_metres / z) * TEXELS_PER_PIXEL

    def grid(self, z: float, box: tuple[float, float, float, float]) -> tuple[int, int, Array, Array]:
        """Texture size and the world x and height above floor (``h w`` metres) of an upright box.

        ``box`` is (left, right, bottom, top) in metres.
        """
        left, right, bottom, top = box
        dense = self.density(z)
        height, width = max(round((top - bottom) * dense), 4), max(round((right - left) * dense), 4)
        row, column = np.mgrid[0:height, 0:width].astype(np.float32)
        return height, width, left + column / np.float32(dense), top - row / np.float32(dense)

    def upright(
        self,
        name: str,
        z: float,
        box: tuple[float, float, float, float],
        albedo: Array,
        alpha: Array | None = None,
        relief: Array | None = None,
        level: Array | float = 1.0,
        emission: Array | None = None,
        radiance: Array | None = None,
        catches_shadow: bool = False,
        sharp: bool = False,
    ) -> None:
        """Hang a cut-out that faces the camera. ``albedo`` may be premultiplied only where ``alpha`` is 0
        or 1.

        ``radiance`` skips the rig (photographs, skies); ``emission`` adds lamps and lit windows.
        """
        dense = self.density(z)
        u, v = (1 / dense, 0.0, 0.0), (0.0, 1 / dense, 0.0)
        bumps = np.zeros(albedo.shape[:2], np.float32) if relief is None else relief
        light = self.rig.bake(albedo, bumps, u, v, level) if radiance is None else radiance
        if emission is not None:
            light = light + emission
        light = self.rig.veil(light, z)
        cover = np.ones(albedo.shape[:2], np.float32) if alpha is None else np.clip(alpha, 0, 1)
        paint = np.concatenate([light * cover[..., None], cover[..., None]], -1).astype(np.float32)
        blur = 0.0 if sharp else self.blur_texels(z)
        if blur >= 0.3:
            paint = self._soft(paint, blur, edge=alpha is not None)
        self.surfaces.append(Surface(name, paint, plane_axes((box[0], -box[3], z), u, v), catches_shadow))

    def grown(
        self,
        name: str,
        z: float,
        box: tuple[float, float, float, float],
        plant: Array,
        level: Array | float = 1.0,
    ) -> None:
        """Hang a premultiplied plant from :mod:`foliage`, lit as a rough surface."""
        cover = plant[..., 3]
        albedo = plant[..., :3] / np.maximum(cover, 1e-3)[..., None]
        self.upright(name, z, box, albedo.astype(np.float32), cover, level=level)

    def floor(
        self,
        name: str,
        near: float,
        far: float,
        left: float,
        right: float,
        painter: Callable[[np.random.Generator, int, int, float], tuple[Array, Array]],
        shade: Callable[[Array, Array], Array | float] | None = None,
        emission: Callable[[Array, Array], Array] | None = None,
    ) -> None:
        """Lay ground between two distances. ``painter(rng, height, width, texels_per_metre)`` gives
        (albedo, relief); ``shade(x, z)`` scales the key and ``emission(x, z)`` adds light, both on metre
        grids."""
        middle = float(np.sqrt(near * far))
        dense = self.density(middle)
        height, width = int((far - near) * dense), int((right - left) * dense)
        albedo, relief = painter(self.rng(name), height, width, dense)
        row, column = np.mgrid[0:height, 0:width].astype(np.float32)
        x, z = left + column / np.float32(dense), far - row / np.float32(dense)
        level = self.rig.level(x, z)
        if shade is not None:
            level = level * shade(x, z)
        u, v = (1 / dense, 0.0, 0.0), (0.0, 0.0, -1 / dense)
        light = self.rig.bake(albedo, relief, u, v, level)
        if emission is not None:
            light = light + emission(x, z)
        light = self.rig.veil(light, z)
        depth = z[:, 0]
        across = dense / (self.focal_px / depth)
        away = dense / (self.focal_px * self.eye_metres / depth**2)
        opaque = np.concatenate([light, np.ones((height, width, 1), np.float32)], -1)
        footprint = np.maximum(np.sqrt(across * np.minimum(away, 6 * across)), 1)
        blurred = self.aperture * self.spec.scale * np.abs(1 - self.focus_metres / depth) * across
        paint = prefilter_rows(opaque, np.hypot(footprint, 1.2 * blurred).astype(np.float32))
        self.surfaces.append(Surface(name, paint, plane_axes((left, 0.0, far), u, v), catches_shadow=True))

    def _soft(self, paint: Array, blur: float, edge: bool) -> Array:
        if edge:
            return defocus(paint, blur)
        border = int(np.ceil(blur * 1.6)) + 1
        wide = cv2.copyMakeBorder(paint, border, border, border, border, cv2.BORDER_REPLICATE)
        return np.ascontiguousarray(defocus(wide, blur)[border:-border, border:-border])


def box_mask(x: Array, y: Array, left: float, right: float, low: float, high: float) -> npt.NDArray[np.bool_]:
    """Where metre grids lie inside a rectangle."""
    return (x >= left) & (x < right) & (y >= low) & (y < high)


def soft_step(values: Array, edge: float, width: float) -> Array:
    """0 below ``edge``, 1 above, over ``width``."""
    part = np.clip((values - edge) / width + 0.5, 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)
