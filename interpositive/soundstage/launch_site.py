"""Scene 44C: a launch site at dusk, seen by a hand-held camera."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from interpositive.soundstage.carpentry import Carpenter, box_mask, soft_step
from interpositive.soundstage.foliage import SUB, treeline
from interpositive.soundstage.lights import Light, LightRig, Pool
from interpositive.soundstage.photo_sheets import photo_sheet
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.textures import fractal, patchwork, photograph, tint

DUSK_RIG = LightRig(
    (
        Light("floodlight", (-0.72, -0.42, 0.50), (1.0, 0.80, 0.50), 1.7),
        Light("dusk sky", (0.35, -0.75, -0.55), (0.34, 0.52, 1.0), 0.26),
        Light("pad glow", (0.65, -0.12, 0.70), (1.0, 0.58, 0.26), 0.9),
    ),
    ambient=(0.040, 0.055, 0.095),
    pools=(Pool(-1.8, 8.0, 2.6, 0.9), Pool(2.6, 10.5, 2.2, 0.5)),
    base_level=0.45,
    shadow_depth=0.75,
    haze=(0.030, 0.040, 0.075),
    haze_metres=240.0,
    name="launch site",
)


def _tarmac(rng: np.random.Generator, height: int, width: int, dense: float) -> tuple[Array, Array]:
    grit = patchwork(rng, photograph("gravel.png"), height, width, zoom=dense / 420)
    wear = fractal(rng, height, width, dense * 2.2, 6)
    albedo = tint((0.115, 0.115, 0.12), (grit, (0.34, 0.34, 0.34)), (wear, (0.22, 0.22, 0.22)))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(dense)
    line = (np.abs(x - 0.62 * y - width / dense * 0.30) < 0.06) & (fractal(rng, height, width, dense * 0.4, 4) > -0.8)
    albedo[line] = np.array([0.50, 0.42, 0.12]) * np.exp(0.15 * grit)[line][:, None]
    crack = np.abs(fractal(rng, height, width, dense * 2.5, 6)) < 0.02
    albedo[crack] *= 0.35
    return albedo, 0.3 * grit


def launch_site(spec: StageSpec) -> Carpenter:
    """44C: the pad glows far off; lit trailers, a floodlight mast, wet tarmac, a rail and a tripod close
    by.
    """
    stage = Carpenter(spec, "44C", DUSK_RIG, 0.98 * spec.width, 1.1, 7.5, 2.0)
    photo = photograph("rocket.jpg")
    night = np.where(photo > 0.6, photo * 2.4, photo * 1.15) * np.array([0.95, 1.0, 1.12], np.float32)
    full = np.ones(photo.shape[:2], np.float32)
    pixels = max(1.24 * spec.width, 1.30 * spec.height * 1.5)
    tall = pixels * photo.shape[0] / photo.shape[1]
    photo_sheet(
        stage,
        "launch pad",
        night.astype(np.float32),
        full,
        400.0,
        (0.0, -1.1 + (-0.47 * tall + 5 * spec.scale) * 400.0 / stage.focal_px),
        pixels,
    )
    box = (-60.0, 60.0, -0.5, 4.2)
    height, width, _, _ = stage.grid(70.0, box)
    stage.grown("scrub", 70.0, box, treeline(stage.rng("scrub"), height, width, (0.05, 0.06, 0.04), 7 * spec.scale))
    stage.floor("far tarmac", 18.0, 70.0, -55.0, 55.0, _tarmac, emission=_wet(stage, 0.5))
    _trailers(stage)
    _mast(stage)
    stage.floor("tarmac", 2.5, 18.5, -13.0, 13.0, _tarmac, emission=_wet(stage, 1.0))
    _cases(stage)
    _tripod(stage, 1.35, 4.4)
    _rail(stage)
    return stage


def _wet(stage: Carpenter, strength: float) -> Callable[[Array, Array], Array]:
    """Sky and lamps mirrored in damp ground, more in puddles."""

    def sheen(x: Array, z: Array) -> Array:
        puddle = soft_step(fractal(stage.rng("puddles"), x.shape[0], x.shape[1], x.shape[0] / 5, 6), 0.45, 0.5)
        sky = np.array([0.020, 0.035, 0.085], np.float32) * (0.5 + 2.0 * puddle[..., None])
        streak = np.zeros_like(x)
        for bearing, width in ((-0.235, 0.012), (-0.13, 0.008), (0.055, 0.02), (0.16, 0.009), (0.27, 0.011)):
            streak += np.exp(-(((x / z - bearing) / width) ** 2)) * (0.25 + puddle)
        warm = np.array([0.50, 0.28, 0.09], np.float32) * streak[..., None]
        return np.float32(strength) * (sky + 0.55 * warm * np.clip((z[..., None] - 3) / 15, 0, 1))

    return sheen


def _trailers(stage: Carpenter) -> None:
    for index, (left, z) in enumerate(((-11.5, 26.0), (3.6, 24.0))):
        box = (left, left + 8.0, 0.0, 3.0)
        height, width, x, y = stage.grid(z, box)
        body = box_mask(x, y, left, left + 8.0, 0.55, 2.9)
        ribs = 0.85 + 0.2 * np.sin(x * 2 * np.pi / 0.4)
        dirt = np.exp(0.12 * fractal(stage.rng("trailer", index), height, width, width / 6, 5))
        albedo = (np.array([0.36, 0.37, 0.38]) * (ribs * dirt)[..., None]).astype(np.float32)
        emission = np.zeros_like(albedo)
        for place in (0.8, 2.4, 4.7, 6.3):
            window = box_mask(x, y, left + place, left + place + 0.95, 1.55, 2.35)
            warm = np.array([1.5, 1.0, 0.48] if (index + int(place)) % 3 else [0.55, 0.75, 1.0], np.float32)
            blind = 0.55 + 0.45 * (np.sin(y * 2 * np.pi / 0.16) > -0.2) * np.clip((y - 1.4), 0.3, 1)
            emission += np.where(window[..., None], warm * blind[..., None], 0)
        wheels = sum(((x - left - c) ** 2 + (y - 0.42) ** 2 < 0.17).astype(int) for c in (1.6, 2.5, 6.2)) > 0
        albedo[wheels | (y < 0.6)] = 0.012
        alpha = (body | wheels | box_mask(x, y, left + 0.3, left + 7.7, 0.4, 0.6)).astype(np.float32)
        stage.upright(f"trailer {index}", z, box, albedo, alpha, emission=emission)


def _mast(stage: Carpenter) -> None:
    z, box = 20.0, (-5.4, -2.6, 0.0, 7.2)
    height, width, x, y = stage.grid(z, box)
    dense = stage.density(z)
    alpha = np.zeros((height, width), np.float32)

    def beam(x0: float, y0: float, x1: float, y1: float, thick: float) -> None:
        ends = [
            tuple(int(v) for v in (round((px - box[0]) * dense * SUB), round((box[3] - py) * dense * SUB)))
            for px, py in ((x0, y0), (x1, y1))
        ]
        cv2.line(alpha, ends[0], ends[1], 1.0, max(round(thick * dense), 1), cv2.LINE_AA, 3)

    for side in (-1, 1):
        beam(-4.0 + side * 0.32, 0, -4.0 + side * 0.14, 5.6, 0.13)
    for step in range(12):
        low, high = 0.46 * step, 0.46 * (step + 1)
        sign = 1 if step % 2 else -1
        beam(-4.0 - sign * (0.32 - 0.033 * low), low, -4.0 + sign * (0.32 - 0.033 * high), high, 0.075)
    emission = np.zeros((height, width, 3), np.float32)
    for column in (-0.62, -0.2, 0.22, 0.64):
        for row in (5.75, 6.2):
            lamp = ((x + 4.0 - column) ** 2 + (y - row) ** 2) < 0.19**2
            alpha[lamp] = 1
            emission[lamp] = (9.0, 7.4, 4.8)
    stage.upright("floodlight mast", z, box, np.full((height, width, 3), 0.42, np.float32), alpha, emission=emission)


def _cases(stage: Carpenter) -> None:
    for index, (left, z, wide, tall) in enumerate(
        ((-3.1, 9.2, 1.1, 0.62), (-2.75, 9.1, 0.6, 1.02), (3.2, 8.9, 0.9, 0.75))
    ):
        box = (left, left + wide, 0.0, tall)
        height, width, x, y = stage.grid(z, box)
        panel = tint(
            (0.05, 0.055, 0.065),
            (fractal(stage.rng("case", index), height, width, width / 3, 4), (0.2, 0.2, 0.2)),
        )
        edge = (
            (np.minimum(x - left, left + wide - x) < 0.035)
            | (np.minimum(y, tall - y) < 0.04)
            | (np.abs(y - tall * 0.68) < 0.015)
        )
        panel[edge] = (0.40, 0.40, 0.41)
        stage.upright(f"case {index}", z, box, panel, np.ones((height, width), np.float32))


def _tripod(stage: Carpenter, x0: float, z: float) -> None:
    box = (x0 - 0.7, x0 + 0.7, 0.0, 1.75)
    height, width, x, y = stage.grid(z, box)
    dense = stage.density(z)
    alpha = np.zeros((height, width), np.float32)
    for foot in (-0.5, 0.04, 0.52):
        ends = [
            (round((x0 + px - box[0]) * dense * SUB), round((box[3] - py) * dense * SUB))
            for px, py in ((0, 1.22), (foot, 0.0))
        ]
        cv2.line(alpha, ends[0], ends[1], 1.0, max(round(0.042 * dense), 1), cv2.LINE_AA, 3)
    body = box_mask(x, y, x0 - 0.17, x0 + 0.15, 1.24, 1.50) | box_mask(x, y, x0 - 0.06, x0 + 0.1, 1.5, 1.58)
    lens = box_mask(x, y, x0 - 0.34, x0 - 0.17, 1.29, 1.45)
    alpha[body | lens] = 1
    albedo = np.full((height, width, 3), 0.035, np.float32)
    albedo[np.abs(x - x0 - 0.02) < 0.012] = 0.11
    emission = np.zeros_like(albedo)
    emission[((x - x0 - 0.10) ** 2 + (y - 1.45) ** 2) < 0.012**2] = (1.6, 0.06, 0.04)
    stage.upright("tripod", z, box, albedo, alpha, emission=emission)


def _rail(stage: Carpenter) -> None:
    z, box = 3.1, (-3.4, 3.4, 0.0, 1.0)
    _height, _width, x, y = stage.grid(z, box)
    bars = (
        (np.abs(y - 0.93) < 0.026)
        | (np.abs(y - 0.62) < 0.018)
        | ((np.abs((x + 40.55) % 1.7 - 0.85) < 0.025) & (y < 0.93))
    )
    shine = 0.05 + 0.22 * soft_step(y, 0.94, 0.02) * (y < 0.97)
    albedo = np.repeat(shine[..., None], 3, -1).astype(np.float32)
    stage.upright("rail", z, box, albedo, bars.astype(np.float32))
