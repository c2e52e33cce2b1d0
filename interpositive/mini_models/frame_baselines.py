"""Frames in between that nothing was learned for: the baselines that every mini-model must beat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from interpositive.motion.in_between import Surroundings, inside, read
from interpositive.motion.window_motion import Plane


def hold(around: Surroundings, time: float) -> Plane:
    """The nearer side as it is."""
    return around.sides[around.share(time) > 0.5]


def blend(around: Surroundings, time: float) -> Plane:
    """Both sides mixed by their distance."""
    share, (first, second) = around.share(time), around.sides
    return np.asarray((1 - share) * first + share * second, np.float32)


def dis_interpolation(around: Surroundings, time: float) -> Plane:
    """DIS flow both ways, mixed for the moment (Jiang et al., CVPR 2018, eq. 4); both sides are read, and blended.

    A side weighs by its distance, and a tenth where its flow is not consistent.
    """
    share = around.share(time)
    reading = around.mixed(share)
    total, weights = np.zeros_like(around.frames[0]), np.zeros(around.frames[0].shape[:2], np.float32)
    for frame, flow, seen, nearness in (
        (around.sides[0], reading.before, around.seen_after, 1 - share),
        (around.sides[1], reading.after, around.seen_before, share),
    ):
        weight = around.enlarged(nearness * (0.1 + read(seen.astype(np.float32), flow)) * (inside(flow) + 1e-3))
        total += weight[..., None] * read(frame, around.enlarged_flow(flow), cubic=True)
        weights += weight
    return np.asarray(total / weights[..., None], np.float32)


BASELINES: dict[str, Callable[[Surroundings, float], Plane]] = {
    "hold": hold,
    "blend": blend,
    "dis_interpolation": dis_interpolation,
}
