"""Jobs in spawned processes: order, blame, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from interpositive.dailies.workers import Outcome, run_jobs


def answer(job: int) -> int:
    if job == 3:
        os._exit(9)
    if job == 5:
        time.sleep(600)
    time.sleep(0.05 * (job % 2))
    return job * job


def patience(job: int) -> float:
    return 3.0 if job == 5 else 60.0


def test_outcomes_keep_the_order_of_their_jobs_and_blame_the_right_one() -> None:
    outcomes = list(run_jobs(answer, range(9), 2, patience))
    assert [outcome.job for outcome in outcomes] == list(range(9))
    assert [outcome.result for outcome in outcomes] == [0, 1, 4, None, 16, None, 36, 49, 64]
    assert outcomes[3].reason == "reading it crashed the decoder (exit code 9)"
    assert outcomes[5].reason == "reading it took longer than 3 seconds"


def test_without_workers_jobs_run_here() -> None:
    assert list(run_jobs(answer, [2], 0, patience)) == [Outcome(2, 4)]


def test_nobody_to_do_nothing() -> None:
    assert list(run_jobs(answer, [], 2, patience)) == []


_HANGS = """
import os, sys, time
sys.path.insert(0, {tests!r})
from test_workers import answer, patience
from interpositive.dailies.workers import run_jobs
if __name__ == "__main__":
    list(run_jobs(answer, [5], 1, lambda job: 600))
"""


def test_a_hanging_worker_does_not_outlive_a_killed_ingest(tmp_path: Path) -> None:
    script = tmp_path / "hangs.py"
    script.write_text(_HANGS.format(tests=str(Path(__file__).parent)))
    parent = subprocess.Popen([sys.executable, str(script)])
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    pids: list[int] = []
    waited_until = time.monotonic() + 20
    while len(pids) < 2 and time.monotonic() < waited_until:
        time.sleep(0.1)
        pids = [int(pid) for pid in children.read_text().split()]
    time.sleep(1.5)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    # One is the worker, the other Python's resource tracker; both must go.
    assert len(pids) == 2
    while any(is_alive(pid) for pid in pids) and time.monotonic() < waited_until + 10:
        time.sleep(0.1)
    assert not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_ingest_needs_no_torch() -> None:
    text = "import sys, interpositive.dailies.ingest; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
