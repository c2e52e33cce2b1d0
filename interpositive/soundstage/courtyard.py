"""Scene 12A: a brick courtyard in late sun, panned across."""

from __future__ import annotations

import numpy as np

from interpositive.soundstage.carpentry import Carpenter, box_mask, soft_step
from interpositive.soundstage.foliage import crown, leaves, treeline
from interpositive.soundstage.lights import Light, LightRig
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.textures import (
    brickwork,
    fractal,
    patchwork,
    photograph,
    planks,
    plaster,
    sky,
)

SUN = Light("sun", (-0.62, -0.52, -0.58), (1.0, 0.79, 0.52), 2.05)


COURTYARD_RIG = LightRig(
    (SUN, Light("sky fill", (0.5, -0.7, -0.5), (0.55, 0.72, 1.0), 0.22)),
    ambient=(0.13, 0.17, 0.25),
    shadow_depth=0.72,
    haze=(0.75, 0.72, 0.70),
    haze_metres=170.0,
    name="courtyard",
)


def _flagstones(rng: np.random.Generator, height: int, width: int, dense: float) -> tuple[Array, Array]:
    albedo, relief = brickwork(
        rng, height, width, (0.42 * dense, 0.74 * dense), (0.36, 0.325, 0.28), (0.15, 0.135, 0.11)
    )
    grit = patchwork(rng, photograph("gravel.png"), height, width, zoom=dense / 600)
    return albedo * np.exp(0.14 * grit)[..., None], relief + 0.1 * grit


def courtyard(spec: StageSpec) -> Carpenter:
    """12A: brick house with shutters, garden wall and trees behind it, flagstones, potted shrubs, a lamp
    post.
    """
    stage = Carpenter(spec, "12A", COURTYARD_RIG, 0.98 * spec.width, 1.5, 8.0, 1.7)
    box = (-150.0, 150.0, -20.0, 105.0)
    height, width, _, _ = stage.grid(200.0, box)
    clouds = sky(stage.rng("sky"), height, width, (0.20, 0.36, 0.72), (0.74, 0.76, 0.78), (1.05, 0.97, 0.88), 0.48)
    stage.upright("sky", 200.0, box, clouds, radiance=clouds, sharp=True)
    box = (-48.0, 52.0, -1.0, 11.0)
    height, width, _, _ = stage.grid(60.0, box)
    stage.grown(
        "treeline",
        60.0,
        box,
        treeline(stage.rng("treeline"), height, width, (0.10, 0.13, 0.05), 10 * spec.scale),
    )
    box = (1.2, 9.4, 0.8, 8.4)
    height, width, _, _ = stage.grid(17.0, box)
    rng = stage.rng("plane tree")
    stage.grown("plane tree", 17.0, box, crown(rng, height, width, 3.1 * spec.scale, (0.13, 0.19, 0.045), 42))
    _garden_wall(stage)
    _house(stage)
    stage.floor("flagstones", 2.4, 12.05, -10.0, 11.0, _flagstones, shade=lambda x, z: _roof_shadow(x, 0 * x, z))
    for index, (x, z, tall) in enumerate(((-0.6, 11.4, 1.1), (-3.9, 11.2, 1.5), (4.3, 10.6, 1.2))):
        box = (x - tall * 0.55, x + tall * 0.55, 0.0, tall)
        height, width, _, y = stage.grid(z, box)
        rng = stage.rng("shrub", index)
        plant = crown(rng, height, width, 2.6 * spec.scale, (0.11, 0.16, 0.04), 16)
        pot = (np.abs(np.linspace(-1, 1, width))[None] < 0.42 + 0.2 * y / tall) & (y < 0.38)
        clay = np.array([0.34, 0.15, 0.08, 1.0], np.float32) * np.linspace(1.25, 0.55, width, dtype=np.float32)[
            None, :, None
        ] ** np.array([1, 1, 1, 0])
        plant = np.where(pot[..., None], clay, plant).astype(np.float32)
        stage.grown(f"shrub {index}", z, box, plant)
    _lamp_post(stage, 1.75, 6.4)
    box = (-3.4, -0.9, 1.35, 2.75)
    height, width, _, _ = stage.grid(3.0, box)
    branch = crown(stage.rng("branch"), height, width, 10.0 * spec.scale, (0.10, 0.15, 0.035), 9, 0.55, (-0.2, -1.0))
    stage.grown("near branch", 3.0, box, branch)
    return stage


def _roof_shadow(x: Array, y: Array, z: Array | float) -> Array:
    """The edge of a neighbouring roof's shadow, sliding down the house and over the floor."""
    return (0.10 + 0.90 * soft_step(x * 0.9 + 0.55 * y - 0.35 * (np.asarray(z) - 12.0) + 3.0, 0.0, 0.5)).astype(
        np.float32
    )


