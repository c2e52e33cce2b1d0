"""Gaps opened in a plate, and another speed: which moment of the footage each delivered frame shows."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.media.contract import FrameReader, Frames
from interpositive.media.plate_colour import PlateColour
from interpositive.tasks.laying_out import LaidOut, LaidOutReader, MadeMask

Speed = float | list[tuple[int, float]]

LONGEST_GAP = 16
LONGEST_GAP_OF_SHOT = "longest_gap"
"""In a condition: frames in the longest gap of the whole shot, told of each frame."""
_AROUND = 2
_SLOWEST, _FASTEST = 1 / 32, 32.0
_AS_GOOD_AS_THERE = 1e-6
_MOST_FRAMES = 1_000_000


def gap_opened(reader: FrameReader, gaps: Sequence[tuple[int, int]], insert: Sequence[tuple[int, int]]) -> LaidOut:
    """The plate with frames to be made anew, or put in; in their place lies the nearest known frame."""
    num = len(reader)
    missing = np.zeros(num, bool)
    for first, end in gaps:
        if not 0 <= first < end <= num:
            raise ConfigError(
                "ask.gaps names frames that the shot does not have",
                found=f"[{first}, {end}]",
                expected=f"half-open ranges within 0 to {num}",
            )
        missing[first:end] = True
    order: list[int] = list(np.where(missing, -1, np.arange(num)))
    for after, count in sorted(insert, reverse=True):
        if not 0 <= after < num - 1 or not 1 <= count <= LONGEST_GAP:
            raise ConfigError(
                "ask.insert names no place between two frames of the shot",
                found=f"[{after}, {count}]",
                expected=f"pairs of a frame from 0 to {num - 2}, and how many (1 to {LONGEST_GAP}) follow it",
            )
        order[after + 1 : after + 1] = [-1] * count
    places = np.asarray(order)
    unknown = places < 0
    _refuse_long(unknown)
    known = np.flatnonzero(~unknown)
    held = places[known[np.abs(np.arange(len(places))[:, None] - known[None]).argmin(1)]]
    mask = _mask_of(reader, unknown)
    plate = LaidOutReader(reader, lambda start, stop: _read_all(reader, held[start:stop]), num_frames=len(places))
    notes = [f"{int(unknown.sum())} frames are made up: {_ranges(unknown)} of those delivered, counted from 0"]
    if len(places) != num:
        notes.append(f"{len(places) - num} frames were put in: timecode counts the delivered frames on")
    speed = "1/1" if len(places) == num else None
    longest = longest_gap(unknown)

    def condition(first: int, last: int) -> dict[str, Tensor]:
        return {LONGEST_GAP_OF_SHOT: torch.full((last - first,), longest)}

    return LaidOut(plate, mask, condition, speed=speed, notes=tuple(notes), reach=_reach_of(unknown))


def retimed(reader: FrameReader, speed: Speed, shutter: float, colour: PlateColour) -> LaidOut:
    """The plate at another speed; a delivered frame that falls on one of the footage is that frame, bit for bit.

    With a shutter that is open for a time every frame is made anew. ``condition`` has ``sources`` (``n 3 h w``), frames
    of the footage about the window, their ``source_times``, the ``times`` of the window's frames and how long
    the ``shutter`` is open, all in frames of the footage.
    """
    times, speeds = moments(speed, len(reader))
    nearest = np.rint(times).astype(np.int64).clip(0, len(reader) - 1)
    made_up = np.abs(times - nearest) > _AS_GOOD_AS_THERE
    opened = shutter * np.abs(speeds)
    made_up |= opened > 0

    def condition(first: int, last: int) -> dict[str, Tensor]:
        low = max(0, int(np.floor((times - opened / 2)[first:last].min())) - _AROUND)
        high = min(len(reader), int(np.ceil((times + opened / 2)[first:last].max())) + _AROUND + 1)
        codes = reader.window(low, high)
        sources = torch.empty(len(codes), 3, *codes.shape[1:3])
        # One by one: never are all there twice.
        for place, frame in enumerate(codes):
            sources[place] = rearrange(torch.from_numpy(colour.to_values(frame)), "h w c -> c h w")
        return {
            "sources": sources,
            "source_times": torch.arange(low, high, dtype=torch.float64),
            "times": torch.from_numpy(times[first:last]),
            "shutter": torch.from_numpy(opened[first:last]),
        }

    plate = LaidOutReader(reader, lambda start, stop: _read_all(reader, nearest[start:stop]), num_frames=len(times))
    constant = not isinstance(speed, list)
    how = f"at speed {speed}" if constant else "by a speed curve"
    return LaidOut(
        plate,
        _mask_of(reader, made_up),
        condition,
        speed=str(Fraction(speed).limit_denominator(1000)) if not isinstance(speed, list) else None,
        notes=(
            f"{len(reader)} frames are retimed {how} to {len(times)}, of which {int((~made_up).sum())} are the "
            f"footage's own; the shutter is open for {shutter:g} of a frame",
        ),
        # What helps is among the sources.
        reach=0,
    )


def moments(speed: Speed, num_frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The moment of the footage that each delivered frame shows, and the speed there; to the footage's last frame."""
    keys = sorted(speed) if isinstance(speed, list) else [(0, float(speed))]
    wrong = [value for _, value in keys if not _SLOWEST <= value <= _FASTEST]
    if wrong or not keys or keys[0][0] < 0 or len({frame for frame, _ in keys}) < len(keys):
        raise ConfigError(
            "ask.speed is no speed that footage can be shown at",
            found=speed,
            expected=f"a number from {_SLOWEST:g} to {_FASTEST:g}, or pairs of a delivered frame and such a number",
        )
    places, values = np.array([frame for frame, _ in keys]), np.array([value for _, value in keys])
    longest = int(min(_MOST_FRAMES, np.ceil(num_frames / values.min()) + 1))
    speeds = np.interp(np.arange(longest), places, values)
    steps = 0.5 * (speeds[1:] + speeds[:-1])
    times = np.concatenate(([0.0], np.cumsum(steps)))
    within = times <= num_frames - 1 + _AS_GOOD_AS_THERE
    return times[within].clip(0, num_frames - 1), speeds[within]


