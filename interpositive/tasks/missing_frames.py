"""Missing frames: learn to make up frames from both sides by leaving out the production's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.media.contract import FrameReader
from interpositive.media.plate_colour import PlateColour
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack, Task
from interpositive.tasks.holding_out import PIXELS_PX, TryingOut
from interpositive.tasks.laying_out import Asked, LaidOut
from interpositive.tasks.retiming import (
    LONGEST_GAP,
    LONGEST_GAP_OF_SHOT,
    Speed,
    gap_opened,
    longest_gap,
    retimed,
    runs_of,
)

_BOUNDS: Bounds = {"gap_frames": (1, 64), "known_between": (2, 64)}
_AROUND, _BETWEEN = 2, 3
_MOST_TRIED = 8


class FramesAsked(Asked):
    """What may be asked for: frames to be made anew, frames to be put in, or another speed.

    ``gaps`` are half-open ranges of the shot's own frames, counted from 0, that are missing or spoilt. ``insert``
    is pairs of a frame and how many to put in after it. ``speed`` is frames of the footage for a delivered
    frame: one number, or pairs of a delivered frame and its speed, between which it changes evenly. ``shutter`` is
    the share of a delivered frame's time that its shutter is open.
    """

    gaps: list[tuple[int, int]] = Field(default_factory=list)
    insert: list[tuple[int, int]] = Field(default_factory=list)
    speed: Speed | None = None
    shutter: float = Field(default=0.0, ge=0.0, le=1.0)


class MissingFrames(Task):
    """Frames left out of a window; ``gap_frames`` at a time, with at least ``known_between`` between two gaps."""

    name = "missing_frames"
    lacks: ClassVar[Lack] = "frames"
    asks: ClassVar[type[Asked]] = FramesAsked
    # As many frames as the longest gap takes, with what helps on either side.
    trying_out: ClassVar[TryingOut] = TryingOut(reach=LONGEST_GAP // 2 + _AROUND, long_side_px=PIXELS_PX)

    def __init__(self, *, gap_frames: Sequence[int] = (1, 7), known_between: int = 3) -> None:
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "task")
        if len(gap_frames) != 2 or gap_frames[0] > gap_frames[1]:
            raise ConfigError("gap_frames is a range from short to long", found=list(gap_frames))
        self.gap_frames = (int(gap_frames[0]), int(gap_frames[1]))
        self.known_between = known_between

    def example(self, frames: Tensor, generator: torch.Generator, damage: Tensor | None = None) -> Example:
        """Leave frames out, short gaps as often as long ones; the frame that is nearest stands in their place.

        The middle of the window is always missing, for that is where held-out windows are judged.
        """
        num_frames = len(frames)
        around = _AROUND if num_frames >= 4 * _AROUND else 1
        left_out = np.zeros(num_frames, bool)
        first, end = around, num_frames - around

        def draw(most: int) -> int:
            low, high = np.log(self.gap_frames[0]), np.log(self.gap_frames[1] + 1)
            return min(most, int(np.exp(low + float(torch.rand((), generator=generator)) * (high - low))))

        def between() -> int:
            return self.known_between + int(torch.randint(3, (), generator=generator))

        if first < end:
            length = draw(end - first)
            middle = num_frames // 2 - int(torch.randint(length, (), generator=generator))
            middle = min(max(middle, first), end - length)
            left_out[middle : middle + length] = True
            after, before = middle + length + between(), middle - between()
            while after < end:
                length = draw(end - after)
                left_out[after : after + length] = True
                after += length + between()
            while before > first:
                length = draw(before - first)
                left_out[before - length : before] = True
                before -= length + between()
        made_up = torch.from_numpy(left_out.astype(np.float32))[:, None, None, None].expand_as(frames[:, :1])
        known = torch.zeros_like(frames[:, :1]) if damage is None else (damage > 0).to(torch.float32)
        return Example(
            input=frames[torch.from_numpy(nearest_known(left_out))],
            mask=torch.maximum(made_up, known),
            target=frames,
            condition={
                "judged": made_up * (1.0 - known),
                LONGEST_GAP_OF_SHOT: torch.full((num_frames,), longest_gap(left_out)),
            },
        )

    def lay_out(self, reader: FrameReader, asked: Asked, colour: PlateColour) -> LaidOut:
        """Gaps opened, or every delivered frame at its moment; ``ConfigError`` for what this shot does not have."""
        assert isinstance(asked, FramesAsked)
        if asked.speed is not None and not (asked.gaps or asked.insert):
            return retimed(reader, asked.speed, asked.shutter, colour)
        if asked.speed is None and (asked.gaps or asked.insert) and not asked.shutter:
            return gap_opened(reader, asked.gaps, asked.insert)
        raise ConfigError(
            "missing_frames needs to be asked for frames: either some of them, or another speed",
            found=f"ask={asked.model_dump(exclude_defaults=True)}",
            expected="ask={gaps: [[first,end]]}, ask={insert: [[after,num]]} or ask={speed: 0.5, shutter: 0.5}",
        )

    def hold_out(
        self, request: Example, keep: range, generator: torch.Generator, shift_share: tuple[float, float]
    ) -> Example | None:
        """Known frames left out all over the window, as in the shot's longest gap; of a retime, single ones."""
        del keep, shift_share
        if "sources" in request.condition:
            sources = request.condition["sources"]
            request = Example(sources, torch.zeros_like(sources[:, :1]))
        missing = request.mask.flatten(1).mean(1).numpy() > 0.5
        tried = left_out_too(missing, int(request.condition.get(LONGEST_GAP_OF_SHOT, torch.ones(1)).max()), generator)
        if not tried.any():
            return None
        judged = torch.zeros_like(request.mask)
        judged[torch.from_numpy(tried)] = 1.0
        return replace(
            request,
            input=request.input[torch.from_numpy(nearest_known(missing | tried))],
            mask=torch.maximum(request.mask, judged),
            target=request.input,
            condition={"judged": judged},
        )


def left_out_too(missing: NDArray[np.bool_], longest: int, generator: torch.Generator) -> NDArray[np.bool_]:
    """Of a window's known frames (``t``) those that are tried: gaps of ``longest`` frames, or as long as there is room.

    Each has two known frames on either side, or one, if no gap could be half as long otherwise; between two of them
    are ``_BETWEEN``. Of all places a few are drawn, so that about ``_MOST_TRIED`` frames are looked at. A gap that is
    less than half as long tells nothing: what holds a frame, or mixes two, does best where little moves.
    """
    runs = runs_of(~missing)
    most = max((end - first for first, end in runs), default=0)
    around = next((beside for beside in (_AROUND, 1) if 2 * (most - 2 * beside) >= longest), None)
    tried = np.zeros_like(missing)
    if around is None:
        return tried
    length = min(longest, most - 2 * around)
    step = length + _BETWEEN
    places: list[int] = []
    for first, end in runs:
        room = end - first - length - 2 * around
        if room >= 0:
            begin = first + around + int(torch.randint(min(step, room + 1), (), generator=generator))
            places += range(begin, first + around + room + 1, step)
    order = torch.randperm(len(places), generator=generator).tolist()
    for place in order[: max(1, _MOST_TRIED // length)]:
        tried[places[place] : places[place] + length] = True
    return tried


def nearest_known(left_out: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each frame the nearest that is not left out, itself if it is known; the earlier of two."""
    known = np.flatnonzero(~left_out)
    numbers = np.arange(len(left_out))
    if not len(known):
        return numbers
    nearest: NDArray[np.int64] = known[np.abs(numbers[:, None] - known[None]).argmin(1)]
    return nearest
