"""Reframing: learn what lies beyond the frame by cropping the production's own frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.media.contract import FrameReader
from interpositive.media.plate_colour import PlateColour
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack, Task
from interpositive.tasks.framing import Framing, Keyed, reframed
from interpositive.tasks.holding_out import PIXELS_PX, TryingOut
from interpositive.tasks.laying_out import Asked, LaidOut
from interpositive.tasks.other_takes import LENT, AskedOfTakes

_BOUNDS: Bounds = {"kept_share": (0.3, 1.0)}


class FramingAsked(AskedOfTakes):
    """A new frame over the plate, and where else it may be seen what lies beyond.

    ``size`` is its width and height in pixels, or ``aspect`` widens or heightens the plate to that ratio. ``x`` and
    ``y`` are how far its centre lies right of and below the plate's, in pixels of the plate; ``scale`` enlarges the
    plate, and ``roll`` turns it, in degrees anticlockwise, about the new centre. Each of these four is a number, or
    pairs of a frame and a number, between which it moves evenly.
    """

    size: tuple[int, int] | None = None
    aspect: float | None = Field(default=None, gt=0.1, lt=10.0)
    x: Keyed = 0.0
    y: Keyed = 0.0
    scale: Keyed = 1.0
    roll: Keyed = 0.0


class Reframing(Task):
    """Frames cropped to ``kept_share`` of their width and height, each drawn apart; the rest is to be found."""

    name = "reframing"
    lacks: ClassVar[Lack] = "borders"
    asks: ClassVar[type[Asked]] = FramingAsked
    trying_out: ClassVar[TryingOut] = TryingOut(long_side_px=PIXELS_PX, tie_db=0.1)

    def __init__(self, *, kept_share: Sequence[float] = (0.65, 0.9)) -> None:
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "task")
        if len(kept_share) != 2 or kept_share[0] > kept_share[1] or kept_share[0] >= 1.0:
            raise ConfigError("kept_share is a range of shares below 1", found=list(kept_share))
        self.kept_share = (float(kept_share[0]), float(kept_share[1]))

    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Crop every frame of the window alike, anywhere; what is cropped off is black."""
        height, width = frames.shape[-2:]
        low, high = self.kept_share
        draws = torch.rand(4, generator=generator).tolist()
        rows, columns = (
            max(8, min(size - 1, round(size * (low + draw * (high - low)))))
            for size, draw in ((height, draws[0]), (width, draws[1]))
        )
        top, left = round(draws[2] * (height - rows)), round(draws[3] * (width - columns))
        mask = torch.ones_like(frames[:, :1])
        mask[..., top : top + rows, left : left + columns] = 0.0
        known = torch.zeros_like(mask) if damage is None else (damage > 0).to(mask.dtype)
        return Example(
            input=torch.where(mask > 0, 0.0, frames),
            mask=torch.maximum(mask, known),
            target=frames,
            condition={"judged": mask * (1.0 - known)},
        )

    def lay_out(self, reader: FrameReader, asked: Asked, colour: PlateColour) -> LaidOut:
        """The plate in its new frame; ``ConfigError`` for a frame that shows nothing of it."""
        del colour
        assert isinstance(asked, FramingAsked)
        info = reader.info
        if (asked.size is None) == (asked.aspect is None):
            raise ConfigError(
                "reframing needs to be asked for a frame, by size or by aspect",
                found=f"ask={asked.model_dump(exclude_defaults=True)}",
                expected="ask={size: [2048,858]} or ask={aspect: 2.39}, and x, y, scale and roll as wanted",
            )
        size = asked.size
        if size is None:
            assert asked.aspect is not None
            stretched = asked.aspect / info.pixel_aspect
            wide = stretched > info.width / info.height
            size = (
                round(info.height * stretched / 2) * 2 if wide else info.width,
                info.height if wide else round(info.width / stretched / 2) * 2,
            )
        framing = Framing.of(size, (info.width, info.height), len(reader), asked.x, asked.y, asked.scale, asked.roll)
        return reframed(reader, framing)

    def hold_out(
        self, request: Example, keep: range, generator: torch.Generator, shift_share: tuple[float, float]
    ) -> Example | None:
        """The shot's own border, as much smaller as it must be to be laid over what all its frames show.

        So what is tried has the shape of what is wanted, and its truth is the plate's own pixels. None where the frames
        ``keep`` have no border, or nothing is shown by all frames.
        """
        del generator, shift_share
        height, width = request.mask.shape[-2:]
        known = (request.mask[:, 0] == 0).all(0)
        rows, columns = known.any(1).nonzero(), known.any(0).nonzero()
        if not len(rows):
            return None
        top, left = int(rows[0]), int(columns[0])
        across, down = int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top
        share = min(down / height, across / width)
        inner_height, inner_width = max(round(share * height), 1), max(round(share * width), 1)
        top, left = top + (down - inner_height) // 2, left + (across - inner_width) // 2
        inner = (..., slice(top, top + inner_height), slice(left, left + inner_width))
        # Nothing is resampled: what is soft would favour methods that average.
        truth = request.input[inner]
        # Turned frames leave gaps in their corners.
        gaps = request.mask[inner] > 0
        border = functional.interpolate((request.mask > 0).float(), (inner_height, inner_width), mode="nearest")
        judged = torch.zeros_like(border)
        judged[keep.start : keep.stop] = ((border > 0) & ~gaps)[keep.start : keep.stop].float()
        if not judged.any():
            return None
        mask = torch.where(gaps, 1.0, border)
        condition = {"judged": judged}
        if f"{LENT}_frames" in request.condition:
            corner = torch.tensor([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]], dtype=torch.float64)
            condition |= {name: value for name, value in request.condition.items() if name.startswith(LENT)}
            condition[f"{LENT}_homographies"] = request.condition[f"{LENT}_homographies"] @ corner
            # The middle, where people stand and move, must not say that the take is of another set.
            condition[f"{LENT}_are_known"] = torch.ones(())
        return Example(torch.where(mask > 0, 0.0, truth), mask, truth, condition)
