"""A new frame over a plate: where each frame of it lies, keyed over the shot, and what of the plate it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.errors import ConfigError
from interpositive.media.contract import FrameReader, Frames
from interpositive.tasks.laying_out import LaidOut, LaidOutReader, MadeMask

Keyed = float | list[tuple[int, float]]
_LARGEST = 16_384


@dataclass(frozen=True)
class Framing:
    """A frame of ``size`` (width, height) over a plate: each frame's ``x``, ``y``, ``scale`` and ``roll`` (degrees).

    Without scale and roll the plate is placed by whole pixels.
    """

    size: tuple[int, int]
    plate: tuple[int, int]
    path: NDArray[np.float64]

    @staticmethod
    def of(
        size: tuple[int, int], plate: tuple[int, int], num_frames: int, x: Keyed, y: Keyed, scale: Keyed, roll: Keyed
    ) -> Framing:
        """From keys; ``ConfigError`` for what no frame can be."""
        if min(size) < 16 or max(size) > _LARGEST or any(side % 2 for side in size):
            raise ConfigError("ask.size is no frame", found=list(size), expected=f"even numbers from 16 to {_LARGEST}")
        path = np.stack([_along(keys, num_frames) for keys in (x, y, scale, roll)], -1)
        if not (np.isfinite(path).all() and (path[:, 2] >= 0.05).all() and (path[:, 2] <= 20).all()):
            raise ConfigError("ask.scale enlarges the plate by 0.05 to 20", found=scale)
        framing = Framing(size, plate, path)
        shown = [framing.mask(number).min() == 0 for number in {0, num_frames // 2, num_frames - 1}]
        if not all(shown):
            raise ConfigError(
                "the new frame shows nothing of the plate",
                found=f"x={x}, y={y}",
                expected=f"a frame of {size[0]}x{size[1]} that overlaps one of {plate[0]}x{plate[1]}",
            )
        return framing

    @property
    def resamples(self) -> bool:
        """Whether any frame is scaled or turned."""
        return bool((self.path[:, 2] != 1.0).any() or (self.path[:, 3] != 0.0).any())

    def matrix(self, number: int) -> NDArray[np.float64]:
        """Carries pixels of the plate into the new frame, ``2 3``."""
        x, y, scale, roll = self.path[number]
        turn = np.deg2rad(roll)
        linear = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        centre = (np.array(self.plate) - 1) / 2 + (x, y)
        offset = (np.array(self.size) - 1) / 2 - linear @ centre
        if not self.resamples:
            offset = np.floor(offset + 0.5)
        return np.concatenate((linear, offset[:, None]), 1)

    def place(self, frame: Frames, number: int) -> Frames:
        """A frame ``h w 3`` of the plate in the new frame; black beyond it."""
        if self.resamples:
            return cast(Frames, cv2.warpAffine(frame, self.matrix(number), self.size, flags=cv2.INTER_CUBIC))
        inner, outer = self._overlap(number)
        placed = cast(Frames, np.zeros((self.size[1], self.size[0], 3), frame.dtype))
        placed[outer] = frame[inner]
        return placed

    def mask(self, number: int) -> NDArray[np.float32]:
        """1 where a frame shows what the plate does not have, ``h w``; where it is resampled, its edge too."""
        mask = np.ones((self.size[1], self.size[0]), np.float32)
        if not self.resamples:
            mask[self._overlap(number)[1]] = 0.0
            return mask
        # Cubic reading takes two pixels on either side.
        whole = np.zeros((self.plate[1], self.plate[0]), np.float32)
        whole[2:-2, 2:-2] = 1.0
        shown = cv2.warpAffine(whole, self.matrix(number), self.size, flags=cv2.INTER_LINEAR)
        mask[shown >= 1.0 - 1e-3] = 0.0
        return mask

    def _overlap(self, number: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        inner, outer = [], []
        for shift, new, old in zip(self.matrix(number)[:, 2].astype(int), self.size, self.plate, strict=True):
            first, last = max(0, shift), min(new, old + shift)
            outer.append(slice(first, max(first, last)))
            inner.append(slice(first - shift, max(first, last) - shift))
        return (inner[1], inner[0]), (outer[1], outer[0])


def reframed(reader: FrameReader, framing: Framing) -> LaidOut:
    """The plate laid out in a new frame; what it does not show is mask."""

    def read(start: int, stop: int) -> Frames:
        codes = reader.window(start, stop)
        return cast(Frames, np.stack([framing.place(frame, start + n) for n, frame in enumerate(codes)]))

    def make(start: int, stop: int) -> NDArray[np.float32]:
        return np.stack([framing.mask(number) for number in range(start, stop)])

    width, height = framing.size
    kept = (
        "scaled or turned, by cubic interpolation: pixels outside the mask are those of the resampled plate"
        if framing.resamples
        else "placed by whole pixels: those outside the mask are the plate's own, bit for bit"
    )
    note = f"{reader.info.width}x{reader.info.height} is reframed to {width}x{height}; the plate is {kept}"
    return LaidOut(LaidOutReader(reader, read, size=framing.size), MadeMask(make), notes=(note,))


def _along(keys: Keyed, num_frames: int) -> NDArray[np.float64]:
    given: Sequence[tuple[int, float]] = sorted(keys) if isinstance(keys, list) else [(0, keys)]
    if not given:
        raise ConfigError("a path needs a key", found=keys, expected="a number, or pairs of a frame and a number")
    frames, values = np.array([frame for frame, _ in given], float), np.array([value for _, value in given], float)
    return np.asarray(np.interp(np.arange(num_frames), frames, values), np.float64)
