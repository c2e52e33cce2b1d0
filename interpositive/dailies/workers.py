"""Work on untrusted files in spawned processes: a crash or a hang costs one file, not the ingest."""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Generic, Protocol, TypeVar

from interpositive.errors import InterpositiveError

Job = TypeVar("Job")
Result = TypeVar("Result")
Given = TypeVar("Given", contravariant=True)
Gained = TypeVar("Gained", covariant=True)

# A decoder that asks for more has been told to by a damaged or hostile header.
_MOST_MEMORY_BYTES = 16 << 30
_LEAST_MEMORY_BYTES = 4 << 30
_STARTING_SECONDS = 300.0
_READY = "ready"


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
        return (Outcome(job, *attempt(function, job)) for job in jobs)
    return in_job_order(lambda: LocalCrew(function, num_workers), jobs, patience, ahead)


class Crew(Protocol[Given, Gained]):
    """Workers who each do one job at a time; jobs are told apart by their numbers."""

    @property
    def num_idle(self) -> int:
        """How many could begin a job now."""

    def start(self, number: int, job: Given, seconds: float) -> None:
        """Give a job to an idle worker, who may take so many seconds."""

    def collect(self) -> Iterator[tuple[int, Gained | None, str]]:
        """Wait for news; gives number, result or None, and the reason for None, of everybody who is done."""

    def dismiss(self) -> None:
        """End every worker, whatever it is doing."""


def in_job_order(
    hire: Callable[[], Crew[Job, Result]],
    jobs: Iterable[Job],
    patience: Callable[[Job], float],
    ahead: int,
) -> Iterator[Outcome[Job, Result]]:
    """Keep a crew busy, and give the outcomes in the order of the jobs.

    Jobs are taken from their source as they are needed. Nobody is hired for none.
    """
    numbered = enumerate(jobs)
    following = next(numbered, None)
    if following is None:
        return
    under_way: dict[int, Job] = {}
    done: dict[int, Outcome[Job, Result]] = {}
    turn = 0
    crew = hire()
    try:
        while following is not None or under_way or done:
            while following is not None and crew.num_idle and following[0] < turn + ahead:
                number, job = following
                under_way[number] = job
                crew.start(number, job, patience(job))
                following = next(numbered, None)
            if turn in done:
                yield done.pop(turn)
                turn += 1
                continue
            for number, result, reason in crew.collect():
                done[number] = Outcome(under_way.pop(number), result, reason)
    finally:
        crew.dismiss()


def attempt(function: Callable[[Job], Result], job: Job) -> tuple[Result | None, str]:
    """Do one job here: its result, or None and one line of words that says why not."""
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


def memory_limit_bytes() -> int:
    """What a worker may take: half of the machine's memory, within 4 to 16 GiB."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(_LEAST_MEMORY_BYTES, min(_MOST_MEMORY_BYTES, physical // 2))


def _lower_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _allow_processor_seconds(seconds: float) -> None:
    # Whoever waits for this worker counts time on the clock. Should nobody wait any more, a decoder that
    # loops, and so keeps the thread below from running, is ended by the kernel.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = usage.ru_utime + usage.ru_stime
    _lower_limit(resource.RLIMIT_CPU, math.ceil(spent + seconds * (os.cpu_count() or 1)) + 1)


def _work(connection: Connection, function: Callable[[Job], Result]) -> None:
    _lower_limit(resource.RLIMIT_AS, memory_limit_bytes())
    _lower_limit(resource.RLIMIT_CORE, 0)
    end_with_parent()
    connection.send(_READY)
    while True:
        try:
            job, seconds = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        _allow_processor_seconds(seconds)
        connection.send(attempt(function, job))


def end_with_parent() -> None:
    """Leave no worker behind, at work or waiting for it, when the process that started it is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@dataclass
class _Worker:
    worker: SpawnProcess
    connection: Connection
    is_ready: bool = False
    number: int = -1
    seconds: float = 0.0
    deadline: float = 0.0


class LocalCrew(Generic[Job, Result]):
    """Spawned processes of this machine: idle ones are used again, dead and stuck ones are replaced."""

    def __init__(self, function: Callable[[Job], Result], num_workers: int) -> None:
        self._function = function
        self._num_workers = num_workers
        self._context = multiprocessing.get_context("spawn")
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}

    @property
    def num_idle(self) -> int:
        """How many could begin a job now."""
        return self._num_workers - len(self._busy)

    def start(self, number: int, job: Job, seconds: float) -> None:
        """Give a job to an idle worker, who may take so many seconds."""
        worker = self._idle.pop() if self._idle else self._hire()
        worker.number, worker.seconds = number, seconds
        # Starting on a busy machine may take longer than a file may: that is not the file's fault.
        worker.deadline = time.monotonic() + (seconds if worker.is_ready else _STARTING_SECONDS)
        self._busy[worker.connection] = worker
        # A worker that died between two jobs is noticed by the end of its pipe below.
        with suppress(OSError):
            worker.connection.send((job, seconds))

    def collect(self) -> Iterator[tuple[int, Result | None, str]]:
        """What became of the jobs of workers that answered, died or ran out of time; nothing if one only started."""
        left = max(0.0, min(worker.deadline for worker in self._busy.values()) - time.monotonic())
        ready = multiprocessing.connection.wait(list(self._busy), timeout=left)
        for connection in ready:
            assert isinstance(connection, Connection)
            worker = self._busy.pop(connection)
            answer = self._answer(worker)
            if answer is None:
                worker.is_ready, worker.deadline = True, time.monotonic() + worker.seconds
                self._busy[connection] = worker
            else:
                yield worker.number, *answer
        now = time.monotonic()
        for worker in [worker for worker in self._busy.values() if worker.deadline <= now]:
            del self._busy[worker.connection]
            self._discard(worker)
            yield worker.number, None, f"reading it took longer than {worker.seconds:.0f} seconds"

    def _answer(self, worker: _Worker) -> tuple[Result | None, str] | None:
        try:
            message = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.worker.join(5)
            code = worker.worker.exitcode
            self._discard(worker)
            if code == -signal.SIGXCPU:
                return None, f"reading it took longer than {worker.seconds:.0f} seconds of every processor"
            if code == -signal.SIGKILL:
                return None, "the machine ended it, most likely for want of memory"
            return None, f"reading it crashed the decoder (exit code {code})"
        if message == _READY:
            return None
        self._idle.append(worker)
        result, reason = message
        return result, reason

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        worker = self._context.Process(target=_work, args=(theirs, self._function), daemon=True)
        worker.start()
        theirs.close()
        return _Worker(worker, ours)

    def _discard(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.worker.kill()
        worker.worker.join()

    def dismiss(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in (*self._idle, *self._busy.values()):
            self._discard(worker)
