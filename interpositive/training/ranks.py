"""The processes of one training run: which of them this one is, and what they agree on.

They find one another by the environment variables of ``torchrun``; those of SLURM's ``srun`` are put in these words.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

import interpositive.training  # noqa: F401  isort: skip
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from torch import Tensor, distributed

from interpositive.errors import ConfigError
from interpositive.training.settings import ComputeSettings

Value = TypeVar("Value")

# Others wait while rank 0 judges, however long that takes; a rank that is lost is noticed by other means.
_PATIENCE = timedelta(days=7)
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
    distributed.init_process_group("nccl" if on_gpu(compute) else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


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