def _house(stage: Carpenter) -> None:
    z, box = 12.0, (-12.5, 3.4, -0.2, 7.6)
    height, width, x, y = stage.grid(z, box)
    rng, dense = stage.rng("house"), stage.density(z)
    albedo, relief = brickwork(
        rng, height, width, (0.115 * dense, 0.36 * dense), (0.31, 0.135, 0.085), (0.34, 0.30, 0.25)
    )
    render, bumps = plaster(rng, height, width, (0.50, 0.44, 0.35), 1.6 * dense)
    low = y < 0.95 + 0.06 * fractal(rng, height, width, dense, 4)
    albedo, relief = np.where(low[..., None], render, albedo), np.where(low, bumps, relief)
    level = _roof_shadow(x, y, z)
    emission = np.zeros_like(albedo)
    for left in (-10.6, -7.9, -5.2, -2.5, 0.6):
        for bottom, tall in ((1.5, 1.55), (4.5, 1.4)):
            if left == -2.5 and bottom < 2:
                continue
            surround = box_mask(x, y, left - 0.12, left + 1.17, bottom - 0.16, bottom + tall + 0.18)
            albedo[surround], relief[surround] = (0.55, 0.50, 0.42), 0.6
            glass = box_mask(x, y, left, left + 1.05, bottom, bottom + tall)
            bars = (
                (np.abs(x - left - 0.525) < 0.045)
                | (np.abs(y - bottom - tall * 0.6) < 0.04)
                | (np.abs(x - left) < 0.06)
                | (np.abs(x - left - 1.05) < 0.06)
            )
            albedo[glass] = (0.025, 0.03, 0.035)
            albedo[glass & bars] = (0.48, 0.47, 0.44)
            mirror = (0.10 + 0.22 * (y - bottom) / tall)[..., None] * np.array([0.6, 0.75, 1.0], np.float32)
            emission += np.where((glass & ~bars)[..., None], mirror * rng.uniform(0.4, 1.2), 0)
            level = level * np.where(glass & (y > bottom + tall - 0.13), 0.2, 1)
            for shutter in (left - 0.66, left + 1.16):
                leaf = box_mask(x, y, shutter, shutter + 0.55, bottom - 0.05, bottom + tall + 0.05)
                slats = 0.72 + 0.4 * (np.sin(y * 2 * np.pi / 0.11) > 0)
                albedo[leaf] = (np.array([0.06, 0.135, 0.13]) * slats[..., None])[leaf]
                edge = box_mask(x, y, shutter + 0.55, shutter + 0.63, bottom - 0.1, bottom + tall)
                level = level * np.where(edge, 0.45, 1)
    door = box_mask(x, y, -2.6, -1.35, 0.0, 2.5)
    boards, grooves = planks(rng, height, width, 0.21 * dense, (0.20, 0.085, 0.04))
    albedo[box_mask(x, y, -2.8, -1.15, 0.0, 2.72)] = (0.48, 0.44, 0.38)
    albedo[door], relief[door] = boards[door], grooves[door]
    ivy = np.zeros((height, width, 4), np.float32)
    for _ in range(26):
        t = rng.uniform(0, 1)
        centre = (rng.normal(2.3 - 1.5 * t, 0.45), rng.uniform(0.4, 6.8) * (1 - 0.35 * t))
        texel = ((centre[0] - box[0]) * dense, (box[3] - centre[1]) * dense)
        points = rng.normal(texel, dense * 0.42, (int(95 * stage.spec.scale), 2))
        leaves(rng, ivy, points, 2.5 * stage.spec.scale, (0.10, 0.155, 0.04))
    albedo = ivy[..., :3] + albedo * (1 - ivy[..., 3:])
    occlusion = (0.62 + 0.38 * np.clip(y / 0.55, 0, 1))[..., None]
    stage.upright(
        "house",
        z,
        box,
        (albedo * occlusion).astype(np.float32),
        relief=relief * 1.6,
        level=level,
        emission=emission,
    )


def _garden_wall(stage: Carpenter) -> None:
    z, box = 12.05, (3.0, 12.5, -0.2, 2.75)
    height, width, _x, y = stage.grid(z, box)
    rng, dense = stage.rng("garden wall"), stage.density(z)
    albedo, relief = plaster(rng, height, width, (0.56, 0.47, 0.34), 1.4 * dense)
    stones, joints = brickwork(rng, height, width, (0.3 * dense, 0.62 * dense), (0.33, 0.29, 0.23), (0.2, 0.18, 0.15))
    bare = fractal(rng, height, width, dense * 1.1, 5) + 1.5 * (0.9 - y) > 0.9
    albedo, relief = np.where(bare[..., None], stones, albedo), np.where(bare, joints, relief)
    coping = y > 2.55
    albedo[coping] = np.array([0.42, 0.36, 0.29]) * np.exp(0.1 * fractal(rng, height, width, 6, 3))[coping][:, None]
    level = np.where((y < 2.55) & (y > 2.44), 0.35, 1.0).astype(np.float32)
    occlusion = (0.6 + 0.4 * np.clip(y / 0.5, 0, 1))[..., None]
    stage.upright("garden wall", z, box, (albedo * occlusion).astype(np.float32), relief=relief * 1.4, level=level)


def _lamp_post(stage: Carpenter, x0: float, z: float) -> None:
    box = (x0 - 0.4, x0 + 0.4, 0.0, 3.25)
    _height, _width, x, y = stage.grid(z, box)
    from_axis = np.abs(x - x0)
    radius = 0.045 + 0.05 * (y < 0.5) + 0.03 * (np.abs(y - 1.9) < 0.05)
    dense = stage.density(z)
    alpha = np.clip((radius - from_axis) * dense + 0.5, 0, 1)
    lantern = (y > 2.55) & (y < 3.1) & (from_axis < 0.12 + 0.12 * (y - 2.55))
    roof = (y >= 3.05) & (from_axis < 0.26 * (3.25 - y) / 0.2)
    alpha = np.where(lantern | roof, 1.0, alpha * (y < 2.6)).astype(np.float32)
    shine = np.clip(1.3 - np.abs((x - x0) / radius + 0.4), 0.25, 1.2)
    albedo = (np.array([0.045, 0.05, 0.05]) * shine[..., None]).astype(np.float32)
    panes = lantern & (np.abs(from_axis - 0.09) > 0.02) & (y < 3.02)
    albedo[panes] = (0.42, 0.42, 0.38)
    stage.upright("lamp post", z, box, albedo, alpha)
