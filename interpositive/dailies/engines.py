"""Where the work on footage is done: processes of this machine, or of a cluster through Ray.

Both give the same outcomes in the same order, so that a catalogue, its proxies and
its report are the same bytes whichever did the work.
"""

from __future__ import annotations

import importlib
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

from interpositive._version import __version__
from interpositive.dailies.workers import LocalCrew, Outcome, in_job_order, run_jobs
from interpositive.errors import ConfigError
from interpositive.records.digests import sha256_of_value

Job = TypeVar("Job")
Result = TypeVar("Result")

_AHEAD = 64
_MOST_LOSSES = 2
_HIRING_SECONDS = 120.0
_OBJECT_STORE_BYTES = 100 << 20


class Engine(ABC):
    """Does jobs on files that nobody trusts: a crash, a hang or a hunger for memory costs one job."""

    @abstractmethod
    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], patience: Callable[[Job], float]
    ) -> Iterator[Outcome[Job, Result]]:
        """Every job's outcome in the order of the jobs; a job may take its ``patience`` in seconds.

        ``function``, jobs and results must pickle; ``function`` must be importable by its name.
        """

    @abstractmethod
    def check_sees(self, folders: Sequence[Path]) -> None:
        """Raise ``ConfigError`` unless these folders hold the same wherever jobs will run."""

    @abstractmethod
    def close(self) -> None:
        """Give back what was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalEngine(Engine):
    """``num_workers`` spawned processes of this machine; 0 runs jobs in this one, without protection."""

    def __init__(self, num_workers: int = 2) -> None:
        if num_workers < 0:
            raise ConfigError("there cannot be fewer than no workers", found=num_workers, expected=">= 0")
        self.num_workers = num_workers

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], patience: Callable[[Job], float]
    ) -> Iterator[Outcome[Job, Result]]:
        """Every job's outcome in the order of the jobs."""
        return run_jobs(function, jobs, self.num_workers, patience, _AHEAD)

    def check_sees(self, folders: Sequence[Path]) -> None:
        """Nothing can differ on one machine."""

    def close(self) -> None:
        """Workers end with their jobs; nothing is kept."""


