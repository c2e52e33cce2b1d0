"""Performers: articulated figures that walk, wait and gesture, with exact joints at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from interpositive.soundstage.cameras import ease
from interpositive.soundstage.spec import stream

Vector = npt.NDArray[np.float64]
Side = Literal["left", "right"]

JOINTS: tuple[str, ...] = (
    "head",
    "neck",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_hand",
    "right_hand",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
    "left_toe",
    "right_toe",
)

THIGH, SHIN, TORSO, UPPER_ARM, FOREARM, FOOT = 0.44, 0.42, 0.50, 0.285, 0.25, 0.17
ANKLE_HEIGHT, HEAD_ABOVE_NECK, STRIDE = 0.06, 0.17, 1.5
STEP_ANGLE = 0.45  # carries a straight leg over half a stride, so that planted feet stay put


@dataclass(frozen=True)
class Gesture:
    """One arm raised between two times (seconds): shoulder and elbow angles in degrees, waved ``wave``
    degrees.
    """

    arm: Side
    start: float
    end: float
    shoulder: float
    elbow: float
    wave: float = 0.0


@dataclass(frozen=True)
class Performer:
    """One figure in one take.

    ``marks`` are (seconds, x metres) of its walk in the plane ``z``; ``view`` says whether we see it from the
    side (it faces where it walks, else ``faces``) or from behind. ``look`` names its wardrobe, ``blur_px``
    is its defocus at 384 pixels of width.
    """

    name: str
    z: float
    marks: tuple[tuple[float, float], ...]
    view: Literal["side", "back"] = "side"
    faces: int = 1
    tall: float = 1.75
    gestures: tuple[Gesture, ...] = ()
    look: str = "coat"
    blur_px: float = 0.0
    seed: str = ""
    _nods: Vector = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Draw the small personal rhythm of breath and weight."""
        object.__setattr__(self, "_nods", stream("nods", self.seed, self.name).uniform(0, 6.28, 6))

    def place(self, time: float) -> float:
        """World x of the hips at ``time``; corners between marks are rounded over 0.4 s."""
        times, places = zip(*self.marks, strict=True)
        around = time + np.linspace(-0.4, 0.4, 17)
        weight = np.hanning(19)[1:-1]
        return float(np.interp(around, times, places) @ weight / weight.sum())

    def joints(self, time: float) -> dict[str, Vector]:
        """Where every joint of :data:`JOINTS` is: world x and y (metres, y down, floor at 0)."""
        size = self.tall / 1.75
        x = self.place(time)
        speed = (self.place(time + 0.04) - self.place(time - 0.04)) / 0.08
        stride_strength = min(abs(speed) / 0.9, 1.0) ** 0.7
        facing = int(np.sign(speed)) if abs(speed) > 0.05 else self._resting_face(time)
        phase = 2 * np.pi * x * facing / (STRIDE * size)
        sway = np.sin(0.9 * time + self._nods[0]) + 0.5 * np.sin(2.1 * time + self._nods[1])

        hips_apart, shoulders_apart = (0.03, 0.035) if self.view == "side" else (0.10, 0.185)
        legs = {side: self._leg(side, phase, stride_strength, facing, sway) for side in ("left", "right")}
        drop = max(float(leg[-1][1]) for leg in legs.values())
        hip = np.array([x / size + 0.012 * sway * (1 - stride_strength), -drop - 0.01])
        lean = (0.07 * stride_strength + 0.012 * sway) * facing
        neck = hip + TORSO * np.array([np.sin(lean), -np.cos(lean)])
        nod = 0.06 * np.sin(1.3 * time + self._nods[2]) + 0.08 * stride_strength
        found = {
            "neck": neck,
            "head": neck + HEAD_ABOVE_NECK * np.array([np.sin(lean + nod * facing), -np.cos(lean + nod)]),
        }
        for side, sign in (("left", -1.0), ("right", 1.0)):
            socket = hip + np.array([sign * hips_apart, 0.0])
            for name, offset in zip(("hip", "knee", "ankle", "toe"), (np.zeros(2), *legs[side][:3]), strict=True):
                found[f"{side}_{name}"] = socket + offset
            shoulder = neck + np.array([sign * shoulders_apart, 0.055])
            upper, fore = self._arm_angles(side, time, phase, stride_strength)
            outward = facing if self.view == "side" else sign
            elbow = shoulder + UPPER_ARM * np.array([outward * np.sin(upper), np.cos(upper)])
            found[f"{side}_shoulder"], found[f"{side}_elbow"] = shoulder, elbow
            found[f"{side}_hand"] = elbow + FOREARM * np.array([outward * np.sin(fore), np.cos(fore)])
        return {name: found[name] * size for name in JOINTS}

    def facing(self, time: float) -> int:
        """1 when the figure looks towards +x, -1 towards -x."""
        speed = self.place(time + 0.04) - self.place(time - 0.04)
        return int(np.sign(speed)) if abs(speed) > 0.004 else self._resting_face(time)

    def _resting_face(self, time: float) -> int:
        """The way it last walked before ``time``, or ``faces`` if it has not walked."""
        face = self.faces
        for (start, before), (_, after) in pairwise(self.marks):
            if start <= time and after != before:
                face = 1 if after > before else -1
        return face

    def _leg(
        self, side: str, phase: float, strength: float, facing: int, sway: float
    ) -> tuple[Vector, Vector, Vector, Vector]:
        """Knee, ankle and toe from the hip socket, and the lowest point of the shoe."""
        cycle = phase + (0 if side == "left" else np.pi)
        hip_angle = STEP_ANGLE * strength * _stepping(float(cycle)) + 0.04
        bend = 0.06 + strength * (0.12 + 0.72 * max(0.0, float(np.cos(cycle + 0.30))) ** 1.3)
        if self.view == "back":
            spread = 0.05 * (1 if side == "right" else -1)
            hip_angle, bend = spread + 0.012 * sway, 0.0
            facing = 1
        knee = THIGH * np.array([facing * np.sin(hip_angle), np.cos(hip_angle)])
        shin_angle = hip_angle - bend
        ankle = knee + SHIN * np.array([facing * np.sin(shin_angle), np.cos(shin_angle)])
        lifted = max(0.0, float(np.cos(cycle + 0.30)))
        tip = shin_angle * (0.25 + 0.55 * lifted) * strength + 0.16 * strength * max(0.0, float(np.sin(cycle)))
        reach = 0.5 if self.view == "back" else 1.0
        toe = ankle + FOOT * np.array([facing * reach * np.cos(tip), -np.sin(tip)])
        lowest = np.array([ankle[0], max(ankle[1], toe[1]) + ANKLE_HEIGHT])
        return knee, ankle, toe, lowest

    def _arm_angles(self, side: str, time: float, phase: float, strength: float) -> tuple[float, float]:
        """Upper arm and forearm angles from straight down, forwards positive (outwards, seen from behind)."""
        swing = -0.5 * strength * np.sin(phase + (0 if side == "left" else np.pi))
        upper = swing + (0.03 if self.view == "side" else 0.12)
        fore = upper + 0.22 + 0.35 * strength * max(0.0, float(swing) + 0.35)
        if self.view == "back":
            fore = upper - 0.10
        for gesture in self.gestures:
            if gesture.arm != side:
                continue
            rise = ease(time, gesture.start, gesture.start + 0.55)
            amount = rise * (1 - ease(time, gesture.end - 0.55, gesture.end))
            wave = np.radians(gesture.wave) * np.sin(2 * np.pi * 1.15 * (time - gesture.start))
            raised = np.radians(gesture.shoulder) + 0.5 * wave
            upper = upper + amount * (raised - upper)
            fore = fore + amount * (raised + np.radians(gesture.elbow) + wave - fore)
        return float(upper), float(fore)


def _stepping(cycle: float) -> float:
    """Hip swing from 1 (foot ahead) to -1: even while the foot is down, a smooth swing forwards in the
    other half.
    """
    part = ((cycle + np.pi / 2) / np.pi) % 2.0
    if part >= 1:
        return 1 - 2 * (part - 1)
    square, cube = part * part, part * part * part
    return -4 * cube + 6 * square - 1 - 2 * (cube - 2 * square + part) - 2 * (cube - square)


def joints_in_world(performer: Performer, time: float) -> Vector:
    """World positions of all :data:`JOINTS`, ``j 3`` metres."""
    found: Mapping[str, Vector] = performer.joints(time)
    return np.array([[*found[name], performer.z] for name in JOINTS])
