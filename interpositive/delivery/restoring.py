"""A mini-model over a shot of any length, window by window, in memory that does not grow with it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.delivery.filled_frame import FilledFrame, RestoredFrame, as_picture
from interpositive.functional.examples import Example
from interpositive.functional.freed_memory import give_back_freed_memory
from interpositive.functional.grain import Grain, measure_grain
from interpositive.functional.seeds import seed_from
from interpositive.functional.threads import in_turn
from interpositive.functional.windows import Window, WindowJoiner, plan_windows
from interpositive.media.contract import Frames
from interpositive.media.plate_colour import AS_STORED, PlateColour
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.tasks.laying_out import ReadCondition, nothing_more

GrainChoice = Literal["match", "as_filled"]
_LEAST_FRAMES = 4
_PICTURE_BYTES = 3 * 4
_HELD_BYTES = _PICTURE_BYTES + 4
"""Of a pixel: its values, and its mask or how sure one is of it."""
_SHARE_OF_CODES = 9 / 16
"""Of the memory: seven frames of 8 bit at 1080 lines are restored at a time, six of them new, for lenders to 18."""
_READ_AT_ONCE = 4
_GRAIN_EVERY = 8
"""Frames that grain is measured once for: its stock stays the same along a shot, and it is known by level of light."""
ReadFrames = Callable[[int, int], Frames]
ReadMask = Callable[[int, int], NDArray[np.float32]]


@dataclass(frozen=True)
class WindowPlan:
    """``size`` frames are restored at a time, ``overlap`` of them shared with the next window.

    ``reach`` more on each side lend pixels; None takes what the mini-model asks for. Where the pictures that are held
    at a time would take more than ``most_mib``, fewer are restored at a time and share fewer, 4 at least: values and
    mask of each frame that is read, a result of each that is restored, and those that are kept beside it.
    """

    size: int = 24
    overlap: int = 4
    reach: int | None = None
    most_mib: int = 1024

    def reaching(self, reach: int | None) -> WindowPlan:
        """The same with a reach for a shot, where none was set; None leaves that to the mini-model."""
        return self if reach is None or self.reach is not None else replace(self, reach=reach)

    def windows(
        self, num_frames: int, reach: int, height: int, width: int, num_kept: int = 0, held_bytes: int = _HELD_BYTES
    ) -> list[Window]:
        """The windows of a shot of that raster, whose frames lend pixels over ``reach``.

        ``num_kept`` whole pictures of each restored frame are kept until it is given out; a pixel of each frame that
        is read takes ``held_bytes``. Where these are codes some of the memory is left for what becomes of them.
        """
        share = 1.0 if held_bytes == _HELD_BYTES else _SHARE_OF_CODES
        per_pixel = share * (self.most_mib << 20) / (height * width)
        a_frame = held_bytes + _HELD_BYTES + num_kept * _PICTURE_BYTES
        at_once = (per_pixel - 2 * reach * held_bytes) / a_frame
        size = min(self.size, max(int(at_once), _LEAST_FRAMES))
        # Of fewer frames as many fewer are shared, but one is where any was asked for.
        shared = max(round(self.overlap * size / max(self.size, 1)), min(self.overlap, 1))
        return plan_windows(num_frames, size, min(shared, size // 2), reach)


def restore_shot(
    read_frames: ReadFrames,
    read_mask: ReadMask,
    num_frames: int,
    mini_model: MiniModel,
    methods: Sequence[str],
    plan: WindowPlan,
    *,
    read_condition: ReadCondition = nothing_more,
    colour: PlateColour = AS_STORED,
    grain: GrainChoice = "as_filled",
) -> Iterator[RestoredFrame]:
    """Restore every frame by each method, in order; the confidence is the first method's.

    Windows say which shot's they are, and where in it they begin (``condition["shot"]``, ``["first_frame"]``).
    Codes outside the mask are the plate's own; what is restored comes back through ``colour`` from
    the values that the mini-model works on. Windows overlap and fade into one another. With ``grain`` match the first
    method's fill is given the grain that it lacks; where a mini-model sees what is under the mask, that has its own.
    """
    reach = mini_model.reach_frames if plan.reach is None else plan.reach
    buffered = _Buffer(read_frames, read_mask, colour, mini_model.reads_codes)
    first = buffered.codes(0)
    shot = seed_from("shot", num_frames, hashlib.sha256(np.ascontiguousarray(first).tobytes()).hexdigest())
    # Of a repair little is kept; a correction of what is there is as large as the frame.
    num_kept = 0 if mini_model.hides_masked else len(methods)
    height, width = first.shape[:2]
    windows = plan.windows(num_frames, reach, height, width, num_kept, buffered.held_bytes)
    buffered.reserve(max(window.last - window.first for window in windows), height, width)
    joiners = {method: WindowJoiner() for method in methods}
    confidence_joiner = WindowJoiner()
    provenance = _Provenance()
    stock, matches = _Stock(buffered, read_frames, read_mask, num_frames), grain == "match" and mini_model.hides_masked
    for index, window in enumerate(windows):
        next_start = windows[index + 1].start if index + 1 < len(windows) else None
        condition = dict(read_condition(window.first, window.last))
        condition |= {"shot": torch.tensor(shot), "first_frame": torch.tensor(window.first)}
        example = Example(*buffered.window(window.first, window.last), condition=condition)
        restored = mini_model.restore(example, window.keep, methods)
        holes = [buffered.mask(number) > 0 for number in range(window.start, window.stop)]
        joined: dict[str, dict[int, Tensor]] = {}
        for method in methods:
            given = restored[method]
            fills = [hole_pixels(frame, hole) for frame, hole in zip(given.frames.cpu(), holes, strict=True)]
            joined[method] = dict(joiners[method].join(window.start, fills, next_start))
            if method == methods[0]:
                sure = dict(confidence_joiner.join(window.start, given.confidence.cpu(), next_start))
                provenance.note(window.start, given, condition.get("lent_places"))
            del given, fills
        # What the next window takes memory for, this one is to have given back.
        del example, restored, holes
        give_back_freed_memory()
        to_finish = (
            FilledFrame(
                number,
                buffered.give_codes(number),
                buffered.mask(number),
                buffered.values(number),
                {method: joined[method].pop(number) for method in methods},
                stock.at(number, window) if matches else None,
                seed_from("grain", shot, number),
                sure.pop(number),
                *provenance.of(number),
            )
            for number in sorted(sure)
        )
        # Side by side, for the windows' frames are; not all at once, for they are large.
        for frame in in_turn(lambda each: each.finished(colour), to_finish):
            yield frame
            # What a frame was measured and encoded with.
            give_back_freed_memory()


class _Stock:
    """The grain of a plate along a shot, measured every few frames against the frame before."""

    def __init__(self, buffered: _Buffer, read_frames: ReadFrames, read_mask: ReadMask, num_frames: int) -> None:
        self._buffered, self._read_frames, self._read_mask = buffered, read_frames, read_mask
        self._num_frames, self._until = num_frames, 0
        self._found: Grain | None = None

    def at(self, number: int, window: Window) -> Grain | None:
        """That of a frame, in the order of frames; what was found before where nothing is to be repaired."""
        hole = self._buffered.mask(number) > 0
        if number >= self._until and hole.any():
            other = number - 1 if number else min(1, self._num_frames - 1)
            if window.first <= other < window.last:
                beside, hidden = self._buffered.values(other), self._buffered.mask(other)
            else:
                colour = self._buffered.colour
                beside = frames_to_values(self._read_frames(other, other + 1), colour)
                hidden = self._read_mask(other, other + 1)[0]
            here = as_picture(self._buffered.values(number))
            self._found = measure_grain(here, hole, (as_picture(beside), hidden > 0))
            self._until = number + _GRAIN_EVERY
        return self._found


class _Provenance:
    """Where each frame's pixels came from, until it is given out; where windows overlap, what either took counts."""

    def __init__(self) -> None:
        self._lent: dict[int, dict[tuple[int, int], float]] = defaultdict(dict)
        self._seen: dict[int, int] = {}

    def note(self, start: int, restored: Restored, places: Tensor | None) -> None:
        """What a window's first method says of its frames, of which the first is ``start``."""
        if restored.seen is not None:
            for number, seen in enumerate(restored.seen.tolist(), start):
                self._seen[number] = max(seen, self._seen.get(number, 0))
        if restored.lent is None or places is None:
            return
        for number, pixels in enumerate(restored.lent.tolist(), start):
            found: dict[tuple[int, int], float] = defaultdict(float)
            for (take, frame), lent in zip(places.tolist(), pixels, strict=True):
                found[take, frame] += lent
            before = self._lent[number]
            before.update({place: max(lent, before.get(place, 0.0)) for place, lent in found.items()})

    def of(self, number: int) -> tuple[Mapping[tuple[int, int], float], int | None]:
        """What is known of a frame, which is not asked for again."""
        return self._lent.pop(number, {}), self._seen.pop(number, None)


