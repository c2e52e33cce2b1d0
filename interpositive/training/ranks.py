"""The processes of one training run: which of them this one is, and what they agree on.

They find one another by the environment variables of ``torchrun``; those of SLURM's ``srun`` are put in these words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import interpositive.training  # noqa: F401  isort: skip
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from interpositive.errors import ConfigError, RankLostError
from interpositive.training.settings import ComputeSettings

Value = TypeVar("Value")

# Others wait while rank 0 judges, however long that takes; a rank that is lost is noticed by other means.
_PATIENCE = timedelta(days=7)
# Machines of a job do not start at once, nor do they all have the package in their caches.
_UNTIL_MET = timedelta(minutes=10)
_FIRST_SLURM_PORT, _NUM_SLURM_PORTS = 15000, 10000


@dataclass(frozen=True)
class Rank:
    """Which process this is: ``number`` of ``num`` in the run, ``local`` on its machine."""

    number: int
    num: int
    local: int


def rank_of(environment: Mapping[str, str]) -> Rank | None:
    """Which rank a process with these variables is; None if it was started alone."""
    found = torchrun_variables(environment)
    return Rank(int(found["RANK"]), int(found["WORLD_SIZE"]), int(found["LOCAL_RANK"])) if found else None


def torchrun_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which ranks find one another, whether torchrun or srun started them; none for a lone process.

    A job step of one task is a lone process: it may start ranks of its own.
    """
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if all(name in environment for name in names):
        return {name: environment[name] for name in names}
    if "SLURM_PROCID" not in environment or int(environment.get("SLURM_STEP_NUM_TASKS", "1")) == 1:
        return {}
    nodes = environment.get("SLURM_STEP_NODELIST", environment.get("SLURM_JOB_NODELIST", "127.0.0.1"))
    # Every process of a job must come to the same port, and two jobs on one machine to different ones.
    port = _FIRST_SLURM_PORT + int(environment.get("SLURM_JOB_ID", "0")) % _NUM_SLURM_PORTS
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": environment["SLURM_STEP_NUM_TASKS"],
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "MASTER_ADDR": environment.get("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes)),
        "MASTER_PORT": environment.get("MASTER_PORT", str(port)),
    }


@contextmanager
def joined(compute: ComputeSettings) -> Iterator[None]:
    """Inside, this process trains as one of ``compute.num_processes``, and has its threads.

    ``ConfigError`` if it was started as one of another number.
    """
    rank = rank_of(os.environ)
    if (rank.num if rank else 1) != compute.num_processes:
        raise ConfigError(
            "the processes that were started are not those that the configuration asks for",
            found=f"{rank.num if rank else 1} started",
            expected=f"compute.devices x compute.num_nodes = {compute.devices} x {compute.num_nodes}",
        )
    if compute.threads is not None:
        torch.set_num_threads(compute.threads)
    if rank is None or rank.num == 1:
        yield
        return
    os.environ.update(torchrun_variables(os.environ))
    if on_gpu(compute):
        torch.cuda.set_device(rank.local)
    store = _meeting_point()
    number, num = rank.number, rank.num
    _meet(store, number, num)
    backend = "nccl" if on_gpu(compute) else "gloo"
    distributed.init_process_group(backend, store=store, rank=number, world_size=num, timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _meeting_point() -> Any:
    """The store in which ranks find one another, made by the first of them or by what started them."""
    try:
        store, _, _ = next(rendezvous("env://", timeout=_UNTIL_MET))
    except RuntimeError as error:
        raise RankLostError(
            "the first rank's machine is not reached",
            found=f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: {str(error).splitlines()[0]}",
            expected=f"an answer within {_UNTIL_MET.total_seconds():.0f} s",
            remedy="look whether rank 0 was started, and whether this machine reaches it",
        ) from None
    return store


def _meet(store: Any, number: int, num: int, patience: timedelta = _UNTIL_MET) -> None:
    """Wait until all ranks have come to the store; ``RankLostError`` names those that have not."""
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    keys = [f"met/{attempt}/{other}" for other in range(num)]
    store.set(keys[number], "")
    try:
        store.wait(keys, patience)
    except RuntimeError:
        missing = [str(other) for other, key in enumerate(keys) if not store.check([key])]
        raise RankLostError(
            f"rank {' and '.join(missing[:8])} of {num} has not come",
            found=f"{num - len(missing)} ranks after {patience.total_seconds():.0f} s",
            expected=f"{num} processes that reach {os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}",
            remedy="look whether they were all started, and whether their machines reach the first",
        ) from None


def on_gpu(compute: ComputeSettings) -> bool:
    """Whether processes have a GPU each."""
    return compute.accelerator in ("gpu", "cuda") or (compute.accelerator == "auto" and torch.cuda.is_available())


def rank_number() -> int:
    """This process's number among those that have joined; 0 for one that trains alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def num_ranks() -> int:
    """How many processes have joined; 1 for one that trains alone."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process judges, logs, and writes checkpoints, archive and record."""
    return rank_number() == 0


def by_first(work: Callable[[], Value]) -> Value:
    """What ``work`` gives when rank 0 does it, on every rank; the others wait, and do not."""
    if num_ranks() == 1:
        return work()
    box = [work() if is_first() else None]
    distributed.broadcast_object_list(box, src=0)
    return cast(Value, box[0])


def with_first(work: Callable[[], None]) -> None:
    """``work`` on every rank, on rank 0 before the others, which find what it left."""
    by_first(work)
    if not is_first():
        work()


def mean_over_ranks(values: Tensor) -> Tensor:
    """The mean of a tensor over all ranks, the same on each."""
    if num_ranks() == 1:
        return values
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total / num_ranks()


def wait_for_all() -> None:
    """Come back when every rank has come here."""
    if num_ranks() > 1:
        distributed.barrier()
