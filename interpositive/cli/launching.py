"""Where a training runs: in this process, or in ranks that are started, watched over, and ended together.

A rank is given the resolved configuration as a file. It is never this command started once more: what a sweep, a
launcher or a notebook did to come here is not to be repeated in it.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from interpositive.cli.assembling import read_config
from interpositive.cli.rank_endings import LOGS_FOLDER, PARENT_VARIABLE, ending_path, find_cause
from interpositive.cli.training import TrainConfig, read_compute, train_here
from interpositive.errors import ConfigError, RankLostError, TrainingStopped
from interpositive.records.publishing import write_file_whole
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord
from interpositive.training.ranks import rank_of
from interpositive.training.settings import ComputeSettings
from interpositive.training.stopping import STOP_SIGNALS

_CONFIG_NAME = "ranks.yaml"
_GRACE_SECONDS, _GRACE_SECONDS_OF_LOST = 5.0, 1.0
_LOOK_SECONDS = 0.1
_LOOPBACKS = {"linux": "lo", "darwin": "lo0"}


def launch(plain: Mapping[str, Any], folder: Path) -> RunRecord:
    """Train as a resolved configuration says, on as many processes as ``compute`` names, into a run folder.

    This process trains if it is to be the only one, or is one of many already (torchrun, srun). Else ranks are
    started; the first that fails ends the others, and its own error is raised here. A run that lost a rank is started
    again from its newest checkpoint, ``compute.restarts`` times; then ``RankLostError``.
    """
    compute = read_compute(read_config(TrainConfig, plain, "train"))
    if compute.num_processes == 1 or rank_of(os.environ):
        return train_here(plain, folder)
    if compute.num_nodes > 1:
        raise _not_started_on_every_machine(compute)
    for restarts_left in reversed(range(compute.restarts + 1)):
        try:
            _run_ranks(plain, folder, compute)
            break
        except RankLostError as error:
            if (folder / RUN_RECORD_NAME).exists():
                # Lost while it said goodbye to a logger: the run itself is finished.
                break
            if not restarts_left:
                raise
            print(f"{error}\nstarting again from the newest checkpoint", file=sys.stderr)
    return RunRecord.read(folder)


def _not_started_on_every_machine(compute: ComputeSettings) -> ConfigError:
    return ConfigError(
        f"a run on {compute.num_nodes} machines is started on each of them",
        found=f"compute.num_nodes={compute.num_nodes}, and one process that nothing started as a rank",
        expected=f"srun with {compute.num_processes} tasks, or on every machine: torchrun --nnodes={compute.num_nodes} "
        f"--nproc-per-node={compute.devices} --rdzv-backend=c10d --rdzv-id=<any name> "
        "--rdzv-endpoint=<first machine>:29400 -m interpositive.cli.main train compute=many_nodes "
        "run_folder=<shared folder> …",
    )


class _Ranks:
    """The rank processes of one attempt."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.asked_to_stop = False

    @property
    def codes(self) -> list[int | None]:
        """Exit codes by rank, None for one that runs."""
        return [process.poll() for process in self.processes]

    def ask_to_stop(self, *_: object) -> None:
        """Hand on that this process was asked to stop; ranks end in their own time."""
        self.asked_to_stop = True
        self._terminate()

    def first_to_fail(self) -> int | None:
        """Wait until one has failed, and say which; None when all have ended well.

        Those that were asked to stop all end with one code, but not at once: the first writes the checkpoint.
        """
        in_order = (None, 0, TrainingStopped.exit_code)
        while True:
            codes = self.codes
            over = None not in codes
            for number, code in enumerate(codes):
                if code not in in_order or (over and code != 0):
                    return number
            if over:
                return None
            time.sleep(_LOOK_SECONDS)

    def end(self) -> None:
        """Ask those that still run to end, and soon make them: one that is stopped, or waits for others, is deaf."""
        self._terminate()
        # Where one is lost, the others end by themselves, and it cannot.
        lost = RankLostError.exit_code in self.codes
        until = time.monotonic() + (_GRACE_SECONDS_OF_LOST if lost else _GRACE_SECONDS)
        for process in self.processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _terminate(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()


def _run_ranks(plain: Mapping[str, Any], folder: Path, compute: ComputeSettings) -> None:
    """Start the ranks and come back when all have ended well; else raise what the first one's trouble was."""
    write_file_whole(folder / LOGS_FOLDER / _CONFIG_NAME, yaml.safe_dump(dict(plain), sort_keys=False))
    # Held here, so that no port is given away before the ranks can have it.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = _Ranks()
    with _on_stop_signals(ranks.ask_to_stop):
        try:
            for number in range(compute.devices):
                ranks.processes.append(_start_rank(number, folder, compute, store.port))
            if ranks.asked_to_stop:
                ranks.ask_to_stop()
            first = ranks.first_to_fail()
        finally:
            ranks.end()
    if first is None:
        return
    cause = find_cause(folder, first, [process.returncode for process in ranks.processes])
    if ranks.asked_to_stop and isinstance(cause, RankLostError):
        # Before a rank can heed the signal it ends by it.
        raise TrainingStopped("training was asked to stop, and did", remedy="the same command goes on from here")
    raise cause


def _start_rank(number: int, folder: Path, compute: ComputeSettings, port: int) -> subprocess.Popen[bytes]:
    ending_path(folder, number).unlink(missing_ok=True)
    threads = compute.threads or max(1, num_cores() // compute.devices)
    environment = {
        **os.environ,
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "WORLD_SIZE": str(compute.devices),
        "LOCAL_WORLD_SIZE": str(compute.devices),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # torch's words for: the store is there already.
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "OMP_NUM_THREADS": str(threads),
        PARENT_VARIABLE: str(os.getpid()),
    }
    if sys.platform in _LOOPBACKS:
        # Ranks of one machine need not be seen from others.
        environment.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACKS[sys.platform])
    command = [sys.executable, "-m", "interpositive.cli.rank", str(folder / LOGS_FOLDER / _CONFIG_NAME), str(folder)]
    with _output_of(number, folder, command) as output:
        # A session of its own: Ctrl-C reaches this process alone, which ends the ranks.
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def _output_of(number: int, folder: Path, command: Sequence[str]) -> Iterator[IO[bytes] | None]:
    """Rank 0 speaks where this process does; the others' words are kept beside the run."""
    if number == 0:
        yield None
        return
    with (folder / LOGS_FOLDER / f"rank_{number}.txt").open("ab") as stream:
        stream.write(f"$ {shlex.join(command)}\n".encode())
        stream.flush()
        yield stream


@contextmanager
def _on_stop_signals(handler: Callable[..., None]) -> Iterator[None]:
    """Inside, a request to stop calls ``handler`` instead of ending this process; only the main thread can listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
