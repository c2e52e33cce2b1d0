"""Signs of life of the ranks of a run, and the judgement which of them is lost: no clock is read here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

BEAT_SECONDS = 1.0
DONE = "done"
# A judge that was not awake for longer than this was stopped itself, and must hear from the others before it acts.
_BREAK_SECONDS = 3.0
# One beat can lie in a socket from before a break: only a later one shows that its sender still runs.
_FRESH_BEATS = 2


@dataclass(frozen=True)
class Beat:
    """What a rank last said: how often it has beaten, where it runs, and how it ended: done, or why.

    One that ended by an error of ours has that error's exit ``code``, which the others end with too.
    """

    number: int
    host: str
    pid: int
    ended: str = ""
    code: int = 0

    def next(self, ended: str = "", code: int = 0) -> Beat:
        """The beat after this one."""
        return replace(self, number=self.number + 1, ended=ended, code=code)

    @property
    def is_in_order(self) -> bool:
        """Whether the rank came to an end of its own, good or bad."""
        return self.ended == DONE or self.code > 0

    @property
    def where(self) -> str:
        """Machine and process."""
        return f"process {self.pid} on {self.host}"

    def encode(self) -> str:
        """As it lies in the store."""
        return json.dumps([self.number, self.host, self.pid, self.ended, self.code])

    @staticmethod
    def decode(stored: bytes) -> Beat:
        """From what lies in the store."""
        return Beat(*json.loads(stored))


@dataclass(frozen=True)
class Verdict:
    """A rank without which the run cannot go on: where it ran (empty if it never said), and what was found."""

    rank: int
    where: str
    why: str
    code: int = 0


class Judge:
    """Follows the beats of all ranks by the waking time of this process.

    A process that is stopped grows no older meanwhile: when a whole machine was paused and goes on, nobody is lost.
    :meth:`hear` is called by the thread that talks, all else by the one that judges.
    """

    def __init__(self, rank: int, num_ranks: int, lost_after_seconds: float, join_seconds: float) -> None:
        self.others = [other for other in range(num_ranks) if other != rank]
        self.lost_after_seconds = lost_after_seconds
        self.join_seconds = join_seconds
        self.num_breaks = 0
        self.expects_ends = False
        self._awake = 0.0
        self._last_tick = 0.0
        self._last_round = 0.0
        self._since = dict.fromkeys(self.others, 0.0)
        self._last: dict[int, Beat] = {}
        self._first_fresh: dict[int, int] = {}
        self._unconfirmed: set[int] = set()

    def wake(self, now: float) -> None:
        """Begin at this reading of a monotonic clock."""
        self._last_tick = now

    def tick(self, now: float, most: float) -> None:
        """Grow older, by ``most`` seconds at a time: what is missing was a break."""
        elapsed, self._last_tick = now - self._last_tick, now
        self._awake += min(elapsed, most)
        if elapsed > _BREAK_SECONDS:
            self._unconfirmed = set(self.others)
            self.num_breaks += 1
            self._first_fresh = {}

    def is_confirmed(self, now: float) -> bool:
        """Whether all others were heard since this process last had a break."""
        return not self._unconfirmed and now - self._last_tick <= _BREAK_SECONDS

    def hear(self, beats: Sequence[Beat] | None, num_breaks: int) -> None:
        """Take in a round that began after so many breaks: the beats of all ranks, or None if not all have joined."""
        self._last_round = self._awake
        if beats is None:
            return
        for other in self.others:
            beat = beats[other]
            if beat != self._last.get(other):
                self._last[other], self._since[other] = beat, self._awake
            if num_breaks == self.num_breaks:
                first = self._first_fresh.setdefault(other, beat.number)
                if beat.number >= first + _FRESH_BEATS or beat.is_in_order:
                    self._unconfirmed.discard(other)

    def verdict(self, broken: str | None) -> Verdict | None:
        """The lost rank; None if all is well. After a rank with a code the others are given time to come to the same.

        ``broken`` says why the connection to the meeting point, which is on rank 0's machine, broke.
        """
        at_zero = self._last.get(0)
        store_seconds = self._awake - self._last_round
        # A rank 0 that has ended in order takes the meeting point with it.
        if broken is not None and (at_zero is None or not at_zero.is_in_order):
            return self._found(0, f"the connection to its machine broke ({broken})")
        if broken is None and store_seconds > self.lost_after_seconds:
            return self._found(0, f"the meeting point on its machine has not answered for {store_seconds:.0f} s")
        for other in self.others:
            beat, seconds = self._last.get(other), self._awake - self._since[other]
            if beat is None and seconds > self.join_seconds:
                return self._found(other, f"not all ranks had joined after {seconds:.0f} s")
            if beat is None or beat.ended == DONE:
                continue
            if beat.code:
                if seconds > self.lost_after_seconds and not self.expects_ends:
                    return Verdict(other, beat.where, beat.ended, beat.code)
            elif beat.ended:
                return self._found(other, beat.ended)
            elif broken is None and seconds > self.lost_after_seconds:
                return self._found(other, f"it has not answered for {seconds:.0f} s")
        return None

    def _found(self, other: int, why: str) -> Verdict:
        beat = self._last.get(other)
        return Verdict(other, beat.where if beat else "", why)
