"""Deflicker: learn to take flicker out by putting flicker on the production's own steady frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.light_fields import LightFields
from interpositive.media.contract import FrameReader
from interpositive.media.plate_colour import PlateColour
from interpositive.motion.flicker_shot import ShotFlicker
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack, Task
from interpositive.tasks.flicker import DRAWS, draw_flicker, put_flicker
from interpositive.tasks.holding_out import TryingOut
from interpositive.tasks.laying_out import Asked, Condition, LaidOut, whole_frames

_BOUNDS: Bounds = {
    "strength_stops": (0.0, 4.0),
    "tint": (0.0, 1.0),
    "steady_share": (0.0, 1.0),
    "curve": (0.0, 100.0),
}


class AskedOfDeflicker(Asked):
    """What may be asked of a shot: ``keep_light`` false brings it to one level, fades and lamps included.

    ``hold_frames`` to a side may one jump of flicker last.
    """

    keep_light: bool = True
    hold_frames: int = Field(default=8, ge=1, le=1000)


class Deflicker(Task):
    """Flicker of a random kind and strength over whole frames.

    ``kinds`` are drawn from alike; ``strength_stops`` is the range of their deviation in stops of light, on a
    logarithmic scale; channels differ by up to the share ``tint``. ``steady_share`` of the windows stay as
    they are, so that a steady shot is learned to be left alone. ``curve`` is the power and toe of the
    footage's encoding, see :func:`~interpositive.tasks.flicker.put_flicker`.
    """

    name = "deflicker"
    asks: ClassVar[type[AskedOfDeflicker]] = AskedOfDeflicker
    lacks: ClassVar[Lack] = "light"
    # Light is told from flicker over a long time only, and on pictures of any size.
    trying_out: ClassVar[TryingOut] = TryingOut(reach=36, long_side_px=256)

    def __init__(
        self,
        *,
        kinds: Sequence[str] = ("gain", "mains_beat", "exposure_steps", "density_drift", "boiling"),
        strength_stops: Sequence[float] = (0.02, 0.25),
        tint: float = 0.2,
        steady_share: float = 0.15,
        curve: Sequence[float] = (2.2, 0.09),
    ) -> None:
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "task")
        unknown = sorted(set(kinds) - set(DRAWS))
        if unknown or not kinds:
            raise ConfigError("task.kinds names flicker there is not", found=unknown or "none", expected=list(DRAWS))
        if len(strength_stops) != 2 or not 0.0 < strength_stops[0] <= strength_stops[1]:
            raise ConfigError("strength_stops is a range above 0", found=list(strength_stops), expected="[low, high]")
        if len(curve) != 2 or not curve[0] > 0.0:
            raise ConfigError("curve is a power above 0 and a toe", found=list(curve), expected="such as [2.2, 0.09]")
        self.kinds = tuple(kinds)
        self.strength_stops = (float(strength_stops[0]), float(strength_stops[1]))
        self.tint = tint
        self.steady_share = steady_share
        self.curve = (float(curve[0]), float(curve[1]))

    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Put flicker on the window; the mask is the whole frame. See :class:`interpositive.tasks.contract.Task`."""
        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        flickering = frames
        if random.random() >= self.steady_share:
            kind = self.kinds[int(random.integers(len(self.kinds)))]
            low, high = np.log(self.strength_stops)
            flicker = draw_flicker(kind, len(frames), float(np.exp(random.uniform(low, high))), self.tint, random)
            clean = rearrange(frames, "t c h w -> t h w c").numpy().astype(np.float32)
            made = rearrange(torch.from_numpy(put_flicker(clean, flicker, self.curve, random)), "t h w c -> t c h w")
            flickering = made.clamp(min(0.0, float(frames.min())), max(1.0, float(frames.max()))).contiguous()
        mask = torch.ones_like(frames[:, :1])
        known = torch.zeros_like(mask) if damage is None else (damage > 0).to(mask.dtype)
        return Example(input=flickering, mask=mask, target=frames, condition={"judged": mask - known})

    def lay_out(self, reader: FrameReader, asked: Asked, colour: PlateColour) -> LaidOut:
        """The plate as it is, all of which may change, and the flicker of the whole shot, solved once."""
        assert isinstance(asked, AskedOfDeflicker)
        flicker = ShotFlicker(
            lambda start, stop: colour.to_values(reader.window(start, stop)),
            len(reader),
            hold=asked.hold_frames,
            keep_real_light=asked.keep_light,
        )
        notes = () if asked.keep_light else ("all frames were brought to one level of light, as was asked",)
        return LaidOut(reader, whole_frames(reader.info), flicker.window, notes=notes)

    def tell(self, frames: Tensor) -> Condition:
        """The flicker of the shot, solved as for a delivery that nothing more is asked of."""
        pictures = np.ascontiguousarray(rearrange(frames.float().numpy(), "t c h w -> t h w c"))
        asked = self.asks()
        flicker = ShotFlicker(
            lambda start, stop: pictures[start:stop],
            len(pictures),
            hold=asked.hold_frames,
            keep_real_light=asked.keep_light,
        )
        return dict(flicker.window(0, len(pictures)))

    def hold_out(
        self, request: Example, keep: range, generator: torch.Generator, shift_share: tuple[float, float]
    ) -> Example | None:
        """Flicker put on the shot as the solve steadies it: its own would count against what takes that out.

        All frames are judged, for what is slow does not show in a few.
        """
        del keep, shift_share
        fields = {name: request.condition[name] for name in ("gain", "offset")}
        steadied = LightFields(**fields).over(request.input)
        low, high = min(0.0, float(request.input.min())), max(1.0, float(request.input.max()))
        return self.example(steadied.clamp(low, high), generator)
