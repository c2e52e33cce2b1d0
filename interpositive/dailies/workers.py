"""Work on untrusted files in spawned processes: a crash or a hang costs one file, not the ingest."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Generic, TypeVar

from interpositive.errors import InterpositiveError

Job = TypeVar("Job")
Result = TypeVar("Result")

MEMORY_LIMIT_BYTES = 16 << 30


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """What became of one job: a result, or one reason in a line of words."""

    job: Job
    result: Result | None
    reason: str = ""


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    num_workers: int,
    patience: Callable[[Job], float],
    ahead: int = 64,
) -> Iterator[Outcome[Job, Result]]:
    """Give every job's outcome, in the order of the jobs.

    Each spawned worker holds one job at a time, so that the job that killed
    its worker, or ran longer than the ``patience`` (seconds) for it, is known for certain;
    it fails with that reason and a fresh worker takes its place. At most
    ``ahead`` finished outcomes wait for a slower one before them. With
    ``num_workers=0`` the jobs run here and now, without protection.
    """
    if num_workers == 0:
        for job in jobs:
            yield Outcome(job, *_attempt(function, job))
        return
    crew = _Crew(function, patience)
    waiting = deque(enumerate(jobs))
    done: dict[int, Outcome[Job, Result]] = {}
    try:
        for turn in range(len(waiting)):
            while turn not in done:
                while waiting and crew.num_busy < num_workers and waiting[0][0] < turn + ahead:
                    crew.start(*waiting.popleft())
                for number, outcome in crew.collect():
                    done[number] = outcome
            yield done.pop(turn)
    finally:
        crew.dismiss()


def _attempt(function: Callable[[Job], Result], job: Job) -> tuple[Result | None, str]:
    try:
        return function(job), ""
    except InterpositiveError as error:
        found = f" ({error.found})" if error.found is not None else ""
        return None, " ".join(f"{error.what}{found}".split())
    except MemoryError:
        return None, "needs more memory than a file may take"
    except Exception as error:
        # Any library may raise anything over a damaged file; the file is refused with it.
        return None, " ".join(f"could not be read: {type(error).__name__}: {error}".split())[:300]


def _work(connection: Connection, function: Callable[[Job], Result]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            job = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        connection.send(_attempt(function, job))


def _end_with_parent() -> None:
    """Leave no worker behind in a decoder that hangs when the ingest itself is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@dataclass
class _Worker(Generic[Job]):
    worker: SpawnProcess
    connection: Connection
    number: int = -1
    job: Job | None = None
    seconds: float = 0.0
    deadline: float = 0.0


class _Crew(Generic[Job, Result]):
    """The workers at hand: idle ones are used again, dead and stuck ones are replaced."""

    def __init__(self, function: Callable[[Job], Result], patience: Callable[[Job], float]) -> None:
        self._function = function
        self._patience = patience
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Worker[Job]] = []
        self._busy: dict[Connection, _Worker[Job]] = {}

    @property
    def num_busy(self) -> int:
        return len(self._busy)

    def start(self, number: int, job: Job) -> None:
        worker = self._idle.pop() if self._idle else self._hire()
        worker.number, worker.job = number, job
        worker.seconds = self._patience(job)
        worker.deadline = time.monotonic() + worker.seconds
        self._busy[worker.connection] = worker
        # A worker that died between two jobs is noticed by the end of its pipe below.
        with suppress(OSError):
            worker.connection.send(job)

    def collect(self) -> Iterator[tuple[int, Outcome[Job, Result]]]:
        """Outcomes of the workers that answered, died or ran out of time."""
        left = max(0.0, min(worker.deadline for worker in self._busy.values()) - time.monotonic())
        ready = multiprocessing.connection.wait(list(self._busy), timeout=left)
        for connection in ready:
            assert isinstance(connection, Connection)
            worker = self._busy.pop(connection)
            yield worker.number, self._outcome(worker)
        now = time.monotonic()
        for worker in [worker for worker in self._busy.values() if worker.deadline <= now]:
            del self._busy[worker.connection]
            self._discard(worker)
            reason = f"reading it took longer than {worker.seconds:.0f} seconds"
            yield worker.number, self._failed(worker, reason)

    def _outcome(self, worker: _Worker[Job]) -> Outcome[Job, Result]:
        try:
            result, reason = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.worker.join(5)
            code = worker.worker.exitcode
            self._discard(worker)
            return self._failed(worker, f"reading it crashed the decoder (exit code {code})")
        self._idle.append(worker)
        assert worker.job is not None
        return Outcome(worker.job, result, reason)

    def _failed(self, worker: _Worker[Job], reason: str) -> Outcome[Job, Result]:
        assert worker.job is not None
        return Outcome(worker.job, None, reason)

    def _hire(self) -> _Worker[Job]:
        ours, theirs = self._context.Pipe()
        worker = self._context.Process(target=_work, args=(theirs, self._function), daemon=True)
        worker.start()
        theirs.close()
        return _Worker(worker, ours)

    def _discard(self, worker: _Worker[Job]) -> None:
        worker.connection.close()
        worker.worker.kill()
        worker.worker.join()

    def dismiss(self) -> None:
        for worker in (*self._idle, *self._busy.values()):
            self._discard(worker)
