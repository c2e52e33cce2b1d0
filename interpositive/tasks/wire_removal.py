"""Wire removal: learn to repair wires by drawing wires over the production's own frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.errors import ConfigError
from interpositive.motion.optical_flow import dis_flow, luma_u8
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.removal import Removal
from interpositive.tasks.wires import Wire, draw_wires

_HOLDS = ("frame", "set", "performer")
_BOUNDS: Bounds = {
    "num_wires": (1, 1000),
    "width_px_at_1080": (0.0, 1080.0),
    "sag": (-10.0, 10.0),
    "shade": (0.0, 1.0),
    "bright_share": (0.0, 1.0),
    "shadow_share": (0.0, 1.0),
    "swing_px_at_1080": (0.0, 10_000.0),
    "mask_margin_px": (0, 1000),
    "object_share": (0.0, 1.0),
    "holds": (0.0, 1e6),
    "shutter": (0.0, 1.0),
}


class WireRemoval(Removal):
    """Procedural wires over clean frames.

    Widths are given for 1080 lines and scale with the raster. ``holds`` is the
    mix of what a wire's end hangs on: the frame (static), the set (moves with
    the camera), or a performer (a tracked moving point). Masks are grown by a
    random ``mask_margin_px``, as hand-painted ones are.
    """

    name = "wire_removal"
    hangs_any_way = True

    def __init__(
        self,
        *,
        num_wires: Sequence[int] = (2, 5),
        width_px_at_1080: Sequence[float] = (3.0, 24.0),
        sag: Sequence[float] = (0.0, 0.15),
        shade: Sequence[float] = (0.1, 0.7),
        bright_share: float = 0.25,
        shadow_share: float = 0.2,
        swing_px_at_1080: float = 15.0,
        mask_margin_px: Sequence[int] = (1, 2),
        object_share: float = 0.5,
        holds: Sequence[float] = (0.25, 0.25, 0.5),
        shutter: float = 0.5,
    ) -> None:
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "task")
        if len(holds) != len(_HOLDS) or min(holds) < 0 or sum(holds) <= 0:
            raise ConfigError("holds needs a share for each of " + ", ".join(_HOLDS), found=list(holds))
        if not 1 <= num_wires[0] <= num_wires[1]:
            raise ConfigError("num_wires is a range of at least one wire", found=list(num_wires))
        self.num_wires = (int(num_wires[0]), int(num_wires[1]))
        self.width_px_at_1080 = (float(width_px_at_1080[0]), float(width_px_at_1080[1]))
        self.sag = (float(sag[0]), float(sag[1]))
        self.shade = (float(shade[0]), float(shade[1]))
        self.bright_share = bright_share
        self.shadow_share = shadow_share
        self.swing_px_at_1080 = swing_px_at_1080
        self.mask_margin_px = (int(mask_margin_px[0]), int(mask_margin_px[1]))
        self.object_share = object_share
        self.holds = np.asarray(holds, np.float64) / sum(holds)
        self.shutter = shutter

    def draw_over(
        self, clean: NDArray[np.float32], random: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Wires in every frame."""
        return draw_wires(clean, self.random_wires(clean, random), shutter=self.shutter)

    def random_wires(self, clean: NDArray[np.float32], random: np.random.Generator) -> list[Wire]:
        """A rig for a window ``t h w 3``: between two and five wires that share no end."""
        height, width = clean.shape[1:3]
        scale = height / 1080.0
        flows = _step_flows(clean)
        smooth = [np.asarray(cv2.blur(flow, (9, 9)), np.float32) for flow in flows]
        wires = []
        for _ in range(int(random.integers(self.num_wires[0], self.num_wires[1] + 1))):
            hold = _HOLDS[int(random.choice(len(_HOLDS), p=self.holds))]
            upper, lower = _upper_end(random, height, width), _lower_end(random, flows, hold, height, width)
            foot = _track(smooth, lower, hold)
            if hold == "performer":
                # The traveller overhead follows the performer, so that the wire stays near upright.
                head = upper + random.uniform(0.6, 1.0) * (foot - lower)
            else:
                head = _track(smooth, upper, hold)
            ends = np.stack([head, foot], axis=1)
            low, high = np.log(self.width_px_at_1080)
            bright = random.random() < self.bright_share
            shadow = None
            if random.random() < self.shadow_share:
                offset = random.uniform(10, 40, 2) * scale
                shadow = (float(offset[0]), float(offset[1]), float(random.uniform(0.1, 0.35)))
            wires.append(
                Wire(
                    ends=ends.astype(np.float32),
                    width_px=max(0.5, float(np.exp(random.uniform(low, high))) * scale),
                    sag=float(random.uniform(*self.sag)),
                    swing=tuple(
                        (
                            float(random.uniform(0, self.swing_px_at_1080 / mode)) * scale,
                            float(random.uniform(0.01, 0.06) * mode),
                            float(random.random()),
                        )
                        for mode in (1, 2)
                    ),
                    shade=float(random.uniform(1.1, 1.6) if bright else random.uniform(*self.shade)),
                    tint=tuple(random.uniform(0.92, 1.0, 3).tolist()),
                    glint=float(random.uniform(0.0, 0.5)) if random.random() < 0.5 else 0.0,
                    glint_place=float(random.random()),
                    glint_speed=float(random.uniform(-0.02, 0.02)),
                    opacity=float(random.uniform(0.85, 1.0)),
                    shadow=shadow,
                )
            )
        return wires


