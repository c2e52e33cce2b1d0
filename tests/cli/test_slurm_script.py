"""The batch script of docs/cluster.md, with stand-ins for SLURM's commands: what goes back into the queue, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "slurm" / "train.sbatch"
# Hands signals on to its one task and ends with its code, as srun does; but of SIGTERM it makes SIGKILL.
SRUN = """#!/bin/bash
echo "srun $*" >> calls
while [[ $1 == --* ]]; do shift; done
trap 'kill -USR1 $task' USR1
trap 'kill -KILL $task' TERM
"$@" & task=$!
while wait $task; code=$?; kill -0 $task 2>/dev/null; do :; done
exit $code
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> calls
"""
# A training that takes one attempt for each line of ``codes``; "stop" waits until it is told to, "deaf" is not
# yet there to be told.
INTERPOSITIVE = """#!/bin/bash
code=$(head -n 1 codes); sed -i 1d codes
if [ "$code" = stop ]; then
    trap 'sleep 0.3; echo saved >> calls; exit 75' USR1
fi
if [ "$code" = stop -o "$code" = deaf ]; then
    touch training
    while :; do sleep 0.05; done
fi
exit $code
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("interpositive", INTERPOSITIVE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "calls").touch()
    return tmp_path


def start(cluster: Path, codes: str, *arguments: str, restarts: int = 0) -> subprocess.Popen[str]:
    (cluster / "codes").write_text(codes.replace(" ", "\n") + "\n")
    variables = {"PATH": f"{cluster}:{os.environ['PATH']}", "SLURM_JOB_ID": "17", "SLURM_RESTART_COUNT": str(restarts)}
    return subprocess.Popen(
        ["bash", str(SCRIPT), *arguments],
        cwd=cluster,
        env={**os.environ, **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


def calls(cluster: Path) -> list[str]:
    return (cluster / "calls").read_text().splitlines()


@pytest.mark.parametrize(("heard", "code", "saved"), [("stop", 75, ["saved"]), ("deaf", 138, [])])
def test_told_to_stop_it_waits_for_the_ranks_to_save_and_goes_back_into_the_queue(
    cluster: Path, heard: str, code: int, saved: list[str]
) -> None:
    job = start(cluster, f"{heard} 0", "compute=one_node", "run_folder=/shared/run", restarts=99)
    deadline = time.monotonic() + 30
    while not (cluster / "training").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == code
    started, *then = calls(cluster)
    assert started.endswith("interpositive train compute=one_node run_folder=/shared/run progress=false")
    assert then == [*saved, "scontrol requeue 17"]


@pytest.mark.parametrize(
    ("code", "restarts", "is_requeued"),
    [
        ("0", 0, False),
        ("2", 0, False),
        ("7", 0, False),
        ("8", 0, True),
        ("137", 3, True),
        ("8", 20, False),
        ("75", 99, True),
    ],
)
def test_only_what_can_be_gone_on_with_goes_back(cluster: Path, code: str, restarts: int, is_requeued: bool) -> None:
    assert start(cluster, code, "run_folder=/shared/run", restarts=restarts).wait(30) == int(code)
    assert ("scontrol requeue 17" in calls(cluster)) == is_requeued


def test_a_run_folder_must_be_named(cluster: Path) -> None:
    job = start(cluster, "0", "compute=one_node")
    assert "run_folder=" in job.communicate()[1] and job.returncode == 2
    assert calls(cluster) == []
