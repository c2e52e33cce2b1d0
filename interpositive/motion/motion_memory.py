"""What was found about the motion between frames, kept while it is likely to be asked for again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from interpositive.motion.window_frames import CodedPicture, CodedValues, MendedPicture, Picture

Kept = NDArray[Any] | tuple[NDArray[Any] | CodedValues, ...]
Found = TypeVar("Found", bound=Kept)


_STALE_WINDOWS = 2
_STALE_SHARE = 0.5


class MotionMemory:
    """Arrays by key, the ones not asked for longest forgotten first, never more than ``budget_mib`` of them.

    Windows of a shot overlap by more frames than they add. Keys made by :func:`fingerprint` say what a frame looks
    like and not where it lies, so that what one window found serves the next, and never a frame that differs. What two
    windows have not asked for is behind them: of more than half of the budget none of it is kept, so that a long shot
    takes no more than a short one.
    A copy of a memory is empty. Threads may share one.
    """

    def __init__(self, budget_mib: float = 320.0) -> None:
        self.budget_mib = budget_mib
        self._found: OrderedDict[Hashable, tuple[int, Kept]] = OrderedDict()
        self._num_bytes = 0
        self._window = 0
        self._lock = threading.Lock()

    def begin_window(self) -> None:
        """Another window begins to ask."""
        with self._lock:
            self._window += 1
            self._forget()

    def of(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """What is kept under a key; found, and kept, if nothing is."""
        with self._lock:
            if key in self._found:
                kept = self._found.pop(key)[1]
                self._found[key] = self._window, kept
                return cast(Found, kept)
        # Two threads that want the same at once find it both, rather than wait for each other.
        found = find()
        with self._lock:
            if key not in self._found:
                self._found[key] = self._window, found
                self._num_bytes += _num_bytes(found)
            self._forget()
        return found

    def _forget(self) -> None:
        most = self.budget_mib * 2**20
        while len(self._found) > 1:
            window, longest = next(iter(self._found.values()))
            is_stale = window < self._window - _STALE_WINDOWS
            if self._num_bytes <= most * (_STALE_SHARE if is_stale else 1.0):
                return
            self._found.popitem(last=False)
            self._num_bytes -= _num_bytes(longest)

    def __reduce__(self) -> tuple[type[MotionMemory], tuple[float]]:
        return MotionMemory, (self.budget_mib,)


class ShotMemory:
    """What windows of a shot share: of ``frames`` a little that all ask for, of ``regions`` much that is soon stale.

    Of 1080 lines 39 frames with holes in a quarter of them fit into the former: once one has to be found again, all
    have. What is left by the camera's motion (``camera``) is asked for by one frame alone, and ``choices`` by the next
    window alone: they drive nothing else out. ``seen`` are large frames on a smaller raster.
    """

    def __init__(
        self,
        frames_mib: float = 320.0,
        regions_mib: float = 128.0,
        camera_mib: float = 32.0,
        choices_mib: float = 24.0,
        seen_mib: float = 96.0,
    ) -> None:
        self.seen = MotionMemory(seen_mib)
        self.frames, self.regions = MotionMemory(frames_mib), MotionMemory(regions_mib)
        self.camera, self.choices = MotionMemory(camera_mib), MotionMemory(choices_mib)

    def begin_window(self) -> None:
        """Another window begins to ask."""
        for each in (self.seen, self.frames, self.regions, self.camera, self.choices):
            each.begin_window()


class BorderMemory:
    """The same of what is seen beyond borders: ``pictures``, the camera's ``ways`` between them, and ``choices``."""

    def __init__(self, pictures_mib: float = 192.0, ways_mib: float = 1.0, choices_mib: float = 24.0) -> None:
        self.pictures, self.ways = MotionMemory(pictures_mib), MotionMemory(ways_mib)
        self.choices = MotionMemory(choices_mib)

    def begin_window(self) -> None:
        """As that of a :class:`ShotMemory`."""
        for each in (self.pictures, self.ways, self.choices):
            each.begin_window()


def fingerprint(frame: Picture, hole: NDArray[np.bool_]) -> bytes:
    """Of a frame ``h w 3`` and its hole ``h w``: two that are equal have the same, others not."""
    if isinstance(frame, MendedPicture):
        mended = frame.pixels.ys, frame.pixels.xs, np.ascontiguousarray(frame.values)
        return hashlib.sha256(fingerprint(frame.picture, hole) + b"".join(each.tobytes() for each in mended)).digest()
    digest = hashlib.sha256(repr(frame.shape).encode())
    stored: NDArray[Any] = frame.codes if isinstance(frame, CodedPicture) else frame
    # As it lies in memory: windows hold frames by channels, and a copy takes longer than the digest.
    planes = stored.transpose(2, 0, 1)
    digest.update(np.ascontiguousarray(planes if planes.flags.c_contiguous else stored).data)
    digest.update(np.packbits(hole).data)
    return digest.digest()


def _num_bytes(found: Kept) -> int:
    return sum(part.nbytes for part in found) if isinstance(found, tuple) else found.nbytes
