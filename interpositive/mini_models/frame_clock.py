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
from interpositive.motion.window_frames import CodedPicture
from interpositive.motion.window_motion import Plane

_MOSTLY = 0.5
_NEAR = 1e-6


@dataclass
class Clock:
    """Known ``pictures`` (``n 3 h w``) at their ``source_times``; the window's frames are at ``times``.

    Of the pictures only those about the moment that is asked for are looked at; ``known`` are their places. ``damage``
    is where each must not be trusted, ``n 1 h w``.
    """

    pictures: Tensor
    damage: Tensor | None
    known: list[int]
    whole: list[bool]
    source_times: list[float]
    times: list[float]
    shutter: list[float]
    motion_rows: int
    _around: dict[tuple[int, int], Surroundings] = field(default_factory=dict)

    @staticmethod
    def of(example: Example, motion_rows: int) -> Clock:
        """By the example's condition if that has ``sources``, else by its own frames that are not mostly masked."""
        condition, num = example.condition, len(example.input)
        if "sources" in condition:
            sources = condition["sources"]
            known = list(range(len(sources)))
            source_times = [float(time) for time in condition["source_times"]]
            times = [float(time) for time in condition["times"]]
            shutter = condition["shutter"].tolist()
            return Clock(sources, None, known, [True] * len(known), source_times, times, shutter, motion_rows)
        masked = example.mask.flatten(1).float().mean(1).tolist()
        known = [t for t in range(num) if masked[t] < _MOSTLY]
        whole = [not masked[t] for t in known]
        moments = [float(t) for t in range(num)]
        known_at = [moments[t] for t in known]
        return Clock(example.input, example.mask, known, whole, known_at, moments, [0.0] * num, motion_rows)

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
            chosen = [n for n in (first - 1, first, second, second + 1) if 0 <= n < len(self.known)]
            times = [self.source_times[n] for n in chosen]
            # What the last one holds is given back before the next takes its own.
            self._around.clear()
            self._around[sides] = Surroundings(
                [self._frame(n) for n in chosen], times, chosen.index(first), self.motion_rows
            )
        return self._around[sides]

    def nearest(self, time: float) -> Plane:
        """The known frame nearest in time; mid-grey if there is none."""
        if not self.known:
            return np.full((*self.pictures.shape[-2:], 3), 0.5, np.float32)
        return self._frame(int(np.abs(np.asarray(self.source_times) - time).argmin()))

    def _frame(self, number: int) -> Plane:
        """A known frame ``h w 3``; what is damaged on it is bridged, for it may be looked at for motion only."""
        place = self.known[number]
        picture = picture_of(self.pictures[place])
        if self.whole[number] or self.damage is None:
            return picture
        return telea_fill(picture, self.damage[place, 0].cpu().numpy() > 0)

    def _sides(self, time: float) -> tuple[int, int] | None:
        before = [n for n, known in enumerate(self.source_times) if known < time - _NEAR]
        after = [n for n, known in enumerate(self.source_times) if known > time + _NEAR]
        return (before[-1], after[0]) if before and after else None


def picture_of(frame: Tensor) -> Plane:
    """A frame ``3 h w`` of values, or of integer codes at full scale, as values ``h w 3``."""
    stored = rearrange(frame.detach().cpu(), "c h w -> h w c")
    if stored.is_floating_point():
        return np.ascontiguousarray(stored.to(torch.float32).numpy())
    return CodedPicture(stored.numpy())[:]