class RayEngine(Engine):
    """Worker processes all over a Ray cluster, each guarded on its machine as a local one is.

    ``address`` of a running cluster (``"auto"``, ``"10.0.0.5:6379"``), or None to
    start Ray on this machine alone. ``num_workers`` processes in all; None is one for each
    core. Every machine must have this version of the package, and see the footage and the
    workspace under the same paths as this one; :meth:`check_sees` makes sure. Ray's usage
    reports and dashboard stay off where it is started here. A job whose machine is lost goes to another.
    Raises ``ConfigError`` where Ray or the cluster cannot be had.
    """

    def __init__(self, address: str | None = None, num_workers: int | None = None) -> None:
        if num_workers is not None and num_workers < 1:
            raise ConfigError("Ray needs a worker", found=num_workers, expected=">= 1, or null for one each core")
        self.address = address
        self.num_workers = num_workers

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], patience: Callable[[Job], float]
    ) -> Iterator[Outcome[Job, Result]]:
        """Every job's outcome in the order of the jobs."""
        return in_job_order(lambda: _RayCrew(self._ray, function, self._size()), jobs, patience, _AHEAD)

    @cached_property
    def _ray(self) -> ModuleType:
        # Read when Ray is imported; on a cluster that runs already, whoever started it has decided.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            ray = importlib.import_module("ray")
        except ImportError:
            raise ConfigError(
                "engine=ray needs Ray, which is not installed",
                remedy='pip install "interpositive[cluster]", or use engine=local',
            ) from None
        quiet = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "interpositive"}
        here = {"num_cpus": self.num_workers, "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
        try:
            ray.init(address=self.address or "local", **quiet, **({} if self.address else here))
        except Exception as error:
            # Ray raises many kinds here, and each means the same to whoever named the cluster.
            raise ConfigError(
                "there is no Ray cluster to work on",
                found=f"address {self.address}: {' '.join(str(error).split())[:300]}",
                remedy="start one with ray start, give its address, or leave address null to start Ray here",
            ) from error
        return ray

    def _size(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if cores < 1:
            raise ConfigError("the Ray cluster has no core to work on", found=f"address {self.address}")
        return min(cores, self.num_workers or cores)

    def check_sees(self, folders: Sequence[Path]) -> None:
        """Look at the folders from every machine of the cluster, and compare with what is seen here."""
        strategies = importlib.import_module(f"{self._ray.__name__}.util.scheduling_strategies")
        expected = look_around(folders)
        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        for node in nodes:
            there = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            look = self._ray.remote(look_around).options(num_cpus=0, scheduling_strategy=there)
            try:
                found = self._ray.get(look.remote(folders), timeout=_HIRING_SECONDS)
            except self._ray.exceptions.RayError as error:
                raise ConfigError(
                    f"machine {node['NodeManagerAddress']} of the cluster cannot work for us",
                    found=f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}",
                    expected=f"interpositive {__version__} installed there",
                ) from None
            for what, ours in expected.items():
                if found[what] != ours:
                    raise ConfigError(
                        f"machine {node['NodeManagerAddress']} of the cluster does not see what is here",
                        found=f"{what}: {found[what]}",
                        expected=ours,
                        remedy="mount footage and workspace under the same paths on all, and install the same versions",
                    )

    def close(self) -> None:
        """Leave the cluster; Ray that was started here ends."""
        if "_ray" in self.__dict__:
            self._ray.shutdown()
            del self._ray


def look_around(folders: Sequence[Path]) -> dict[str, str]:
    """What must be the same on all machines: versions, and a digest of the names in each folder."""
    seen = {"interpositive": __version__, "Python": ".".join(platform.python_version_tuple()[:2])}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            seen[str(folder)] = str(error.strerror)
        else:
            seen[str(folder)] = f"{len(names)} names, digest {sha256_of_value(names)[:16]}"
    return seen


class _Station:
    """An actor of Ray: keeps one guarded process on its machine, and does one job at a time in it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._crew: LocalCrew[Any, Any] = LocalCrew(function, 1)

    def is_ready(self) -> bool:
        return True

    def do(self, job: Any, seconds: float) -> tuple[Any, str]:
        self._crew.start(0, job, seconds)
        while True:
            for _, result, reason in self._crew.collect():
                return result, reason

    def dismiss(self) -> None:
        self._crew.dismiss()


class _RayCrew(Generic[Job, Result]):
    """Stations all over the cluster. One whose machine is lost is not waited for: its job goes to another."""

    def __init__(self, ray: ModuleType, function: Callable[[Job], Result], num_workers: int) -> None:
        self._ray = ray
        actor = ray.remote(_Station).options(num_cpus=1, scheduling_strategy="SPREAD")
        self._idle = [actor.remote(function) for _ in range(num_workers)]
        self._busy: dict[Any, tuple[_Order[Job], Any]] = {}
        self._again: list[_Order[Job]] = []
        try:
            ray.get([station.is_ready.remote() for station in self._idle], timeout=_HIRING_SECONDS)
        except ray.exceptions.RayError as error:
            self.dismiss()
            raise ConfigError(
                f"the cluster did not give {num_workers} workers within {_HIRING_SECONDS:.0f} seconds",
                found=f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}",
                remedy="ask for fewer with engine.num_workers, or wait until the cluster is less busy",
            ) from None

    @property
    def num_idle(self) -> int:
        return max(0, len(self._idle) - len(self._again))

    def start(self, number: int, job: Job, seconds: float) -> None:
        self._send(_Order(number, job, seconds))

    def _send(self, order: _Order[Job]) -> None:
        station = self._idle.pop()
        self._busy[station.do.remote(order.job, order.seconds)] = (order, station)

    def collect(self) -> Iterator[tuple[int, Result | None, str]]:
        while self._again and self._idle:
            self._send(self._again.pop())
        if not self._busy:
            raise ConfigError(
                "every machine of the cluster was lost",
                remedy="bring the cluster up again and run the same command: it goes on where it stopped",
            )
        ready, _ = self._ray.wait(list(self._busy))
        for answer in ready:
            order, station = self._busy.pop(answer)
            # Jobs run in a process of their own behind the station, so its end is no job's doing.
            lost = (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError)
            try:
                result, reason = self._ray.get(answer)
            except lost:
                self._ray.kill(station)
                order.num_lost += 1
                if order.num_lost < _MOST_LOSSES:
                    self._again.append(order)
                    continue
                result, reason = None, f"{order.num_lost} machines were lost while they read it"
            else:
                self._idle.append(station)
            yield order.number, result, reason

    def dismiss(self) -> None:
        for station in (*self._idle, *(station for _, station in self._busy.values())):
            self._ray.kill(station)


@dataclass
class _Order(Generic[Job]):
    number: int
    job: Job
    seconds: float
    num_lost: int = 0
