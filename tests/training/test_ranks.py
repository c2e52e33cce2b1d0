"""Which rank a process is, whoever started it."""

from __future__ import annotations

import os
import re
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from interpositive.errors import ConfigError, RankLostError
from interpositive.training.ranks import Rank, _meet, joined, rank_of, torchrun_variables
from interpositive.training.settings import ComputeSettings

TORCHRUN = {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1", "MASTER_ADDR": "first", "MASTER_PORT": "29500"}
SRUN = {
    "SLURM_PROCID": "9",
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "4711093",
}


def test_torchrun_and_srun_say_the_same() -> None:
    assert rank_of(TORCHRUN) == rank_of(SRUN) == Rank(number=9, num=16, local=1)
    assert torchrun_variables(SRUN)["MASTER_ADDR"] == "gpu07"
    # A job's ranks meet at its own port, wherever they run.
    port = torchrun_variables(SRUN)["MASTER_PORT"]
    assert port == torchrun_variables({**SRUN, "SLURM_PROCID": "3"})["MASTER_PORT"]
    assert port != torchrun_variables({**SRUN, "SLURM_JOB_ID": "4711094"})["MASTER_PORT"]


@pytest.mark.parametrize("environment", [{}, {"RANK": "0"}, {**SRUN, "SLURM_STEP_NUM_TASKS": "1"}])
def test_a_process_that_was_started_alone_is_no_rank(environment: dict[str, str]) -> None:
    assert rank_of(environment) is None


def test_another_number_of_processes_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(ConfigError, match=re.compile("1 started.*2 x 1", re.DOTALL)),
        joined(ComputeSettings(devices=2)),
    ):
        pass
    for name, value in TORCHRUN.items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(ConfigError, match="16 started"), joined(ComputeSettings()):
        pass


def test_a_rank_that_never_comes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "first")
    monkeypatch.setenv("MASTER_PORT", "29500")
    store = HashStore()
    with pytest.raises(RankLostError, match=re.compile("rank 1 and 2 of 3 has not come.*first:29500", re.DOTALL)):
        _meet(store, 0, 3, timedelta(seconds=0.2))
    with pytest.raises(RankLostError, match="rank 2 of 3"):
        _meet(store, 1, 3, timedelta(seconds=0.2))
    _meet(store, 2, 3, timedelta(seconds=5))
