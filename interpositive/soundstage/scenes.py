"""What each scene stages: its set and lights, shared by all takes, and each take's camera and performance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from interpositive.errors import ConfigError
from interpositive.soundstage.cameras import Camera
from interpositive.soundstage.carpentry import Carpenter
from interpositive.soundstage.courtyard import courtyard
from interpositive.soundstage.garage import garage
from interpositive.soundstage.launch_site import launch_site
from interpositive.soundstage.lights import LightRig, Vector
from interpositive.soundstage.performers import Gesture, Performer
from interpositive.soundstage.spec import SCENE_NAMES, SceneName, StageSpec, stream
from interpositive.soundstage.surfaces import Surface
from interpositive.soundstage.wood import wood


@dataclass(frozen=True)
class StagedTake:
    """All that is staged for one take; ``exposure`` scales the light, ``duration`` is in seconds."""

    scene: SceneName
    take: int
    surfaces: tuple[Surface, ...]
    rig: LightRig
    camera: Camera
    performers: tuple[Performer, ...]
    exposure: float
    duration: float


SETS: dict[SceneName, Callable[[StageSpec], Carpenter]] = {
    "12A": courtyard,
    "27": garage,
    "31B": wood,
    "44C": launch_site,
}
CAMERA_MOVES: dict[SceneName, str] = {"12A": "pan", "27": "locked off", "31B": "dolly", "44C": "hand-held"}


@lru_cache(maxsize=4)
def _built(spec_of_set: StageSpec, scene: SceneName) -> Carpenter:
    return SETS[scene](spec_of_set)


def build_set(spec: StageSpec, scene: SceneName, take: int = 1) -> Carpenter:
    """The set of one scene that a take is shot on; kept for all takes that share it. Only its seed and the frame size
    matter to it."""
    return _built(StageSpec(seed=spec.set_seed(take), width=spec.width, height=spec.height), scene)


def stage_take(spec: StageSpec, scene: SceneName, take: int) -> StagedTake:
    """Set, lights, camera and performance of one take (counted from 1).

    Raises ``ConfigError`` for a scene the soundstage does not have or a take below 1.
    """
    if scene not in SCENE_NAMES or take < 1:
        raise ConfigError(
            "the soundstage has no such take",
            found=f"scene {scene!r}, take {take}",
            expected=f"a scene among {', '.join(SCENE_NAMES)} and a take from 1",
        )
    built = build_set(spec, scene, take)
    rng = stream(spec.seed, scene, "take", take)
    duration = float(spec.num_frames / spec.rate)
    return StagedTake(
        scene,
        take,
        tuple(built.surfaces),
        built.rig,
        _camera(spec, built, scene, take, duration, rng),
        _performance(scene, take, duration, rng, f"{spec.seed}/{scene}/{take}"),
        float(2 ** rng.uniform(-0.12, 0.12)),
        duration,
    )


def _camera(
    spec: StageSpec, built: Carpenter, scene: SceneName, take: int, duration: float, rng: np.random.Generator
) -> Camera:
    """The scene's move, timed differently in each take; takes alternate its direction."""
    eye, seconds = built.eye_metres, max(duration, 2.0)
    start = float(rng.uniform(-0.3, 0.2))
    end = seconds + float(rng.uniform(0.0, 0.4))
    middle = (0.0, -eye, 0.0)
    positions: dict[SceneName, tuple[Vector, Vector]] = {
        "12A": (middle, middle),
        "27": (middle, middle),
        "31B": ((-0.75, -eye, 0.0), (0.75, -eye, 0.35 + float(rng.uniform(-0.1, 0.1)))),
        "44C": (middle, (0.10, -eye, 0.15)),
    }
    aims: dict[SceneName, tuple[tuple[float, float], tuple[float, float]]] = {
        "12A": ((-7.5, 0.6), (4.5 + float(rng.uniform(-1, 1)), 1.6)),
        "27": ((0.0, 0.0), (0.0, 0.0)),
        "31B": ((1.2, 0.4), (-1.4, 0.4)),
        "44C": ((0.6, 6.2), (-0.8, 6.6)),
    }
    first, last = (0, 1) if take % 2 else (1, 0)
    return Camera(
        spec.width,
        spec.height,
        built.focal_px,
        positions[scene][first],
        positions[scene][last],
        aims[scene][first],
        aims[scene][last],
        start,
        end,
        shake=1.0 if scene == "44C" else 0.0,
        shake_seed=f"{spec.seed}/{scene}/{take}",
    )


