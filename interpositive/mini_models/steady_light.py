"""Steady light: a gain and an offset that vary slowly over the frame take flicker out, and cannot soften detail.

The *prior* is a joint solve against motion-compensated neighbours. A small network that sees the solve's courses
learns, from flicker put on the production's own steady frames, how far to believe them where its footage
moves in ways that flow does not follow, and what the solve took for real light.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.backbones.course_network import CourseNetwork
from interpositive.functional.examples import Example
from interpositive.functional.light_fields import LightFields, cell_means, on_raster
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.mini_models.light_equalising import EQUALISERS
from interpositive.motion.flicker_shot import SOLVE_FIELDS, solve_tensors
from interpositive.motion.flicker_solve import solve_flicker
from interpositive.motion.window_frames import value_range
from interpositive.objectives.pixel import absolute, charbonnier
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack

_BOUNDS: Bounds = {
    "hold_frames": (1, 1000),
    "reach_frames": (0, 1000),
    "track_frames": (0.1, 1000.0),
    "width": (1, 1024),
}
_NUM_FEATURES = 3 + 3 + 1 + 3
_NUM_ANSWERS = 1 + 1
_SCALE = 10.0
_MOST = 0.5
"""By how much of itself what a solve takes out may be changed."""
_SURE_UNREST = 0.02
_TRUSTED = (0.02, 0.98)


@dataclass(frozen=True)
class _Solved:
    """A solve as tensors ``(b) t c rows columns``: what it takes out, what it leaves as real light, and its unrest."""

    flicker: LightFields
    real: LightFields
    unrest: Tensor

    def condition(self) -> dict[str, Tensor]:
        """As entries of an example's condition."""
        parts = (self.flicker.gain, self.flicker.offset, self.real.gain, self.real.offset, self.unrest)
        return dict(zip(SOLVE_FIELDS, parts, strict=True))

    @staticmethod
    def of(condition: Mapping[str, Tensor]) -> _Solved:
        """What :meth:`condition` gave."""
        gain, offset, real_gain, real_offset, unrest = (condition[name].float() for name in SOLVE_FIELDS)
        return _Solved(LightFields(gain, offset), LightFields(real_gain, real_offset), unrest)


