"""Colour match: bring a shot to the look of a reference, learned from grades taken off the production's own takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.grades import random_grade, ungraded
from interpositive.media.contract import FrameReader
from interpositive.media.opening import open_reader
from interpositive.media.plate_colour import PlateColour
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack, Task
from interpositive.tasks.laying_out import Asked, Condition, LaidOut, whole_frames

REFERENCE_SIDE_PX = 256
_NUM_LOOKED_AT = 6
_BOUNDS: Bounds = {
    "stops": (0.0, 4.0),
    "offset": (0.0, 1.0),
    "power": (0.0, 1.0),
    "tint": (0.0, 1.0),
    "saturation": (0.0, 1.0),
    "view_share": (0.1, 1.0),
    "num_reference_frames": (1, 16),
}


class AskedOfColorMatch(Asked):
    """The ``reference`` whose look the shot is given: a movie or a folder of frames, or ``frames`` of it."""

    reference: Path | None = None
    frames: tuple[int, int] | None = None


class ColorMatch(Task):
    """A window from which a random grade was taken, and pictures of its set-up that still have it.

    The grade's slopes reach ``stops`` (a factor of two each) up and down, its offsets ``offset``, the logarithms of its
    powers ``power`` and of its saturation ``saturation``; a share ``tint`` of each is the channels' own.
    ``num_reference_frames`` frames of the window, each seen through a view of ``view_share`` of the frame and
    sometimes mirrored, are the reference: other content of the same set, as another take has it.
    """

    name = "color_match"
    lacks: ClassVar[Lack] = "look"
    asks = AskedOfColorMatch

    def __init__(
        self,
        *,
        stops: float = 0.6,
        offset: float = 0.06,
        power: float = 0.3,
        tint: float = 0.4,
        saturation: float = 0.35,
        view_share: Sequence[float] = (0.5, 0.9),
        num_reference_frames: int = 4,
    ) -> None:
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "task")
        if len(view_share) != 2 or view_share[0] > view_share[1]:
            raise ConfigError("view_share is a range", found=list(view_share), expected="[low, high]")
        self.reaches = {"stops": stops, "offset": offset, "power": power, "tint": tint, "saturation": saturation}
        self.view_share = (float(view_share[0]), float(view_share[1]))
        self.num_reference_frames = num_reference_frames

    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Take a random grade off the window; see :class:`interpositive.tasks.contract.Task`.

        ``condition["reference"]`` is ``t n 3 h w``, the same for every frame. What the grade would have cut off is
        not judged.
        """
        grade = random_grade(generator, **self.reaches)
        flat = ungraded(frames.float().flatten(2), grade).reshape(frames.shape)
        low, high = min(0.0, float(frames.min())), max(1.0, float(frames.max()))
        off_scale = ((flat < low) | (flat > high)).any(1, keepdim=True).to(frames.dtype)
        mask = torch.ones_like(frames[:, :1])
        known = torch.zeros_like(mask) if damage is None else (damage > 0).to(mask.dtype)
        return Example(
            input=flat.clamp(low, high),
            mask=mask,
            target=frames,
            condition={
                "judged": mask * (1.0 - known) * (1.0 - off_scale),
                "reference": by_frame(self._views(frames, generator), len(frames)),
            },
        )

    def lay_out(self, reader: FrameReader, asked: Asked, colour: PlateColour) -> LaidOut:
        """The plate as it is, all of which may change; pictures of it and of its reference are told of every frame.

        ``ConfigError`` without a reference. The reference's codes are read by its own encoding where the mini-model
        works in one.
        """
        assert isinstance(asked, AskedOfColorMatch)
        if asked.reference is None:
            raise ConfigError(
                "a shot is matched to the look of a reference",
                found="ask.reference=null",
                expected="ask={reference: <movie or folder of frames>}",
            )
        with closing(open_reader(asked.reference)) as opened:
            first, last = asked.frames or (0, len(opened))
            if not 0 <= first < last <= len(opened):
                raise ConfigError(
                    "ask.frames are not in the reference", found=[first, last], expected=f"frames of 0 to {len(opened)}"
                )
            own = PlateColour(opened.info.encoding, colour.model)
            reference = _spaced_pictures(opened, first, last, _NUM_LOOKED_AT, own)
        shot = _spaced_pictures(reader, 0, len(reader), _NUM_LOOKED_AT, colour)

        def condition(start: int, stop: int) -> Condition:
            return {"reference": by_frame(reference, stop - start), "shot_pictures": by_frame(shot, stop - start)}

        return LaidOut(reader, whole_frames(reader.info), condition, notes=(f"matched to {asked.reference}",))

    def tell(self, frames: Tensor) -> Condition:
        """Pictures of the whole shot, so that every window of it is given one and the same grade."""
        places = _spaced(0, len(frames), _NUM_LOOKED_AT)
        size = reference_size(*frames.shape[-2:])
        return {"shot_pictures": by_frame(F.interpolate(frames[places].float(), size=size, mode="area"), len(frames))}

    def hold_out(
        self, request: Example, keep: range, generator: torch.Generator, shift_share: tuple[float, float]
    ) -> Example | None:
        """A grade taken off the shot itself: what finds it from other views of the shot is to be trusted."""
        del shift_share
        made = self.example(request.input, generator)
        looked_at = torch.zeros_like(request.mask)
        looked_at[keep.start : keep.stop] = 1.0
        return replace(made, condition={**made.condition, "judged": looked_at * made.condition["judged"]})

    def _views(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        height, width = frames.shape[-2:]
        views = []
        for _ in range(self.num_reference_frames):
            number = int(torch.randint(len(frames), (1,), generator=generator))
            share, down, across, side = torch.rand(4, generator=generator).tolist()
            share = self.view_share[0] + share * (self.view_share[1] - self.view_share[0])
            rows, columns = max(8, round(share * height)), max(8, round(share * width))
            top, left = round(down * (height - rows)), round(across * (width - columns))
            view = frames[number, :, top : top + rows, left : left + columns]
            views.append(view.flip(-1) if side < 0.25 else view)
        size = reference_size(height, width)
        return torch.stack([F.interpolate(v[None].float(), size=size, mode="area")[0] for v in views])


def _spaced_pictures(reader: FrameReader, first: int, last: int, num: int, colour: PlateColour) -> Tensor:
    """Some frames over a range, small, as values ``n 3 h w``."""
    pictures = []
    for place in _spaced(first, last, num):
        values = torch.from_numpy(colour.to_values(reader.window(place, place + 1)[0])).permute(2, 0, 1)[None]
        pictures.append(F.interpolate(values, size=reference_size(*values.shape[-2:]), mode="area")[0])
    return torch.stack(pictures)


def _spaced(first: int, last: int, num: int) -> list[int]:
    """At most ``num`` frames from ``first`` to the last before ``last``."""
    return sorted({round(first + (last - 1 - first) * share / max(1, num - 1)) for share in range(num)})


def reference_size(height: int, width: int) -> tuple[int, int]:
    """What a reference of that raster is brought to, ``(height, width)``."""
    scale = min(1.0, REFERENCE_SIDE_PX / max(height, width))
    return max(8, round(height * scale)), max(8, round(width * scale))


def by_frame(pictures: Tensor, num_frames: int) -> Tensor:
    """The same pictures ``n 3 h w`` told of every frame, ``t n 3 h w``, without a copy."""
    return pictures[None].expand(num_frames, *pictures.shape)
