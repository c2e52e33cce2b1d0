"""How a shot of any length is cut into overlapping windows, and how their results are joined without a seam."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from interpositive.errors import ConfigError


@dataclass(frozen=True)
class Window:
    """Frames ``start <= n < stop`` are wanted; ``first <= n < last`` are read, to have neighbours to borrow from."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def keep(self) -> range:
        """The wanted frames, counted from the first frame read."""
        return range(self.start - self.first, self.stop - self.first)


def plan_windows(num_frames: int, size: int, overlap: int, reach: int) -> list[Window]:
    """Windows of ``size`` wanted frames, each overlapping the next by ``overlap``, reading ``reach`` more around.

    Every frame is wanted by one or two windows; the last window may be shorter.
    """
    if size < 1 or overlap < 0 or 2 * overlap > size or reach < 0 or num_frames < 1:
        raise ConfigError(
            "these windows cannot cover a shot",
            found=f"{num_frames} frames, size {size}, overlap {overlap}, reach {reach}",
            expected="at least one frame, 0 <= overlap <= size / 2, reach >= 0",
        )
    windows = []
    start = 0
    while True:
        stop = min(start + size, num_frames)
        windows.append(Window(start, stop, max(0, start - reach), min(num_frames, stop + reach)))
        if stop == num_frames:
            return windows
        start = stop - overlap


class WindowJoiner:
    """Joins the results of consecutive windows, fading from one to the next over the frames they share.

    The fade is ``a + w (b - a)``, so that where both windows agree the frame
    comes out bit for bit. Holds at most one window's overlap in memory.
    """

    def __init__(self) -> None:
        self._held: list[Tensor] = []

    def join(
        self, start: int, frames: Tensor | Sequence[Tensor], next_start: int | None
    ) -> Iterator[tuple[int, Tensor]]:
        """Take frames ``t ...`` from frame ``start`` on; give those that no later window touches.

        ``next_start`` is the first frame of the window to come, or None for the last.
        """
        num_shared = len(self._held)
        joined = list(frames)
        for index in range(num_shared):
            share = (index + 1) / (num_shared + 1)
            joined[index] = self._held[index] + share * (joined[index] - self._held[index])
        stop = start + len(joined)
        release = stop if next_start is None else next_start
        for number in range(start, release):
            yield number, joined[number - start]
        # Copies: views would keep all of the window.
        self._held = [frame.clone() for frame in joined[release - start :]]
