"""Shooting a whole take in memory: frames, anchors, cameras and truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from interpositive.soundstage import optics
from interpositive.soundstage.cameras import project
from interpositive.soundstage.performers import JOINTS, joints_in_world
from interpositive.soundstage.scenes import stage_take
from interpositive.soundstage.shooting import Shoot
from interpositive.soundstage.spec import SceneName, StageSpec
from interpositive.soundstage.surfaces import Array
from interpositive.soundstage.truth import Truth, observe


@dataclass(frozen=True)
class RenderedTake:
    """A shot take. ``frames`` is ``t h w 3`` uint8 with grain, as the movie file holds them before
    compression.

    ``anchors`` is ``t p j 3``: pixel x, pixel y and distance (metres) of every joint of every performer at
    the frame centre (names in ``performers`` and ``joints``); points may lie outside the frame or be hidden.
    ``cameras`` is ``t 3 4``, world metres to pixels. ``truth`` is None when it was not asked for.
    """

    scene: SceneName
    take: int
    frames: npt.NDArray[np.uint8]
    performers: tuple[str, ...]
    joints: tuple[str, ...]
    anchors: npt.NDArray[np.float64]
    cameras: npt.NDArray[np.float64]
    truth: Truth | None


def render_take(spec: StageSpec, scene: SceneName, take: int, *, with_truth: bool = True) -> RenderedTake:
    """Shoot one take in memory; the same arguments give the same bits on one machine.

    Raises ``ConfigError`` for an unknown scene or a take below 1.
    """
    cv2.setNumThreads(1)
    staged = stage_take(spec, scene, take)
    shoot = Shoot(spec, staged)
    shape = (spec.num_frames, spec.height, spec.width)
    frames = np.zeros((*shape, 3), np.uint8)
    exposures: list[tuple[Array, Array, Array, Array]] = []
    for frame in range(spec.num_frames):
        exposure = shoot.expose(frame)
        frames[frame] = shoot.film(exposure.light, frame)
        if with_truth:
            exposures.append(
                (
                    optics.encode(exposure.light),
                    optics.encode(exposure.clean),
                    exposure.alpha,
                    exposure.shadow,
                )
            )
    times = [shoot.time(frame) for frame in range(spec.num_frames)]
    anchors = np.array(
        [[project(staged.camera.matrix(t), joints_in_world(p, t)) for p in staged.performers] for t in times]
    )
    truth = observe(staged, shoot.pieces, shoot.after, exposures, spec) if with_truth else None
    return RenderedTake(
        scene,
        take,
        frames,
        tuple(p.name for p in staged.performers),
        JOINTS,
        anchors,
        np.array([staged.camera.matrix(t) for t in times]),
        truth,
    )