class SteadyLight(MiniModel):
    """A joint solve of the flicker, and a small network's correction of it.

    A request brings the whole shot's solve; what comes without one, as training windows do, is solved by itself, where
    ``hold_frames`` to a side may one jump of flicker last. ``reach_frames`` on either side are seen by the network and
    by the baselines, whose courses ``track_frames`` smooths. ``width`` is the network's.
    """

    trained_method = "trained"
    hides_masked = False
    supplies: ClassVar[frozenset[Lack]] = frozenset({"light"})

    def __init__(
        self,
        *,
        hold_frames: int = 8,
        reach_frames: int = 8,
        track_frames: float = 12.0,
        width: int = 16,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        self.hold_frames = hold_frames
        self.reach_frames = reach_frames
        self.track_frames = track_frames
        self.methods = (*EQUALISERS, "prior", self.trained_method)
        self.network = CourseNetwork(_NUM_FEATURES, _NUM_ANSWERS, width)

    # -- learning -----------------------------------------------------------------

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """One example a window: the solve, and the window's frames as means of the grid's cells."""
        del generator
        assert example.target is not None
        solved = self._solve(example)
        judged = example.condition["judged"]
        for frames in (example.input, example.target):
            inside = (frames > _TRUSTED[0]) & (frames < _TRUSTED[1])
            judged = judged * inside.all(1, keepdim=True)
        share = cell_means(judged)
        cells = [cell_means(f * judged) / share.clamp_min(1e-3) for f in (example.input, example.target)]
        condition = {**solved.condition(), "judged": (share > 0.25).float()}
        return [Example(cells[0], torch.ones_like(share), cells[1], condition)]

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Charbonnier on the cells, and L1 on how they change from frame to frame, which is what the eye sees."""
        del generator
        assert example.target is not None
        cells, judged = example.input.float(), example.condition["judged"].float()
        fields = self.corrected(_Solved.of(example.condition), cells)
        made = cells * (1.0 + fields.gain) + fields.offset
        error = made - example.target.float()
        step, both = error[:, 1:] - error[:, :-1], judged[:, 1:] * judged[:, :-1]
        zero = torch.zeros_like
        flat = "b t c h w -> b c t (h w)"
        return {
            "charbonnier": charbonnier(
                rearrange(error, flat), zero(rearrange(error, flat)), rearrange(judged, flat), epsilon=1e-4
            ),
            "change": absolute(rearrange(step, flat), zero(rearrange(step, flat)), rearrange(both, flat)),
        }

    # -- restoring ----------------------------------------------------------------

    def corrected(self, solved: _Solved, cells: Tensor) -> LightFields:
        """The fields of a solve as the network corrects them; ``cells`` are the frames' cell means ``b t 3 r c``.

        It takes out up to half as much again or less, and up to half of what the solve left as real light.
        """
        effects = [f.gain * cells + f.offset for f in (solved.flicker, solved.real)]
        features = torch.cat((_SCALE * effects[0], _SCALE * effects[1], _SCALE * solved.unrest, cells), 2)
        answers = rearrange(self.network(rearrange(features, "b t c h w -> b c t h w")), "b c t h w -> b t c h w")
        bounded = _MOST * torch.tanh(answers)
        more, taken = bounded[:, :, :1], bounded[:, :, 1:]
        return LightFields(
            solved.flicker.gain * (1.0 + more) - solved.real.gain * taken,
            solved.flicker.offset * (1.0 + more) - solved.real.offset * taken,
        )

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Restore frames ``keep``; all frames of the window help to tell flicker from real light."""
        wanted = self.wanted(methods)
        example = example.to(self.device)
        frames = example.input.float()
        plate, mask = frames[keep.start : keep.stop], example.mask[keep.start : keep.stop] > 0
        pictures = rearrange(frames.cpu().numpy(), "t c h w -> t h w c")
        learned = [name for name in wanted if name not in EQUALISERS]
        fields: dict[str, LightFields] = {}
        sure = torch.ones_like(plate[:, :1])
        if learned and bool(mask.any()):
            solved = self._solve(example)
            fields = {"prior": solved.flicker}
            if self.trained_method in wanted:
                batched = _Solved.of({name: value[None] for name, value in solved.condition().items()})
                found = self.corrected(batched, cell_means(frames)[None])
                fields[self.trained_method] = LightFields(found.gain[0], found.offset[0])
            unrest = on_raster(solved.unrest[keep.start : keep.stop], (plate.shape[-2], plate.shape[-1]))
            sure = torch.where(mask, 1.0 / (1.0 + (unrest / _SURE_UNREST).square()), sure)
        low, high = value_range(pictures)

        def made(name: str) -> Restored:
            light = plate
            if name in fields:
                light = fields[name].part(keep).over(plate)
            elif name in EQUALISERS:
                equalised = EQUALISERS[name](pictures, keep, self.track_frames)
                light = rearrange(torch.from_numpy(equalised), "t h w c -> t c h w").to(plate.device)
            return Restored(torch.where(mask, light.clamp(low, high), plate), sure)

        return MadeWhenAsked({name: partial(torch.no_grad()(made), name) for name in wanted})

    def _solve(self, example: Example) -> _Solved:
        """The whole shot's solve where the request brings it, else that of the window."""
        if set(SOLVE_FIELDS) <= set(example.condition):
            return _Solved.of(example.condition)
        pictures = rearrange(example.input.float().cpu().numpy(), "t c h w -> t h w c")
        found = solve_flicker(np.ascontiguousarray(pictures), hold=self.hold_frames)
        return _Solved.of({name: value.to(example.input.device) for name, value in solve_tensors(found).items()})