def _step_flows(clean: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    luma = [luma_u8(frame) for frame in clean]
    return [dis_flow(a, b, "fast") for a, b in pairwise(luma)]


def _upper_end(random: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    edge = random.random()
    if edge < 0.7:
        return np.array([random.uniform(-0.1, 1.1) * width, -0.05 * height])
    side = -0.05 if edge < 0.85 else 1.05
    return np.array([side * width, random.uniform(0.0, 0.6) * height])


def _lower_end(
    random: np.random.Generator, flows: Sequence[NDArray[np.float32]], hold: str, height: int, width: int
) -> NDArray[np.float64]:
    tries = random.uniform((0.05, 0.2), (0.95, 0.95), (256, 2)) * (width, height)
    if hold != "performer" or not flows:
        return np.asarray(tries[0] if random.random() < 0.6 else (tries[0, 0], 1.05 * height), np.float64)
    middle = flows[len(flows) // 2]
    moving = middle[tries[:, 1].astype(int), tries[:, 0].astype(int)] - np.median(middle, axis=(0, 1))
    likely = np.square(moving).sum(-1) + 1e-4
    return np.asarray(tries[int(random.choice(len(tries), p=likely / likely.sum()))], np.float64)


def _track(smooth: Sequence[NDArray[np.float32]], start: NDArray[np.float64], hold: str) -> NDArray[np.float64]:
    """Follow a point from the middle of the window to both of its ends, by flows that are smooth."""
    num_frames = len(smooth) + 1
    track = np.tile(start, (num_frames, 1))
    if hold == "frame":
        return track
    middle = num_frames // 2
    for t in range(middle, num_frames - 1):
        track[t + 1] = track[t] + _velocity(smooth[t], track[t], hold)
    for t in range(middle, 0, -1):
        track[t - 1] = track[t] - _velocity(smooth[t - 1], track[t], hold)
    return track


def _velocity(flow: NDArray[np.float32], point: NDArray[np.float64], hold: str) -> NDArray[np.float32]:
    if hold == "set":
        return np.median(flow[::8, ::8].reshape(-1, 2), axis=0)
    height, width = flow.shape[:2]
    x, y = int(np.clip(point[0], 0, width - 1)), int(np.clip(point[1], 0, height - 1))
    return np.asarray(flow[y, x], np.float32)
