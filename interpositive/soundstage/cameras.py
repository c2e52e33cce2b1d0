"""The camera: where it stands, how it is moved, and its 3x4 projection matrix at any time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interpositive.soundstage.spec import stream

Matrix = npt.NDArray[np.float64]


def ease(time: float, start: float, end: float) -> float:
    """A move from 0 to 1 between two times, slow at both ends."""
    progress = min(max((time - start) / max(end - start, 1e-9), 0.0), 1.0)
    return progress * progress * (3 - 2 * progress)


@dataclass(frozen=True)
class Camera:
    """One take's camera, moving from a first to a last mark.

    Positions in metres (y down, so a camera 1.5 m above the floor has y = -1.5), ``yaw`` to the
    right and ``pitch`` up in degrees, focal length in pixels. ``shake`` is the strength of the hand
    (0 is a tripod head, 1 a steady hand): low frequencies in translation, rotation and a breath of zoom.
    """

    width: int
    height: int
    focal_px: float
    first_position: tuple[float, float, float]
    last_position: tuple[float, float, float]
    first_aim: tuple[float, float]
    last_aim: tuple[float, float]
    start_seconds: float
    end_seconds: float
    shake: float = 0.0
    shake_seed: str = ""

    @property
    def moves(self) -> bool:
        """Whether the picture can change from the camera alone."""
        marks = self.first_position == self.last_position and self.first_aim == self.last_aim
        return self.shake > 0 or not marks

    def matrix(self, time: float) -> Matrix:
        """The 3x4 matrix from homogeneous world metres to homogeneous pixels at ``time`` seconds."""
        progress = ease(time, self.start_seconds, self.end_seconds)
        first, last = np.array(self.first_position), np.array(self.last_position)
        centre = first + (last - first) * progress
        aim = np.array(self.first_aim) + (np.array(self.last_aim) - np.array(self.first_aim)) * progress
        wobble = self._wobble(time)
        centre = centre + 0.022 * wobble[:3]
        yaw, pitch, roll = np.radians([aim[0], aim[1], 0.0] + np.array([0.42, 0.34, 0.26]) * wobble[3:6])
        focal = self.focal_px * (1 + 0.003 * wobble[6])
        intrinsics = np.array(
            [[focal, 0, (self.width - 1) / 2], [0, focal, (self.height - 1) / 2], [0, 0, 1]], np.float64
        )
        rotation = _about_z(roll) @ _about_x(pitch) @ _about_y(yaw)
        pose: Matrix = np.concatenate([rotation, -(rotation @ centre)[:, None]], axis=1)
        return intrinsics @ pose

    def _wobble(self, time: float) -> npt.NDArray[np.float64]:
        """Seven smooth unit-strength noises at ``time``: three translations, three rotations, one zoom."""
        if self.shake == 0:
            return np.zeros(7)
        rng = stream("shake", self.shake_seed)
        hertz = rng.uniform([0.2, 0.5, 0.9, 1.6, 2.6], [0.4, 0.8, 1.4, 2.3, 3.6], (7, 5))
        phase = rng.uniform(0, 2 * np.pi, (7, 5))
        strength = rng.uniform(0.6, 1.2, (7, 5)) * np.array([1.0, 0.7, 0.4, 0.18, 0.1])
        noise: npt.NDArray[np.float64] = (strength * np.sin(2 * np.pi * hertz * time + phase)).sum(1)
        return self.shake * noise


def project(matrix: Matrix, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """World points ``... 3`` to ``... 3``: pixel x, pixel y, and distance along the lens axis in metres."""
    world = np.asarray(points, np.float64)
    seen = world @ matrix[:, :3].T + matrix[:, 3]
    return np.concatenate([seen[..., :2] / seen[..., 2:], seen[..., 2:]], axis=-1)


def _about_x(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]], np.float64)


def _about_y(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float64)


def _about_z(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64)
