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
from interpositive.cli.rank_endings import Word, find_cause, hear_word
from interpositive.cli.training import TrainConfig, read_compute, train_here
from interpositive.errors import ConfigError, RankLostError, TrainingStopped
from interpositive.records.publishing import write_file_whole
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord
from interpositive.training.ranks import rank_of
from interpositive.training.run_folder import LOGS_NAME, refuse_finished
from interpositive.training.run_lock import run_lock
from interpositive.training.settings import ComputeSettings
from interpositive.training.stopping import STOP_SIGNALS

_CONFIG_NAME = "ranks.yaml"
_GRACE_SECONDS, _GRACE_SECONDS_OF_LOST = 5.0, 1.0
_LOOK_SECONDS = 0.1
# As which signal a request to stop reaches the ranks.
_HANDED_ON: dict[int, int] = {
    number: signal.SIGUSR2 if number == signal.SIGUSR1 else signal.SIGUSR1 for number in STOP_SIGNALS
}
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
    # Held here as well as by the ranks: nothing in the folder of another training is touched, nor is one begun there.
    with run_lock(folder) as lock:
        refuse_finished(folder)
        _run_until_finished(plain, folder, compute, lock)
    return RunRecord.read(folder)


def _run_until_finished(plain: Mapping[str, Any], folder: Path, compute: ComputeSettings, lock: int) -> None:
    for restarts_left in reversed(range(compute.restarts + 1)):
        try:
            return _run_ranks(plain, folder, compute, lock)
        except RankLostError as error:
            if (folder / RUN_RECORD_NAME).exists():
                # Lost while it said goodbye to a logger: the run itself is finished.
                return
            if not restarts_left:
                raise
            print(f"{error}\nstarting again from the newest checkpoint", file=sys.stderr)


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
    """The rank processes of one attempt, and when they have ended the ``words`` that they left, by rank."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.pipes: list[int] = []
        self.words: dict[int, Word] = {}
        self.asked: list[int] = []

    @property
    def codes(self) -> list[int | None]:
        """Exit codes by rank, None for one that runs."""
        return [process.poll() for process in self.processes]

    def ask_to_stop(self, number: int, *_: object) -> None:
        """Hand on that this process was asked to stop by the signal ``number``; ranks end in their own time.

        By another signal: many systems send theirs to every process, ranks included, and the same one from here too
        would be a second request, which is obeyed at once. A warning and the signal after it are one request.
        """
        if number in self.asked or not self.asked:
            self._signal(_HANDED_ON[number])
        self.asked.append(number)

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
        self._signal(signal.SIGTERM)
        # Where one is lost, the others end by themselves, and it cannot.
        lost = RankLostError.exit_code in self.codes
        until = time.monotonic() + (_GRACE_SECONDS_OF_LOST if lost else _GRACE_SECONDS)
        for process in self.processes:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.words = {rank: word for rank, pipe in enumerate(self.pipes) if (word := hear_word(pipe))}

    def _signal(self, number: int) -> None:
        for process in self.processes:
            process.send_signal(number)


def _run_ranks(plain: Mapping[str, Any], folder: Path, compute: ComputeSettings, lock: int) -> None:
    """Start the ranks and come back when all have ended well; else raise what the first one's trouble was."""
    write_file_whole(folder / LOGS_NAME / _CONFIG_NAME, yaml.safe_dump(dict(plain), sort_keys=False))
    # Held here, so that no port is given away before the ranks can have it.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = _Ranks()
    with _on_stop_signals(ranks.ask_to_stop):
        try:
            for number in range(compute.devices):
                process, pipe = _start_rank(number, folder, compute, store.port, lock)
                ranks.processes.append(process)
                ranks.pipes.append(pipe)
            if ranks.asked:
                # Before the last of them was there to be told.
                ranks.ask_to_stop(ranks.asked[0])
            first = ranks.first_to_fail()
        finally:
            ranks.end()
    if first is None:
        return
    cause = find_cause(ranks.words, [process.returncode for process in ranks.processes], first, folder)
    if ranks.asked and isinstance(cause, RankLostError):
        # Before a rank can heed the signal it ends by it.
        raise TrainingStopped("training was asked to stop, and did", remedy="the same command goes on from here")
    raise cause


def _start_rank(
    number: int, folder: Path, compute: ComputeSettings, port: int, lock: int
) -> tuple[subprocess.Popen[bytes], int]:
    """A rank's process, and the handle of the pipe at which it leaves word."""
    threads = compute.threads or max(1, num_cores() // compute.devices)
    environment = {
        # What torch has to say of a lost connection is a trace in C++, around our message of the rank that was lost.
        "TORCH_CPP_LOG_LEVEL": "ERROR",
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
    }
    if sys.platform in _LOOPBACKS:
        # Ranks of one machine need not be seen from others.
        environment.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACKS[sys.platform])
    heard, said = os.pipe()
    given = (folder / LOGS_NAME / _CONFIG_NAME, folder, os.getpid(), lock, said)
    command = [sys.executable, "-m", "interpositive.cli.rank", *map(str, given)]
    try:
        with _output_of(number, folder, command) as output:
            # A session of its own: Ctrl-C reaches this process alone, which ends the ranks.
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output and subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock, said],
            )
    except BaseException:
        os.close(heard)
        raise
    finally:
        os.close(said)
    return process, heard


@contextmanager
def _output_of(number: int, folder: Path, command: Sequence[str]) -> Iterator[IO[bytes] | None]:
    """Rank 0 speaks where this process does; the others' words are kept beside the run."""
    if number == 0:
        yield None
        return
    with (folder / LOGS_NAME / f"rank_{number}.txt").open("ab") as stream:
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