def hole_pixels(frame: Tensor, hole: NDArray[np.bool_]) -> Tensor:
    """The pixels ``3 m`` of a frame ``3 h w`` in a hole ``h w``, in the order of its rows."""
    return frame.flatten(1) if hole.all() else frame[:, torch.from_numpy(hole)]


def frames_to_values(frames: Frames, colour: PlateColour) -> Tensor:
    """Codes ``t h w 3`` as the values ``t 3 h w`` that a mini-model works on; see :class:`PlateColour`."""
    return rearrange(torch.from_numpy(colour.to_values(frames)), "t h w c -> t c h w").contiguous()


def frames_to_float(frames: Frames, encoding: str = "") -> Tensor:
    """Codes ``t h w 3`` at full scale, ``t 3 h w``, to be measured; what is not a number becomes 0.

    In [0, 1] where the encoding is not known: nobody can say what light beyond would look like.
    """
    values = frames_to_values(frames, AS_STORED)
    return values if encoding else values.clamp_(0.0, 1.0)


def changed_pixels(found: Frames, plate: Frames) -> NDArray[np.bool_]:
    """Where a picture ``h w 3`` differs from the plate, ``h w``; what is not a number in both does not differ."""
    differs = found != plate
    if plate.dtype.kind == "f":
        differs &= ~(np.isnan(found) & np.isnan(plate))
    changed: NDArray[np.bool_] = differs.any(-1)
    return changed


