"""Every process of a run watches the others: one that died, stopped or was cut off is named, and all end.

A collective waits for a stopped process for ever, so each rank beats once a second at the run's own meeting point
(the store at ``MASTER_ADDR:MASTER_PORT``, which torchrun, srun and our launcher all set up), and reads the beats of
all others. No two clocks are compared: a rank is lost when its beats have not changed for so many seconds of the
watcher's own waking time. Two threads do it. One talks to the store; the other only counts seconds and judges, for a
call to a store whose machine is gone does not come back.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn

import interpositive.training  # noqa: F401  isort: skip
import pytorch_lightning as lightning
import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from interpositive.errors import InterpositiveError, RankLostError, TrainingStopped
from interpositive.training.rank_beats import BEAT_SECONDS, DONE, Beat, Judge, Verdict

_TICK_SECONDS = 0.5
_JOIN_SECONDS = 300.0

EndProcess = Callable[[RankLostError | TrainingStopped], None]


class RankWatch:
    """Watches the other ranks of a run from :meth:`start` to :meth:`close`.

    ``address`` is the host and port of a store that runs. ``end`` is called with the error that names what was lost;
    it ends the process, for the main thread may hang in a collective.
    """

    def __init__(
        self,
        address: tuple[str, int],
        rank: int,
        num_ranks: int,
        lost_after_seconds: float,
        *,
        join_seconds: float = _JOIN_SECONDS,
        end: EndProcess | None = None,
    ) -> None:
        self.address = address
        self.rank = rank
        self.num_ranks = num_ranks
        self.join_seconds = join_seconds
        self.lost_after_seconds = lost_after_seconds
        self._end = end or _end_process
        self._beat = Beat(0, socket.gethostname(), os.getpid())
        self._judge = Judge(rank, num_ranks, lost_after_seconds, join_seconds)
        self._closing = threading.Event()
        self._broken: str | None = None
        self._failed_at = 0.0
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Connect to the store and begin; the process group must be up, so that all ranks are there or about to be."""
        host, port = self.address
        wait = timedelta(seconds=self.join_seconds)
        self._store = TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=wait)
        self._judge.wake(time.monotonic())
        for name, work in (("beats", self._keep_beating), ("judge", self._keep_judging)):
            thread = threading.Thread(target=work, name=f"rank watch: {name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def confirm(self) -> None:
        """Return at once if this process ran without a break; after one, only when all others were heard anew.

        Called before anything is published: a rank that was stopped, was given up and wakes must not write over what a
        resumed run has written meanwhile. It does not return to such a rank, which is ended.
        """
        while self._closing.is_set() or not self._judge.is_confirmed(time.monotonic()):
            time.sleep(_TICK_SECONDS / 4)

    def await_verdict(self) -> None:
        """A collective has failed here: give the judge the time to name the rank for which it failed, and to end us."""
        began = self._failed_at = self._failed_at or time.monotonic()
        time.sleep(max(0.0, began + self.lost_after_seconds + 3 * BEAT_SECONDS - time.monotonic()))

    def expect_ends(self) -> None:
        """All ranks have agreed to stop: one that has done so before this one is as it should be."""
        self._judge.expects_ends = True

    def close(self, ended: str = DONE, code: int = 0) -> None:
        """Say that this rank ends, or why, with the exit code of an error of ours.

        Rank 0 then waits for the others' end where it is due: the store may be in its process, and one that goes
        before them looks like a loss.
        """
        self._closing.set()
        for thread in self._threads:
            thread.join(BEAT_SECONDS)
        if self._broken is not None or any(thread.is_alive() for thread in self._threads):
            return
        _within(BEAT_SECONDS, partial(self._say, ended, code))
        if self.rank == 0 and (ended == DONE or self._judge.expects_ends):
            _within(self.lost_after_seconds, self._wait_for_ends)

    def _wait_for_ends(self) -> None:
        while not all(beat.ended for rank, beat in enumerate(self._read()) if rank != self.rank):
            time.sleep(_TICK_SECONDS / 4)

    def _keep_beating(self) -> None:
        joined = False
        keys = [_key(rank) for rank in range(self.num_ranks)]
        while not self._closing.is_set():
            num_breaks = self._judge.num_breaks
            try:
                self._say()
                joined = joined or self._store.check(keys)
                beats = self._read() if joined else None
            except RuntimeError as error:
                self._broken = str(error).splitlines()[0]
                return
            self._judge.hear(beats, num_breaks)
            self._closing.wait(BEAT_SECONDS)

    def _say(self, ended: str = "", code: int = 0) -> None:
        self._beat = self._beat.next(ended, code)
        self._store.set(_key(self.rank), self._beat.encode())

    def _read(self) -> list[Beat]:
        return [Beat.decode(stored) for stored in self._store.multi_get([_key(r) for r in range(self.num_ranks)])]

    def _keep_judging(self) -> None:
        while not self._closing.wait(_TICK_SECONDS):
            self._judge.tick(time.monotonic(), 2 * _TICK_SECONDS)
            found = self._judge.verdict(self._broken)
            if found is None or self._closing.is_set():
                continue
            self._closing.set()
            if self._broken is None:
                # The others, and the lost rank if it should wake, need not find out for themselves.
                _within(BEAT_SECONDS, partial(self._say, f"it gave up rank {found.rank}: {found.why}"))
                time.sleep(BEAT_SECONDS)
            self._end(self._error(found))
            return

    def _error(self, found: Verdict) -> RankLostError | TrainingStopped:
        where = found.where or f"its meeting point {self.address[0]}:{self.address[1]}"
        rank, remedy = f"rank {found.rank} of {self.num_ranks}", "the same command goes on from the newest checkpoint"
        if found.code == TrainingStopped.exit_code:
            return TrainingStopped(f"{rank} was asked to stop, and has: {where}", found=found.why, remedy=remedy)
        expected = f"a sign of life within compute.lost_after_seconds={self.lost_after_seconds:g}"
        lost = RankLostError(f"{rank} is lost: {where}", found=found.why, expected=expected, remedy=remedy)
        # A mistake that took one rank away is made again by whoever begins again.
        lost.exit_code = found.code or lost.exit_code
        return lost


class StandBy(lightning.Callback):
    """Keeps a rank from acting on its own: nothing of a step is written before the others are known to be there.

    Belongs first among a trainer's callbacks.
    """

    def __init__(self, watch: RankWatch) -> None:
        self.watch = watch

    def on_train_batch_end(self, *args: Any) -> None:
        """Go on, unless this rank was stopped and may have been given up."""
        self.watch.confirm()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """A collective that fails fails for a rank that is lost: let the watch name it, before loggers write."""
        del trainer, pl_module
        if may_be_loss(exception):
            self.watch.await_verdict()


def may_be_loss(error: BaseException) -> bool:
    """Whether an error can come of a collective whose other end is gone: torch gives those no class of their own."""
    return isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError)


