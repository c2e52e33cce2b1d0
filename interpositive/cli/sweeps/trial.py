"""One trial, wherever a launcher runs it: trained in a process of its own, and recorded however it ends."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from interpositive.cli.hydra_app import config_folder, plain_config
from interpositive.cli.mistakes import as_config_error
from interpositive.cli.sweeps.objectives import objective_values
from interpositive.cli.sweeps.results import told
from interpositive.errors import InterpositiveError, TrainingStopped
from interpositive.records.run_record import RUN_RECORD_NAME, RunRecord
from interpositive.records.sweep_record import SweepRecord, TrialRecord

CONSOLE_NAME = "console.log"
_LOCK_NAME = "trial.lock"
_SECONDS_TO_STOP = 120.0
_LOOK_SECONDS = 0.5
_TAIL_BYTES = 20_000


def run_trial(config: DictConfig, sweep_process: int) -> None:
    """What a launcher calls for each trial: train its run, or go on with it, and record how it ended.

    A trial that was told to stop stays as it is, to be gone on with. Raises what stops the whole sweep: an
    interruption, and a record that cannot be written.
    """
    _end_with(sweep_process)
    folder = Path(HydraConfig.get().runtime.output_dir)
    sweep = SweepRecord.read(folder.parent.parent)
    with _alone_in(folder) as lock:
        trial = TrialRecord.read(folder)
        # It may have ended while this waited for a process that a killed sweep had left.
        if trial.state == "running":
            trial = _ended(trial, sweep, config, folder, lock)
            trial.write(folder)
            print(told(trial, sweep.objectives), flush=True)


@cache
def _end_with(sweep_process: int) -> None:
    """In a worker that the sweep's own process started: end, at work or idle, when that is gone.

    The training sees its pipe end, and stops.
    """
    starter = multiprocessing.parent_process()
    if starter is None or starter.pid != sweep_process:
        return

    def wait() -> None:
        while os.getppid() == sweep_process:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _ended(trial: TrialRecord, sweep: SweepRecord, config: DictConfig, folder: Path, lock: int) -> TrialRecord:
    """The trial's record after its training, whatever came of that."""
    started, console = time.monotonic(), folder / CONSOLE_NAME
    said_before = console.stat().st_size if console.exists() else 0
    changes: dict[str, Any]
    try:
        if not (folder / RUN_RECORD_NAME).exists():
            code = _in_own_process(_plain_of_trial(config, sweep), folder, lock)
            if code == TrainingStopped.exit_code:
                return trial
            if code:
                return _failed(trial, _reason(code, console, said_before), code, started)
        changes = {"state": "finished", "values": objective_values(RunRecord.read(folder), sweep.objectives)}
    except InterpositiveError as error:
        return _failed(trial, str(error), error.exit_code, started)
    return trial.model_copy(update=changes | {"seconds": _since(started)})


def _failed(trial: TrialRecord, reason: str, code: int, started: float) -> TrialRecord:
    changes = {"state": "failed", "reason": reason, "exit_code": code, "seconds": _since(started)}
    return trial.model_copy(update=changes)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _plain_of_trial(config: DictConfig, sweep: SweepRecord) -> dict[str, Any]:
    """The configuration of a trial's run, as its own process is given it."""
    try:
        plain = plain_config(config, "train")
    except OmegaConfBaseException as error:
        raise as_config_error(error, "train", config_folder()) from None
    wandb = {**plain["wandb"], "group": plain["wandb"].get("group") or sweep.name}
    return {**plain, "wandb": wandb, "run_folder": None, "progress": False}


def _in_own_process(plain: Mapping[str, Any], folder: Path, lock: int) -> int:
    """Train in a fresh process that ends before this does; its exit code, as a shell would tell it.

    The process keeps the trial's lock, and stops by itself should this one be killed.
    """
    command = [sys.executable, "-m", "interpositive.cli.sweeps.trial_process", str(folder)]
    with (folder / CONSOLE_NAME).open("ab") as console:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=console,
            stderr=subprocess.STDOUT,
            # Else a Ctrl-C reaches the training and the sweep at once, and neither waits for the other.
            start_new_session=True,
            pass_fds=[lock],
        )
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(plain).encode() + b"\n")
            process.stdin.flush()
        code = process.wait()
    finally:
        _end(process)
    return code if code >= 0 else 128 - code


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process that still runs leave its checkpoint, then leave nothing of it behind."""
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_STOP)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _reason(code: int, console: Path, said_before: int) -> str:
    """Why a training ended: its own message, else the signal that ended it, else the last that it said.

    The first ``said_before`` bytes are of earlier attempts.
    """
    if code - 128 in set(signal.Signals):
        name = signal.Signals(code - 128).name
        return f"ended by {name}" + (", as by a system that is out of memory" if name == "SIGKILL" else "")
    with console.open("rb") as stream:
        stream.seek(max(said_before, console.stat().st_size - _TAIL_BYTES))
        said = stream.read().decode(errors="replace").strip()
    _, found, message = said.rpartition("interpositive train: ")
    return message if found else (said.splitlines() or [f"exit code {code}"])[-1]


@contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Hold the trial's lock, waiting for a process that a killed sweep left; gives the lock's handle."""
    handle = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"trial {folder.name} is still being trained: waiting for it", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