def _performance(
    scene: SceneName, take: int, duration: float, rng: np.random.Generator, seed: str
) -> tuple[Performer, ...]:
    """Who walks where: blocking in seconds and metres, mirrored on even takes, with fresh timing in each."""
    way = 1.0 if take % 2 else -1.0
    late = float(rng.uniform(-0.25, 0.25))
    pace = float(rng.uniform(1.05, 1.35))

    def cross(middle: float, passing: float) -> tuple[tuple[float, float], ...]:
        reach = pace * 30.0
        return ((passing - 30.0, middle - way * reach), (passing + 30.0, middle + way * reach))

    centre = duration / 2 + late
    if scene == "12A":
        stop = float(rng.uniform(-0.2, 0.4))
        walk = (
            (-20.0, -0.4 - way * (stop + 0.9 + 20 * pace)),
            (centre - 0.1, -0.4 - way * 0.3),
            (centre + 0.9, -0.4),
            (centre + 9.0, 0.2),
        )
        talk = (
            Gesture("right", 0.1, centre + 0.3, 62, 48, 24),
            Gesture("left", centre, centre + 2.2, 48, 62, 30),
        )
        return (
            Performer("guest", 9.4, ((0.0, 1.25),), "back", gestures=talk, look="pale_shirt", tall=1.72, seed=seed),
            Performer(
                "runner",
                7.4,
                walk,
                "side",
                faces=int(way),
                tall=1.78,
                look="red_jacket",
                seed=seed,
                gestures=(Gesture("left", centre + 0.2, centre + 3.0, 85, 35, 22),),
            ),
        )
    if scene == "27":
        reach_up = (
            Gesture("right", centre - 0.5, centre + 1.6, 105, 25, 10),
            Gesture("left", centre - 0.1, centre + 1.2, 60, 60, 16),
        )
        return (
            Performer(
                "mechanic",
                3.65,
                (
                    (-20.0, way * (-1.0 - 20 * 0.8)),
                    (centre - 0.6, way * -0.35),
                    (centre + 1.4, way * 0.1),
                    (centre + 20, way * 16.0),
                ),
                "side",
                faces=int(way),
                look="worker",
                tall=1.70,
                gestures=reach_up,
                seed=seed,
            ),
            Performer(
                "passer-by",
                2.35,
                cross(way * -0.6, centre + 0.75),
                "side",
                faces=int(way),
                look="dark_suit",
                tall=1.78,
                blur_px=3.0,
                seed=seed,
            ),
        )
    if scene == "31B":
        return (
            Performer(
                "stroller",
                13.2,
                cross(1.8, centre - 0.2),
                "side",
                faces=int(way),
                look="coat",
                tall=1.74,
                seed=seed,
            ),
            Performer(
                "walker",
                6.6,
                cross(way * 0.35, centre),
                "side",
                faces=int(way),
                look="ochre_parka",
                tall=1.80,
                seed=seed,
                gestures=(Gesture("right", centre - 0.4, centre + 1.1, 70, 55, 18),),
            ),
        )
    point = (
        Gesture("right", 0.2 + late, centre + 0.7, 118, 12, 9),
        Gesture("left", centre, centre + 1.6, 70, 70, 22),
    )
    return (
        Performer(
            "technician",
            9.8,
            cross(1.1, centre + 0.2),
            "side",
            faces=int(way),
            look="worker",
            tall=1.74,
            seed=seed,
        ),
        Performer("reporter", 7.0, ((0.0, -0.75),), "back", gestures=point, look="coat", tall=1.76, seed=seed),
    )
