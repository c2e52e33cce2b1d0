"""A request at apply time: the plate as it will be delivered, where it may change, and what else is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from interpositive.media.contract import FrameReader, Frames, MaskSource, MediaInfo, check_window
from interpositive.records.delivery_manifest import LendingTake

Condition = Mapping[str, Tensor]
ReadCondition = Callable[[int, int], Condition]


class Asked(BaseModel):
    """What may be asked of a task for one shot; of most, nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def nothing_more(first: int, last: int) -> Condition:
    """No condition, for any window."""
    del first, last
    return {}


def nothing_open() -> None:
    """There is nothing to close."""


@dataclass(frozen=True)
class LaidOut:
    """A plate laid out as it will be delivered.

    ``plate`` may have more frames than the footage, or another raster. ``mask`` is what the request itself says may
    change; None where that is for the user to say. Outside the mask the delivery is the laid-out plate bit for bit.
    ``condition(first, last)`` is whatever else a mini-model is told of the window ``first <= n < last``, tensors
    in the values that it works on. ``speed`` is how many frames of the footage one delivered frame takes, None if that
    changes on the way. ``notes`` say what was done, for the manifest. ``lenders`` are other takes that the condition
    shows, and ``close`` closes them. ``reach`` is how many frames on either side help here, None if that is for the
    mini-model to say.
    """

    plate: FrameReader
    mask: MaskSource | None = None
    condition: ReadCondition = nothing_more
    speed: str | None = "1/1"
    notes: tuple[str, ...] = ()
    lenders: tuple[LendingTake, ...] = ()
    reach: int | None = None
    close: Callable[[], None] = nothing_open


@dataclass(frozen=True)
class MadeMask:
    """A mask ``t h w`` that is made for any frames ``start <= n < stop`` when they are asked for."""

    make: Callable[[int, int], NDArray[np.float32]]

    def window(self, start: int, stop: int) -> NDArray[np.float32]:
        """Frames ``start <= n < stop``."""
        return self.make(start, stop)

    def close(self) -> None:
        """Nothing is open."""


def whole_frames(info: MediaInfo) -> MadeMask:
    """Every pixel of every frame, for what changes them all."""
    return MadeMask(lambda start, stop: np.ones((stop - start, info.height, info.width), np.float32))


class LaidOutReader:
    """Frames of a plate as ``read(start, stop)`` lays them out; ``info`` is the plate's, of their number and raster.

    Windows of EXR files belong to another raster, and are not kept.
    """

    def __init__(
        self,
        plate: FrameReader,
        read: Callable[[int, int], Frames],
        *,
        num_frames: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._plate, self._read = plate, read
        self._num_frames = len(plate) if num_frames is None else num_frames
        self._size = size

    @property
    def info(self) -> MediaInfo:
        """What the plate is, as it is laid out."""
        info = self._plate.info
        width, height = self._size or (info.width, info.height)
        laid_out = replace(info, num_frames=self._num_frames, width=width, height=height)
        return laid_out if self._size is None else replace(laid_out, display_window=None, data_window=None)

    def __len__(self) -> int:
        return self._num_frames

    def window(self, start: int, stop: int) -> Frames:
        """Frames ``start <= n < stop``."""
        check_window(self._plate.info.path, start, stop, len(self))
        return self._read(start, stop)

    def close(self) -> None:
        """Close the plate."""
        self._plate.close()