def _mask_of(reader: FrameReader, made_up: NDArray[np.bool_]) -> MadeMask:
    def make(start: int, stop: int) -> NDArray[np.float32]:
        mask = np.zeros((stop - start, reader.info.height, reader.info.width), np.float32)
        mask[made_up[start:stop]] = 1.0
        return mask

    return MadeMask(make)


def _read_all(reader: FrameReader, numbers: NDArray[np.int64]) -> Frames:
    low = int(numbers.min())
    codes: Frames = reader.window(low, int(numbers.max()) + 1)[numbers - low]
    return codes


def _refuse_long(unknown: NDArray[np.bool_]) -> None:
    if unknown[0] or unknown[-1]:
        raise ConfigError(
            "a gap needs a frame on either side",
            found="a gap at the beginning or the end of the shot",
            expected="gaps within the shot",
            remedy="take more of the take (frames=[first,end]), or cut the shot shorter",
        )
    longest = longest_gap(unknown)
    if longest > LONGEST_GAP:
        raise ConfigError("this gap is too long to be filled", found=f"{longest} frames", expected=f"<= {LONGEST_GAP}")


def longest_gap(missing: NDArray[np.bool_]) -> int:
    """How many frames (``t``) are missing in a row, at most."""
    return max((end - first for first, end in runs_of(missing)), default=0)


def runs_of(frames: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The half-open ranges of those frames (``t``) that are true, in a row each."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], frames.astype(np.int8), [0])))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _reach_of(unknown: NDArray[np.bool_]) -> int:
    """How far a frame that is made up lies from what it is made of: as many known frames on either side as help."""
    known = np.flatnonzero(~unknown)
    reach = 0
    for number in np.flatnonzero(unknown):
        first_after = int(np.searchsorted(known, number))
        around = known[max(0, first_after - _AROUND) : first_after + _AROUND]
        reach = max(reach, int(np.abs(around - number).max()))
    return reach


def _ranges(unknown: NDArray[np.bool_]) -> str:
    return ", ".join(f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in runs_of(unknown))
