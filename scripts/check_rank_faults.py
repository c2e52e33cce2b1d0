"""Does a run notice that one of its ranks has died, stopped or lost its network, and go on to the same end?

    python scripts/check_rank_faults.py --starters launcher torchrun
    python scripts/check_rank_faults.py --blows SIGSTOP --ranks 0 --phases save --network not
    python scripts/check_rank_faults.py --network only

A small training runs on two ranks of this machine, started by our own launcher or by torchrun. One rank is killed
(SIGKILL) or stopped (SIGSTOP) at a chosen step, forward, backward, while a checkpoint is saved or the held-out windows
are judged; or it is slowed down twentyfold, which is no loss; or the run is told to stop (SIGTERM). Timed is how
long the run goes on until it says so. Then the same command resumes it, and archive, last checkpoint and the list of
windows drawn are compared, byte for byte, with a run that nobody disturbed. At the end each rank lives in a network
namespace of its own, as on two machines, and the cable between them is cut (needs root and ip).

Exits 1 when a loss is found later than --limit seconds, a code is wrong, or an end differs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from struck_runs import JUDGED, PHASES, SAVED, Bench, Listener, end_session, wait_until
from two_machines import cut, two_machines, why_no_namespaces


@dataclass
class Case:
    """One disturbance: who started the ranks, which rank is struck, where, and how."""

    starter: str
    rank: int
    phase: str
    blow: str
    found_seconds: float = 0.0
    code: int = 0
    message: str = ""
    faults: list[str] = field(default_factory=list)


def disturb(bench: Bench, case: Case, limit: float) -> Case:
    """Strike, time what follows, resume, and compare."""
    run = bench.folder / f"{case.starter}_{case.rank}_{case.phase}_{case.blow}"
    step = JUDGED if case.phase == "judging" else SAVED * 2 if case.phase == "save" else SAVED + 2
    slow = case.blow == "SLOW"
    blow = {
        "rank": case.rank,
        "phase": case.phase,
        "step": step,
        "signal": 0 if slow else int(signal.Signals[case.blow]),
        "delay": 0.05,
    }
    stopping = case.blow == "SIGTERM"
    words = ["asked to stop"] if stopping else ["lost"]
    bench.plan(blow)
    process = bench.start(bench.command(case.starter, run))
    listener = Listener(process, words)
    try:
        if not wait_until(lambda: bench.struck() is not None or process.poll() is not None, 300) or not bench.struck():
            case.faults.append(f"no blow fell: {listener.lines[-1:]}")
            return case
        pid, when = bench.struck() or (0, 0.0)
        if stopping:
            # The one who is told is the command itself; the blow only says when.
            process.terminate()
        if slow:
            slow_down(pid, process)
        wait_until(lambda: process.poll() is not None, 120)
        ended = time.time()
        listener.thread.join(5)
        case.code = process.returncode if process.returncode is not None else -1
        when_found, case.message = listener.heard or (ended, "")
        case.found_seconds = when_found - when
    finally:
        end_session(process)
    judge(case, run, limit)
    if not slow:
        case.faults += bench.train(case.starter, run) or bench.differences(run)
    elif not case.faults:
        case.faults += bench.differences(run)
    shutil.rmtree(run, ignore_errors=True)
    return case


def judge(case: Case, run: Path, limit: float) -> None:
    """What is wrong with how a disturbed run ended."""
    finished = (run / "run.json").exists()
    if case.blow == "SLOW":
        if case.code or not finished:
            case.faults.append(f"a slow rank ended the run with {case.code}: {case.message}")
        return
    # torchrun has a code of its own for a rank that failed.
    expected = {"launcher": 75 if case.blow == "SIGTERM" else 8, "torchrun": 1}[case.starter]
    if case.code != expected:
        case.faults.append(f"code {case.code}, not {expected}")
    if not case.message:
        case.faults.append("nothing said")
    if finished:
        case.faults.append("the run finished")
    if case.found_seconds > limit:
        case.faults.append(f"found after {case.found_seconds:.1f} s")


def slow_down(pid: int, process: subprocess.Popen[str]) -> None:
    """Let a rank run for a twentieth of the time, for half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        for number, seconds in ((signal.SIGSTOP, 0.38), (signal.SIGCONT, 0.02)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            time.sleep(seconds)


def cut_cable(bench: Bench, how: str, limit: float) -> list[Case]:
    """Two ranks on two machines, as torchrun would start them; the cable is cut in the midst of the steps."""
    run = bench.folder / f"network_{how}"
    cases = [Case("two machines", rank, "any", f"cable {how}") for rank in (0, 1)]
    with two_machines() as names:
        bench.plan({"rank": 0, "phase": "forward", "step": SAVED + 2, "signal": 0, "delay": 0.05})
        processes = []
        command = bench.command("launcher", run)
        command[command.index("compute=two_process_cpu")] = "compute=cpu"
        command.insert(-1, "compute.num_nodes=2")
        for rank, name in enumerate(names):
            variables = {
                "RANK": rank,
                "LOCAL_RANK": 0,
                "WORLD_SIZE": 2,
                "MASTER_ADDR": "10.77.0.1",
                "MASTER_PORT": 29511,
            }
            variables |= {"LOCAL_WORLD_SIZE": 1, "GROUP_RANK": rank, "GLOO_SOCKET_IFNAME": "veth0"}
            prefix = ["ip", "netns", "exec", name, "env", *(f"{key}={value}" for key, value in variables.items())]
            processes.append(bench.start([*prefix, *command]))
        listeners = [Listener(process, ["lost"]) for process in processes]
        try:
            if not wait_until(lambda: bench.struck() is not None or processes[0].poll() is not None, 300):
                cases[0].faults.append(f"never came to its steps: {listeners[0].lines[-3:]}")
            began = time.time()
            cut(names, how)
            wait_until(lambda: all(process.poll() is not None for process in processes), 120)
            for case, process, listener in zip(cases, processes, listeners, strict=True):
                listener.thread.join(5)
                case.code = process.returncode if process.returncode is not None else -1
                when, case.message = listener.heard or (time.time(), "")
                case.found_seconds = when - began
                case.starter = "launcher"
                judge(case, run, limit)
                case.starter = "two machines"
        finally:
            for process in processes:
                end_session(process)
    cases[0].faults += bench.train("launcher", run) or bench.differences(run)
    shutil.rmtree(run, ignore_errors=True)
    return cases


def planned(arguments: argparse.Namespace) -> Iterator[Case]:
    """Every case that was asked for."""
    for starter in arguments.starters:
        for blow in arguments.blows:
            phases = ["forward"] if blow == "SLOW" else arguments.phases
            ranks = [0] if blow == "SIGTERM" else arguments.ranks
            for rank in ranks:
                yield from (Case(starter, rank, phase, blow) for phase in phases)


def main() -> int:
    """Disturb, print a table, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starters", nargs="+", default=["launcher", "torchrun"], choices=["launcher", "torchrun"])
    parser.add_argument("--blows", nargs="+", default=["SIGKILL", "SIGSTOP", "SLOW", "SIGTERM"])
    parser.add_argument("--ranks", nargs="+", type=int, default=[0, 1], choices=[0, 1])
    parser.add_argument("--phases", nargs="+", default=list(PHASES), choices=PHASES)
    parser.add_argument("--network", choices=["too", "only", "not"], default="too", help="two machines, cable cut")
    parser.add_argument("--limit", type=float, default=15.0, help="seconds within which a loss must be found")
    arguments = parser.parse_args()
    machine = f"{os.uname().machine}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, {socket.gethostname()}\n")
    print(f"{'started by':<13} {'rank':>4} {'in':<9} {'blow':<13} {'found':>7} {'code':>4}  then")
    cases: list[Case] = []

    def tell(case: Case) -> None:
        cases.append(case)
        found = "" if case.blow == "SLOW" else f"{case.found_seconds:.1f} s"
        then = "; ".join(case.faults) or "same end"
        print(
            f"{case.starter:<13} {case.rank:>4} {case.phase:<9} {case.blow:<13} {found:>7} {case.code:>4}  {then}",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        if wrong := bench.train("launcher", bench.whole):
            print(f"the run that nobody disturbs: {wrong[0]}", file=sys.stderr)
            return 1
        if arguments.network != "only":
            for case in planned(arguments):
                tell(disturb(bench, case, arguments.limit))
        reason = "not asked for" if arguments.network == "not" else why_no_namespaces()
        if reason:
            print(f"two machines: left out ({reason})")
        else:
            for how in ("pulled", "losing all"):
                for case in cut_cable(bench, how, arguments.limit):
                    tell(case)
    num_wrong = sum(bool(case.faults) for case in cases)
    slowest = max((case.found_seconds for case in cases if case.blow not in ("SLOW", "SIGTERM")), default=0.0)
    print(f"\n{len(cases)} cases, {num_wrong} wrong; the slowest loss was found after {slowest:.1f} s")
    return 1 if num_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
