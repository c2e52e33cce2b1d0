"""A rank that died, stopped or was cut off is named and all end; one that is only slow, late or finished is not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interpositive.errors import RankLostError, TrainingError, TrainingStopped
from interpositive.training.rank_beats import DONE, Beat, Judge

LIMIT, JOIN = 10.0, 60.0


class Run:
    """Three ranks on a simulated clock, as rank 1 sees them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.judge = Judge(1, 3, LIMIT, JOIN)
        self.judge.wake(self.now)
        self.beats = [Beat(1, f"node{rank}", 1000 + rank) for rank in range(3)]

    def live(self, seconds: float, *, silent: tuple[int, ...] = (), store: bool = True, joined: bool = True) -> None:
        """Seconds of this process, in ticks of a half; a round each second if the store answers."""
        for tick in range(int(seconds * 2)):
            self.now += 0.5
            self.judge.tick(self.now, 1.0)
            if store and tick % 2:
                self.beats = [b if r in silent or b.ended else b.next() for r, b in enumerate(self.beats)]
                self.judge.hear(self.beats if joined else None, self.judge.num_breaks)
            if found := self.judge.verdict(None):
                raise Lost(found)


class Lost(Exception):
    """Carries the verdict out of the simulation."""


def test_a_silent_rank_is_named_within_the_limit_and_a_second() -> None:
    run = Run()
    run.live(60)
    began = run.now
    with pytest.raises(Lost) as lost:
        run.live(60, silent=(2,))
    verdict, seconds = lost.value.args[0], run.now - began
    assert (verdict.rank, verdict.where) == (2, "process 1002 on node2")
    assert "has not answered" in verdict.why
    assert LIMIT <= seconds <= LIMIT + 2


def test_a_store_that_does_not_answer_is_the_loss_of_rank_0() -> None:
    run = Run()
    run.live(5)
    began = run.now
    with pytest.raises(Lost) as lost:
        run.live(60, store=False)
    assert (lost.value.args[0].rank, lost.value.args[0].where) == (0, "process 1000 on node0")
    assert run.now - began <= LIMIT + 2


def test_slow_late_and_finished_ranks_are_not_lost() -> None:
    run = Run()
    run.live(JOIN - 1, joined=False)
    for _ in range(10):
        run.live(LIMIT - 2, silent=(2,))
        run.live(2)
    run.beats[2] = run.beats[2].next(DONE)
    run.live(10 * LIMIT)
    run.beats[0] = run.beats[0].next(DONE)
    run.live(2)
    assert run.judge.verdict("Connection reset by peer") is None, "rank 0 has ended, and the store in it"


def test_a_rank_that_never_joins_has_a_limit_of_its_own() -> None:
    run = Run()
    with pytest.raises(Lost, match="had joined"):
        run.live(JOIN + 2, joined=False)


def test_a_rank_that_failed_is_lost_at_once_and_says_why() -> None:
    run = Run()
    run.live(3)
    run.beats[0] = run.beats[0].next("it ended by AssertionError: step 3 was given another batch")
    with pytest.raises(Lost, match="another batch"):
        run.live(1)


@pytest.mark.parametrize("code", [TrainingStopped.exit_code, TrainingError.exit_code])
def test_a_rank_that_ended_in_order_is_followed_in_time(code: int) -> None:
    run = Run()
    run.beats[2] = run.beats[2].next("it ended by TrainingError: the loss is not a number", code)
    run.live(LIMIT)
    with pytest.raises(Lost) as lost:
        run.live(3)
    assert lost.value.args[0].code == code
    run.judge.expects_ends = True
    run.live(10 * LIMIT)


def test_after_a_break_nobody_is_lost_and_nothing_is_confirmed_until_all_were_heard_anew() -> None:
    run = Run()
    run.live(5)
    assert run.judge.is_confirmed(run.now)
    run.now += 3600
    assert not run.judge.is_confirmed(run.now), "before the judge itself has noticed"
    run.live(1.5)
    assert not run.judge.is_confirmed(run.now), "one beat may have lain in a socket"
    run.live(3, silent=(2,))
    assert not run.judge.is_confirmed(run.now), "rank 2 may have given this one up"
    run.live(3)
    assert run.judge.is_confirmed(run.now)


RANK = """
import os, signal, sys, time
from datetime import timedelta
from pathlib import Path
import torch
import torch.distributed as dist
from interpositive.training.rank_watch import watched_ranks

dist.init_process_group("gloo", timeout=timedelta(seconds=120))
folder, rank, total = Path(sys.argv[1]), dist.get_rank(), torch.zeros(1)
(folder / f"up{rank}").touch()
with watched_ranks(4.0) as watch:
    while not total:
        time.sleep(0.02)
        if rank == 0:
            if (folder / "freeze").exists():
                (folder / "freeze").unlink()
                os.kill(os.getpid(), signal.SIGSTOP)
            watch.confirm()
            (folder / "published").write_text(str(time.time()))
        total[0] = (folder / "stop").exists()
        dist.all_reduce(total, op=dist.ReduceOp.MAX)
    time.sleep(rank)
"""


def start_ranks(folder: Path, num_ranks: int) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "rank.py").write_text(RANK)
    ranks = []
    for rank in range(num_ranks):
        variables = {"RANK": rank, "WORLD_SIZE": num_ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = {**os.environ, **{key: str(value) for key, value in variables.items()}}
        command = [sys.executable, str(folder / "rank.py"), str(folder)]
        ranks.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    deadline = time.monotonic() + 60
    while not all((folder / f"up{rank}").exists() for rank in range(num_ranks)):
        assert time.monotonic() < deadline
        assert all(rank.poll() is None for rank in ranks), [rank.communicate()[1] for rank in ranks]
        time.sleep(0.05)
    return ranks


def test_a_stopped_rank_ends_all_and_writes_nothing_when_it_wakes(tmp_path: Path) -> None:
    first, second = start_ranks(tmp_path, 2)
    try:
        time.sleep(1.5)
        (tmp_path / "freeze").touch()
        began = time.monotonic()
        told = second.communicate(timeout=30)[1]
        assert time.monotonic() - began < 4.0 + 5.0
        assert second.returncode == RankLostError.exit_code
        assert f"rank 0 of 2 is lost: process {first.pid}" in told
        published = (tmp_path / "published").read_text()
        first.send_signal(signal.SIGCONT)
        told = first.communicate(timeout=30)[1]
        assert first.returncode == RankLostError.exit_code
        assert f"rank 1 of 2 is lost: process {second.pid}" in told
        assert (tmp_path / "published").read_text() == published
    finally:
        for rank in (first, second):
            rank.kill()


def test_ranks_that_end_one_after_the_other_are_not_lost(tmp_path: Path) -> None:
    ranks = start_ranks(tmp_path, 2)
    (tmp_path / "stop").touch()
    ends = [rank.communicate(timeout=60)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], ends
