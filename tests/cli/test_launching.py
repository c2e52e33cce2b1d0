"""Several processes from one command: a sweep of them, and what is told when one of them fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from productions import PRODUCTION_YAML, SMALL_TRAINING, TinyProduction
from safetensors.torch import load_file

from interpositive.cli.launching import _Ranks
from interpositive.cli.rank_endings import Word, find_cause, hear_word, leave_word
from interpositive.errors import InterpositiveError, MediaError, RankLostError, StorageError, TrainingError
from interpositive.records.run_record import RunRecord
from interpositive.records.sweep_record import trial_folder
from interpositive.training.run_folder import LOGS_NAME
from interpositive.training.run_lock import LOCK_NAME, run_lock

SMALL = [
    *SMALL_TRAINING,
    "compute=two_process_cpu",
    "trainer.max_steps=3",
    "trainer.validate_every=3",
    "trainer.judge_every=3",
    "mini_model.crop_px=32",
    "metric=[psnr]",
    "wandb=disabled",
    "progress=false",
]


def test_one_sweep_trains_twice_on_two_processes_with_whole_and_with_sharded_weights(
    command: Callable[..., Any], tiny_production: TinyProduction, tmp_path: Path
) -> None:
    conf = tmp_path / "conf" / "production"
    conf.mkdir(parents=True)
    (conf / "tiny.yaml").write_text(PRODUCTION_YAML.format(folder=tiny_production.folder))

    options = ["--config-dir", str(conf.parent), "--multirun", "hydra.sweep.dir=sweep", "production=tiny"]
    ended = command("train", *options, *SMALL, "compute.strategy=ddp,fsdp2")

    assert ended.code == 0, ended.err
    folders = [trial_folder(Path("sweep"), number) for number in (0, 1)]
    assert all(RunRecord.read(folder).steps == 3 for folder in folders)
    copied, sharded = (load_file(folder / "archive" / "weights.safetensors") for folder in folders)
    # It starts at zero.
    assert copied["residual.last.weight"].any() and copied.keys() == sharded.keys()
    for name, value in copied.items():
        assert torch.allclose(value, sharded[name], atol=1e-5), name
    # Checkpoints hold whole tensors, whoever wrote them: those of either go on with the other.
    shapes = [
        {name: tuple(value.shape) for name, value in load_file(path).items()}
        for folder in folders
        for path in folder.glob("checkpoints/step=3.ckpt/*.safetensors")
    ]
    assert len(shapes) == 2 and shapes[0] == shapes[1]
    # The other rank neither logs nor judges nor saves: it says no word.
    assert len((folders[0] / "logs" / "rank_1.txt").read_text().splitlines()) == 1


def test_a_second_command_in_the_folder_is_refused_before_it_writes_there(
    command: Callable[..., Any], tiny_production: TinyProduction, tmp_path: Path
) -> None:
    conf, run = tmp_path / "conf" / "production", tmp_path / "run"
    conf.mkdir(parents=True)
    (conf / "tiny.yaml").write_text(PRODUCTION_YAML.format(folder=tiny_production.folder))
    (run / LOGS_NAME).mkdir(parents=True)
    (run / LOGS_NAME / "ranks.yaml").write_text("of the first")
    options = ["--config-dir", str(conf.parent), "production=tiny", *SMALL, f"run_folder={run}"]

    with run_lock(run):
        ended = command("train", *options)
        assert ended.code == StorageError.exit_code and "is being trained by another process" in ended.err
        assert sorted(path.name for path in run.iterdir()) == [LOGS_NAME, LOCK_NAME]
    (run / "config.yaml").write_text("a: 1\n")
    (run / "run.json").touch()
    ended = command("train", *options)
    assert ended.code == StorageError.exit_code and "already holds a finished run" in ended.err
    assert [path.read_text() for path in (run / LOGS_NAME).iterdir()] == ["of the first"]


class _Told:
    """A rank that only remembers the signals it was sent."""

    def __init__(self) -> None:
        self.signals: list[int] = []

    def send_signal(self, number: int) -> None:
        self.signals.append(number)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([signal.SIGTERM], [signal.SIGUSR1]),
        ([signal.SIGTERM, signal.SIGTERM], [signal.SIGUSR1, signal.SIGUSR1]),
        # A scheduler's warning, and its end of patience.
        ([signal.SIGUSR1, signal.SIGTERM], [signal.SIGUSR2]),
        ([signal.SIGUSR2, signal.SIGTERM], [signal.SIGUSR1]),
    ],
)
def test_ranks_that_were_sent_the_signal_themselves_hear_one_request(asked: list[int], told: list[int]) -> None:
    rank, ranks = _Told(), _Ranks()
    ranks.processes = [cast(Any, rank)]
    for number in asked:
        ranks.ask_to_stop(number, None)
    assert rank.signals == told


def _words(**errors: Exception) -> dict[int, Word]:
    """What ranks leave that end by these errors, in this order; their names end with their number."""
    words = {}
    for name, error in errors.items():
        heard, said = os.pipe()
        leave_word(said, error, error if isinstance(error, InterpositiveError) else None)
        leave_word(said, RankLostError("said later"), RankLostError("said later"))
        word = hear_word(heard)
        os.close(said)
        assert word is not None
        words[int(name[-1])] = word
    return words


def test_the_first_mistake_is_told_and_not_what_it_dragged_along(tmp_path: Path) -> None:
    words = _words(
        rank_2=RuntimeError("connection closed by peer"),
        rank_1=RankLostError("rank 3 is lost"),
        rank_3=MediaError("a frame is damaged", found=17, remedy="copy it again"),
        rank_0=TrainingError("the loss is not a number"),
    )
    cause = find_cause(words, [7, 8, 1, 3], 2, tmp_path)
    assert isinstance(cause, MediaError)
    assert "17" in str(cause) and "copy it again" in str(cause)


def test_a_rank_that_a_signal_ended_is_lost_whatever_the_others_say(tmp_path: Path) -> None:
    words = _words(rank_0=RuntimeError("connection closed by peer"))
    cause = find_cause(words, [1, -9], 1, tmp_path)
    assert isinstance(cause, RankLostError) and "SIGKILL" in str(cause) and "rank 1" in str(cause)


def test_a_defect_is_told_with_its_traceback(tmp_path: Path) -> None:
    try:
        raise ZeroDivisionError("of ours" * 100_000)
    except ZeroDivisionError as error:
        words = _words(rank_1=error)
    cause = find_cause(words, [-15, 1], 1, tmp_path)
    assert not isinstance(cause, InterpositiveError)
    assert "rank 1 of 2 failed" in str(cause) and str(cause).endswith("of ours\n")


def test_a_rank_that_says_nothing_is_not_waited_for_though_its_pipe_is_open() -> None:
    heard, said = os.pipe()
    assert hear_word(heard) is None
    os.close(said)
