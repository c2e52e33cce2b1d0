"""Scene 31B: a beech wood against a low sun, seen from a dolly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from interpositive.soundstage.carpentry import Carpenter, soft_step
from interpositive.soundstage.foliage import blades, crown, hedge, treeline, trunk
from interpositive.soundstage.grounds import grass_ground
from interpositive.soundstage.lights import Light, LightRig, Pool
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.textures import (
    fractal,
    sky,
)

WOOD_RIG = LightRig(
    (
        Light("low sun", (0.55, -0.62, 0.56), (1.0, 0.80, 0.50), 3.3),
        Light("open sky", (-0.4, -0.8, -0.45), (0.66, 0.80, 1.0), 0.55),
    ),
    ambient=(0.16, 0.20, 0.20),
    pools=(Pool(-1.2, 7.5, 1.6, 0.7), Pool(3.2, 8.5, 1.8, 0.8), Pool(0.5, 13.0, 3.0, 0.9)),
    base_level=0.35,
    shadow_depth=0.6,
    haze=(0.74, 0.68, 0.48),
    haze_metres=62.0,
    name="wood",
)


def wood(spec: StageSpec) -> Carpenter:
    """31B: a beech wood against a low sun, haze between the trunks, lawn with a path, ferns close to the
    lens.
    """
    stage = Carpenter(spec, "31B", WOOD_RIG, 1.02 * spec.width, 1.45, 7.5, 2.2)
    box = (-75.0, 75.0, -12.0, 50.0)
    height, width, _, _ = stage.grid(95.0, box)
    glare = sky(stage.rng("sky"), height, width, (0.70, 0.76, 0.76), (1.7, 1.45, 0.95), (1.5, 1.36, 1.1), 0.5)
    stage.upright("sky", 95.0, box, glare, radiance=glare, sharp=True)
    for index, (z, base, top, size) in enumerate(
        ((52.0, (0.10, 0.125, 0.045), 15.0, 9.0), (30.0, (0.07, 0.10, 0.03), 8.6, 8.0))
    ):
        box = (-36.0, 36.0, -0.3, top)
        height, width, _, _ = stage.grid(z, box)
        stage.grown(
            f"far wood {index}",
            z,
            box,
            treeline(stage.rng("far", index), height, width, base, size * spec.scale),
        )
    rng = stage.rng("trunk places")
    stage.floor("lawn", 2.2, 30.0, -13.0, 13.0, grass_ground, shade=_dapple(stage))
    distances = (22.0, 19.5, 17.0, 14.5, 12.5, 11.0, 9.6)
    for index, z in enumerate(distances):
        for number in range(2 if z > 12 else 1):
            x = float(rng.uniform(-0.62, 0.62) * z) + (0.8 if number else 0.0)
            thick = float(rng.uniform(0.24, 0.46))
            box = (x - 1.5, x + 1.5, 0.0, 0.55 * z + 1.2)
            height, width, _, _ = stage.grid(z, box)
            plant = trunk(
                stage.rng("trunk", index, number),
                height,
                width,
                thick * stage.density(z),
                (0.16, 0.13, 0.095),
                float(rng.normal(0, 0.03)),
            )
            stage.grown(f"trunk {index}{'ab'[number]}", z, box, plant, level=0.5)
        if index % 2 == 0:
            x = float(rng.uniform(-0.5, 0.5) * z)
            box = (x - 2.6, x + 2.6, 0.20 * z, 0.55 * z + 1.0)
            height, width, _, _ = stage.grid(z, box)
            foliage = crown(
                stage.rng("crown", index),
                height,
                width,
                3.2 * spec.scale,
                (0.16, 0.21, 0.04),
                22,
                0.5,
                (0.5, -0.8),
            )
            stage.grown(f"crown {index}", z, box, foliage)
    for side, box in (("left", (-9.0, -2.6, 0.0, 1.25)), ("right", (2.9, 9.5, 0.0, 1.05))):
        height, width, _, _ = stage.grid(8.4, box)
        bank = hedge(stage.rng("bank", side), height, width, 3.2 * spec.scale, (0.075, 0.12, 0.028))
        stage.grown(f"fern bank {side}", 8.4, box, bank)
    box = (0.55, 3.25, 0.0, 3.6)
    height, width, _, _ = stage.grid(4.6, box)
    near = trunk(stage.rng("near trunk"), height, width, 0.44 * stage.density(4.6), (0.13, 0.10, 0.075), 0.02)
    stage.grown("near trunk", 4.6, box, near, level=0.35)
    box = (-3.4, 4.2, 0.10, 0.98)
    height, width, _, _ = stage.grid(2.5, box)
    grass = blades(stage.rng("near grass"), height, width, 210, (0.10, 0.14, 0.035), 4.2 * spec.scale)
    stage.grown("near grass", 2.5, box, grass, level=0.8)
    return stage


def _dapple(stage: Carpenter) -> Callable[[Array, Array], Array]:
    """Patches of sun between the shadows of leaves and trunks."""

    def shade(x: Array, z: Array) -> Array:
        spots = fractal(stage.rng("dapple"), x.shape[0], x.shape[1], stage.density(8.0) * 1.1, 4)
        bars = fractal(stage.rng("shadow bars"), x.shape[0], x.shape[1], stage.density(8.0) * 2.6, 3, stretch=3.0)
        return (0.25 + 1.1 * soft_step(spots + bars, 0.25, 0.7)).astype(np.float32)

    return shade
