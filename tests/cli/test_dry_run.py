"""A dry run looks at data and tells what a run would take, and leaves everything as it was."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from productions import TinyProduction, panning_shot, write_shot

Command = Callable[..., Any]
SMALL = [
    *("dailies.window_frames=8", "dailies.num_windows=3", "dailies.num_val_windows=1", "dailies.batch_size=2"),
    *("trainer.max_steps=40", "trainer.judge_every=20", "trainer.held_out_windows=1", "trainer.held_out_frames=1"),
    *("mini_model.scorer_width=4", "mini_model.residual_widths=[4,4,4]", "mini_model.crop_px=32"),
    *("mini_model.flow_offsets=[1]", "mini_model.camera_offsets=[2]", "metric=[psnr]", "wandb=disabled"),
    *("dailies.num_prepare_workers=0", "progress=false", "dry_run=true"),
]


@pytest.fixture
def own(tiny_production: TinyProduction, tmp_path: Path) -> list[str]:
    """A production of the test's own, which it may damage."""
    nothing_prepared = shutil.ignore_patterns("prepared")
    workspace = Path(shutil.copytree(tiny_production.folder, tmp_path / "workspace", ignore=nothing_prepared))
    conf = tmp_path / "conf" / "production"
    conf.mkdir(parents=True)
    text = f"defaults: [default, _self_]\nname: tiny\nworkspace: {workspace}\ntraining_height: 64\n"
    (conf / "tiny.yaml").write_text(text)
    return ["--config-dir", str(conf.parent), "production=tiny", *SMALL]


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


def rows(printed: str) -> dict[str, str]:
    """The words of a screen by label."""
    found: dict[str, str] = {}
    label = ""
    for line in printed.splitlines():
        if line.startswith("  ") and line[2:14].strip():
            label = line[2:14].strip()
        found[label] = f"{found.get(label, '')} {line[16:].strip()}".strip()
    return found


def test_tells_what_a_run_would_take_and_changes_nothing(command: Command, own: list[str], tmp_path: Path) -> None:
    before = tree(tmp_path)
    threads = torch.get_num_threads()
    ended = command("train", *own, f"run_folder={tmp_path / 'run'}", "dailies.num_workers=1")
    assert ended.code == 0, ended.err
    assert tree(tmp_path) == before and torch.get_num_threads() == threads
    told = rows(ended.out)
    assert "nothing is trained and nothing written" in ended.out
    assert told["parameters"].startswith("44,") and told["parameters"].endswith("trainable, 0 frozen")
    assert told["processes"] == "1 training, 1 reading batches"
    for name in ("1 x 24 GB", "1 x 80 GB", "8 x 80 GB", "gpu_24gb: compute=one_gpu"):
        assert name in ended.out, ended.out
    assert "2 train, 1 val" in told["data"] and "3 were read with their digests checked" in told["data"]
    assert "no record of rights or consent, so none was checked" in told["rights"]
    assert "4 of 4 windows to prepare" in told["time"] and "40 steps of" in told["time"]
    assert " to " in told["time"].partition(" as steps differ")[0] and "starting and saving" in told["time"]
    for word in ("weights", "gradients", "optimiser", "averaged weights", "activations of a step"):
        assert word in told["memory"]
    assert "checkpoints of" in told["disk"] and "prepared windows" in told["disk"]


def test_a_sweep_tells_a_line_a_trial_and_leaves_no_folder(command: Command, own: list[str], tmp_path: Path) -> None:
    before = tree(tmp_path)
    ended = command("train", "--multirun", *own, "mini_model.scorer_width=4,8")
    assert ended.code == 0, ended.err
    assert tree(tmp_path) == before and "2 trials, dry run:" in ended.out
    lines = [line for line in ended.out.splitlines() if "parameters," in line]
    assert len(lines) == 2 and len({line.split(": ")[1].split(" parameters")[0] for line in lines}) == 2


def test_a_machine_without_the_gpu_says_so(command: Command, own: list[str]) -> None:
    ended = command("train", *own, "compute=one_gpu")
    assert ended.code == 0, ended.err
    assert torch.cuda.is_available() or "there is no GPU here" in rows(ended.out)["assumed"]


def test_footage_that_is_not_as_ingested_ends_it(
    command: Command, own: list[str], tiny_production: TinyProduction, tmp_path: Path
) -> None:
    take = tiny_production.takes_of("train")[1]
    other = tmp_path / "other.mov"
    other.write_bytes(Path(take.path).read_bytes()[:-1])
    catalogue = sqlite3.connect(tmp_path / "workspace" / "catalogue.sqlite")
    with catalogue:
        catalogue.execute("UPDATE takes SET path = ? WHERE name = ?", (str(other), take.name))
    ended = command("train", *own)
    assert ended.code == 4 and "is not the take that was ingested" in ended.err
    content = bytearray(Path(take.path).read_bytes())
    content[len(content) // 2] ^= 1
    other.write_bytes(bytes(content))
    ended = command("train", *own)
    assert ended.code == 4, "a flipped bit is found by the checked read"
    other.unlink()
    ended = command("train", *own)
    assert ended.code == 3 and "is gone" in ended.err
    catalogue.close()


def test_a_mask_shorter_than_its_take_ends_it(
    command: Command, own: list[str], tiny_production: TinyProduction, tmp_path: Path
) -> None:
    take = tiny_production.takes_of("train")[0]
    mask = write_shot(tmp_path / "mask.mov", panning_shot(5, num_frames=8))
    ended = command("train", *own, f"+damage={{{take.name}: {mask}}}")
    assert ended.code == 3 and "shorter than the take" in ended.err and "8 frames" in ended.err
