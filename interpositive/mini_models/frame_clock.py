"""Which frames of an example are known, and when; whatever asks for a moment finds its neighbours here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.functional.examples import Example
from interpositive.motion.in_between import Surroundings
from interpositive.motion.spatial_fill import telea_fill
from interpositive.motion.window_motion import Plane

_MOSTLY = 0.5
_NEAR = 1e-6


@dataclass
class Clock:
    """Known ``frames`` (``n h w 3``) at their ``source_times``; the window's frames are at ``times``."""

    frames: Plane
    source_times: list[float]
    times: list[float]
    shutter: list[float]
    whole: list[bool]
    _around: dict[tuple[int, int], Surroundings] = field(default_factory=dict)

    @staticmethod
    def of(example: Example) -> Clock:
        """By the example's condition if that has ``sources``, else by its own frames that are not mostly masked."""
        condition, num = example.condition, len(example.input)
        if "sources" in condition:
            frames = _pictures(condition["sources"])
            source_times = [float(time) for time in condition["source_times"]]
            times = [float(time) for time in condition["times"]]
            return Clock(frames, source_times, times, condition["shutter"].tolist(), [True] * len(frames))
        masks = example.mask[:, 0].cpu().numpy()
        known = [t for t in range(num) if masks[t].mean() < _MOSTLY]
        frames = _pictures(example.input)
        # What is damaged on a known frame must not be seen, and may be bridged: it is looked at for motion only.
        bridged = [telea_fill(frames[t], masks[t] > 0) for t in known]
        shape = frames.shape[1:]
        whole = [not masks[t].any() for t in known]
        pictures = np.stack(bridged) if bridged else np.zeros((0, *shape), np.float32)
        return Clock(pictures, [float(t) for t in known], [float(t) for t in range(num)], [0.0] * num, whole)

    def moments(self, number: int, num: int) -> list[float]:
        """The moments whose mean a frame of the window is: one, or ``num`` while its shutter is open."""
        time, opened = self.times[number], self.shutter[number]
        if opened <= 0:
            return [time]
        low, high = self.source_times[0], self.source_times[-1]
        shares = (np.arange(num) + 0.5) / num - 0.5
        return [float(np.clip(time + opened * share, low, high)) for share in shares]

    def has(self, time: float) -> bool:
        """Whether a whole frame is known at this moment."""
        return any(
            whole and abs(time - known) < _NEAR for known, whole in zip(self.source_times, self.whole, strict=True)
        )

    def between(self, time: float) -> bool:
        """Whether frames are known on both sides of a moment at which none is."""
        return not self.has(time) and self._sides(time) is not None

    def surroundings(self, time: float) -> Surroundings:
        """The frames on both sides of a moment, two on each where there are two."""
        sides = self._sides(time)
        assert sides is not None
        if sides not in self._around:
            first, second = sides
            # A frame that is itself to be made is never one of its own neighbours.
            chosen = [n for n in (first - 1, first, second, second + 1) if 0 <= n < len(self.frames)]
            times = [self.source_times[n] for n in chosen]
            self._around = {sides: Surroundings(self.frames[chosen], times, chosen.index(first))}
        return self._around[sides]

    def nearest(self, time: float) -> Plane:
        """The known frame nearest in time; mid-grey if there is none."""
        if not len(self.frames):
            return np.full(self.frames.shape[1:], 0.5, np.float32)
        picture: Plane = self.frames[int(np.abs(np.asarray(self.source_times) - time).argmin())]
        return picture

    def _sides(self, time: float) -> tuple[int, int] | None:
        before = [n for n, known in enumerate(self.source_times) if known < time - _NEAR]
        after = [n for n, known in enumerate(self.source_times) if known > time + _NEAR]
        return (before[-1], after[0]) if before and after else None


def _pictures(frames: Tensor) -> Plane:
    return np.ascontiguousarray(rearrange(frames.detach().cpu().to(torch.float32), "t c h w -> t h w c").numpy())
