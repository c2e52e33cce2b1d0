"""The flicker of a whole shot, solved once in long overlapping stretches, in memory that hardly grows with the shot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.functional.windows import WindowJoiner, plan_windows
from interpositive.motion.flicker_solve import FlickerSolve, solve_flicker
from interpositive.motion.frame_pairs import Plane, reduced

SOLVE_FIELDS = ("gain", "offset", "real_gain", "real_offset", "unrest")
_STRETCH, _SHARED, _REACH = 96, 24, 24
_READ_AT_ONCE = 8


class ShotFlicker:
    """The solve of a shot that is read by ``read(start, stop)`` as values ``t h w 3``; made when first asked for."""

    def __init__(self, read: Callable[[int, int], Plane], num_frames: int, *, hold: int, keep_real_light: bool) -> None:
        self._read, self._num_frames = read, num_frames
        self._hold, self._keep_real_light = hold, keep_real_light
        self._fields: dict[str, Tensor] | None = None

    def window(self, first: int, last: int) -> Mapping[str, Tensor]:
        """The fields of frames ``first <= n < last``, ``t c rows columns``, by their names in ``SOLVE_FIELDS``."""
        if self._fields is None:
            self._fields = self._solved()
        return {name: field[first:last] for name, field in self._fields.items()}

    def _solved(self) -> dict[str, Tensor]:
        stretches = plan_windows(self._num_frames, _STRETCH, _SHARED, _REACH)
        joiners = {name: WindowJoiner() for name in SOLVE_FIELDS}
        whole: dict[str, list[Tensor]] = {name: [] for name in SOLVE_FIELDS}
        for number, stretch in enumerate(stretches):
            small = np.stack([reduced(f) for f in self._frames(stretch.first, stretch.last)])
            found = solve_tensors(solve_flicker(small, hold=self._hold, keep_real_light=self._keep_real_light))
            next_start = stretches[number + 1].start if number + 1 < len(stretches) else None
            for name, field in found.items():
                kept = field[stretch.keep.start : stretch.keep.stop]
                whole[name] += [frame for _, frame in joiners[name].join(stretch.start, kept, next_start)]
        return {name: torch.stack(frames) for name, frames in whole.items()}

    def _frames(self, first: int, last: int) -> Iterator[Plane]:
        for start in range(first, last, _READ_AT_ONCE):
            yield from self._read(start, min(start + _READ_AT_ONCE, last))


def solve_tensors(found: FlickerSolve) -> dict[str, Tensor]:
    """A solve as tensors ``t c rows columns`` by name."""
    fields = {
        name: rearrange(torch.from_numpy(getattr(found, name)), "t r c ch -> t ch r c").contiguous()
        for name in SOLVE_FIELDS[:-1]
    }
    return fields | {"unrest": torch.from_numpy(found.unrest)[:, None]}