class _Buffer:
    """Frames and their masks, so that what windows share is not decoded twice.

    They are kept in one place, where the next window's move up: no window is ever there twice. Where a mini-model reads
    codes they are kept as such, and of a mask where it is and what it is there; else as values and masks, and codes
    where they do not follow from these: those of 8 or 16 bit that nothing converts do, to the last bit.
    """

    def __init__(self, read_frames: ReadFrames, read_mask: ReadMask, colour: PlateColour, reads_codes: bool) -> None:
        self._read_frames, self._read_mask, self.colour = read_frames, read_mask, colour
        self._reads_codes = reads_codes
        self._dtype: np.dtype[Any] = np.dtype(np.float32)
        self._first = 0
        self._num = 0
        self._codes: dict[int, Frames] = {}
        self._shares: dict[int, NDArray[np.float32]] = {}
        self._held: NDArray[Any] = np.zeros(0, np.float32)
        self._masks: NDArray[Any] = np.zeros(0, np.float32)

    @property
    def _coded(self) -> bool:
        return self._reads_codes and self._dtype.kind == "u" and not self.colour.converts

    @property
    def held_bytes(self) -> int:
        """What a pixel of each frame takes, known once one was read."""
        return 3 * self._dtype.itemsize + 1 if self._coded else _HELD_BYTES

    def reserve(self, num: int, height: int, width: int) -> None:
        """Have room for so many frames at a time."""
        before, masks_before = self._held[: self._num], self._masks[: self._num]
        if self._coded:
            self._held, self._masks = (
                np.empty((num, height, width, 3), self._dtype),
                np.empty((num, height, width), bool),
            )
        else:
            self._held, self._masks = (
                np.empty((num, *shape), np.float32) for shape in ((3, height, width), (height, width))
            )
        if self._num:
            self._held[: self._num], self._masks[: self._num] = before, masks_before

    def codes(self, number: int) -> Frames:
        """A frame's codes ``h w 3``; read if it is the next one."""
        self._read_to(number + 1)
        return self._codes[number] if number in self._codes else self._codes_held(number)

    def give_codes(self, number: int) -> Frames:
        """The same, for the last time."""
        return self._codes.pop(number) if number in self._codes else self._codes_held(number)

    def _codes_held(self, number: int) -> Frames:
        held = self._held[number - self._first]
        if self._coded:
            codes: Frames = held.copy()
            return codes
        top = np.float32(np.iinfo(self._dtype).max)
        return cast(Frames, np.rint(np.ascontiguousarray(held.transpose(1, 2, 0)) * top).astype(self._dtype))

    def mask(self, number: int) -> NDArray[np.float32]:
        """A frame's mask ``h w``, the caller's own."""
        mask: NDArray[np.float32] = self._masks[number - self._first].astype(np.float32)
        if self._coded:
            mask[self._masks[number - self._first]] = self._shares[number]
        return mask

    def values(self, number: int) -> Tensor:
        """A frame's values ``1 3 h w``, to be read until the next window is asked for."""
        place = number - self._first
        if self._coded:
            return frames_to_values(self._held[place : place + 1], self.colour)
        return torch.from_numpy(self._held[place : place + 1])

    def window(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Values or codes ``t 3 h w`` and masks ``t 1 h w``, to be read until the next window is asked for."""
        self._drop_before(first)
        self._read_to(last)
        held, masks = (torch.from_numpy(each[: last - first]) for each in (self._held, self._masks))
        return held.permute(0, 3, 1, 2) if self._coded else held, masks[:, None]

    def _drop_before(self, first: int) -> None:
        gone = min(max(first - self._first, 0), self._num)
        self._num -= gone
        if gone:
            for place in range(self._num):
                self._held[place] = self._held[place + gone]
                self._masks[place] = self._masks[place + gone]
        self._shares = {number: shares for number, shares in self._shares.items() if number >= first}
        self._first = max(first, self._first)

    def _read_to(self, last: int) -> None:
        # A few at a time: as they come they take as much again, and masks four times what is kept of them.
        for start in range(self._first + self._num, last, _READ_AT_ONCE):
            self._read(start, min(start + _READ_AT_ONCE, last))

    def _read(self, start: int, last: int) -> None:
        frames, masks = self._read_frames(start, last), self._read_mask(start, last)
        self._dtype = frames.dtype
        num = last - self._first
        if num > len(self._held):
            self.reserve(num, *frames.shape[1:3])
        for number, (frame, mask) in enumerate(zip(frames, masks, strict=True), start=start):
            place = number - self._first
            if self._coded:
                self._held[place], self._masks[place] = frame, mask > 0
                self._shares[number] = mask[mask > 0]
                continue
            self._held[place], self._masks[place] = frames_to_values(frame[None], self.colour)[0].numpy(), mask
            if self.colour.converts or frame.dtype.kind != "u":
                self._codes[number] = frame
        self._num = num