@contextmanager
def watched_ranks(lost_after_seconds: float, end: EndProcess | None = None) -> Iterator[RankWatch | None]:
    """Watch the other ranks of the process group, which must be up, while the body runs; None in a run of one.

    ``end`` is what a :class:`RankWatch` does when one is lost.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        yield None
        return
    address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    watch = RankWatch(address, dist.get_rank(), dist.get_world_size(), lost_after_seconds, end=end)
    watch.start()
    try:
        yield watch
    except BaseException as error:
        if may_be_loss(error):
            watch.await_verdict()
        code = error.exit_code if isinstance(error, InterpositiveError) else 0
        watch.close(f"it ended by {type(error).__name__}: {next(iter(str(error).splitlines()), '')}", code)
        raise
    watch.close()


def _key(rank: int) -> str:
    # Under torchrun one store serves all attempts of a run.
    return f"rank_watch/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{rank}"


def _within(seconds: float, call: Callable[[], object]) -> None:
    """Give calls to the store so long and no longer: its machine may be gone."""

    def attempt() -> None:
        try:
            call()
        except RuntimeError:
            return

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)


def _end_process(lost: RankLostError | TrainingStopped) -> NoReturn:
    print(f"interpositive train: {lost}", file=sys.stderr, flush=True)
    os._exit(lost.exit_code)
