"""Several processes from one command: a sweep of them, and what is told when one of them fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from productions import PRODUCTION_YAML, SMALL_TRAINING, TinyProduction
from safetensors.torch import load_file

from interpositive.cli.rank_endings import ending_path, find_cause, leave_word
from interpositive.errors import InterpositiveError, MediaError, RankLostError, TrainingError
from interpositive.records.run_record import RunRecord
from interpositive.records.sweep_record import trial_folder

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


def _word(folder: Path, number: int, error: Exception) -> None:
    leave_word(folder, number, error, error if isinstance(error, InterpositiveError) else None)


def test_the_first_mistake_is_told_and_not_what_it_dragged_along(tmp_path: Path) -> None:
    _word(tmp_path, 2, RuntimeError("connection closed by peer"))
    _word(tmp_path, 1, RankLostError("rank 3 is lost"))
    _word(tmp_path, 3, MediaError("a frame is damaged", found=17, remedy="copy it again"))
    _word(tmp_path, 0, TrainingError("the loss is not a number"))
    cause = find_cause(tmp_path, 2, [7, 8, 1, 3])
    assert isinstance(cause, MediaError)
    assert "17" in str(cause) and "copy it again" in str(cause)


def test_a_rank_that_a_signal_ended_is_lost_whatever_the_others_say(tmp_path: Path) -> None:
    _word(tmp_path, 0, RuntimeError("connection closed by peer"))
    cause = find_cause(tmp_path, 1, [1, -9])
    assert isinstance(cause, RankLostError) and "SIGKILL" in str(cause) and "rank 1" in str(cause)


def test_a_defect_is_told_with_its_traceback(tmp_path: Path) -> None:
    try:
        raise ZeroDivisionError("of ours")
    except ZeroDivisionError as error:
        _word(tmp_path, 1, error)
    assert json.loads(ending_path(tmp_path, 1).read_text())["kind"] is None
    cause = find_cause(tmp_path, 1, [-15, 1])
    assert not isinstance(cause, InterpositiveError)
    assert "test_launching.py" in str(cause) and "ZeroDivisionError: of ours" in str(cause)
