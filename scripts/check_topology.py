"""Is a run the same on one process, on two, and when it moves between them? Trains by the command line and compares.

    python scripts/check_topology.py [--steps 60] [--keep FOLDER]

A tiny production is trained on one process and on two, with whole weights (ddp) and with sharded ones (fsdp2), and
moved from one to two and back by stopping it twice. Every run must see the same examples in the same order
(``windows.csv``, byte for byte), have the loss of the one-process run (relative, within 1e-5 at the first logged step
and 1e-3 at any), and end as its twin on the same processes does, byte for byte. How far the final weights are apart is
told, not judged: sums of floats in another order are other floats, and training makes more of them with every step.
Exits 1 when one of these does not hold.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import torch
from productions import make_production
from safetensors.torch import load_file

from interpositive.errors import TrainingStopped
from interpositive.records.digests import sha256_of_file
from interpositive.training.checkpoint_format import read_checkpoint

FIRST_LOSS, ANY_LOSS = 1e-5, 1e-3
ONE, TWO = ("compute=cpu", "compute.threads=1"), ("compute=two_process_cpu", "compute.threads=1")
SHARDED = (*TWO, "compute.strategy=fsdp2")
RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "1": (ONE,),
    "1, again": (ONE,),
    "2": (TWO,),
    "2, again": (TWO,),
    "2 sharded": (SHARDED,),
    "2 sharded, again": (SHARDED,),
    "1, then 2, then 1": (ONE, TWO, ONE),
    "2, then 2 sharded, then 1": (TWO, SHARDED, ONE),
}
SMALL = (
    *("dailies.window_frames=8", "dailies.num_windows=4", "dailies.num_val_windows=1", "dailies.batch_size=4"),
    *("dailies.num_prepare_workers=0", "trainer.warmup_steps=5", "trainer.checkpoint_every=5"),
    *("trainer.held_out_windows=1", "trainer.held_out_frames=2", "mini_model.scorer_width=8"),
    *("mini_model.residual_widths=[8,8,8]", "mini_model.crop_px=32", "mini_model.flow_offsets=[1,2]"),
    *("mini_model.camera_offsets=[2]", "metric=[psnr]", "wandb=disabled", "progress=false"),
)


@dataclass(frozen=True)
class Left:
    """What a run left: which examples it saw, its losses by step, its archived weights, and its whole last state."""

    windows: bytes
    losses: dict[int, float]
    weights: dict[str, torch.Tensor]
    state_sha256: str


def train(
    conf: Path, folder: Path, parts: tuple[tuple[str, ...], ...], steps: int, choices: tuple[str, ...] = SMALL
) -> Left:
    """Train in as many parts as there are computes, each but the last stopped by SIGTERM at a step of its own."""
    command = [sys.executable, "-m", "interpositive.cli.main", "train", "--config-dir", str(conf), "production=tiny"]
    common = [f"run_folder={folder}", f"trainer.max_steps={steps}", f"trainer.validate_every={steps}"]
    for number, compute in enumerate(parts, 1):
        with folder.with_suffix(f".{number}.log").open("w") as log:
            given = [*command, *choices, *common, f"trainer.judge_every={steps}", *compute]
            process = subprocess.Popen(given, stdout=log, stderr=subprocess.STDOUT)
            if number < len(parts):
                wait_for_step(process, folder, number * steps // len(parts))
                process.send_signal(signal.SIGTERM)
            code = process.wait()
        if code != (0 if number == len(parts) else TrainingStopped.exit_code):
            sys.exit(f"{folder.name}, part {number}, ended with {code}:\n{Path(log.name).read_text()[-4000:]}")
    with (folder / "metrics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    last = folder / "checkpoints" / f"step={steps}.ckpt"
    assert read_checkpoint(last)["global_step"] == steps
    return Left(
        (folder / "windows.csv").read_bytes(),
        {int(row["step"]): float(row["value"]) for row in rows if row["name"] == "train/loss"},
        load_file(folder / "archive" / "weights.safetensors"),
        sha256_of_file(last / "tensors.safetensors"),
    )


def make_conf(root: Path) -> Path:
    """A tiny production, and the folder of a configuration that knows it."""
    production, conf = make_production(root), root / "conf"
    (conf / "production").mkdir(parents=True)
    (conf / "production" / "tiny.yaml").write_text(
        f"defaults: [default, _self_]\nname: tiny\nworkspace: {production.folder}\ntraining_height: 64\n"
    )
    return conf


def wait_for_step(process: subprocess.Popen[bytes], folder: Path, step: int) -> None:
    while process.poll() is None:
        found = [int(path.stem.split("=")[1]) for path in folder.glob("checkpoints/step=*.ckpt")]
        if max(found, default=0) >= step:
            return
        time.sleep(0.02)


def apart(weights: dict[str, torch.Tensor], reference: dict[str, torch.Tensor]) -> float:
    """Euclidean distance of all weights, relative to the length of the reference."""
    distance = sum(float((weights[name].double() - value.double()).square().sum()) for name, value in reference.items())
    length = sum(float(value.double().square().sum()) for value in reference.values())
    return (distance / length) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="an empty folder for the runs, which stay")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.keep or Path(scratch)
        conf = make_conf(root)
        left = {
            name: train(conf, root / f"run_{number}", parts, arguments.steps)
            for number, (name, parts) in enumerate(RUNS.items())
        }
    print(f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; {arguments.steps} steps, gloo")
    print(f"{'processes':<28}{'examples':>12}{'first loss':>13}{'any loss':>11}{'weights':>11}{'twin':>8}")
    reference, holds = left["1"], True
    for name, run in left.items():
        twin = left.get(f"{name}, again")
        same_windows = run.windows == reference.windows
        first, *later = (abs(run.losses[step] / value - 1.0) for step, value in sorted(reference.losses.items()))
        worst = max([first, *later])
        same_twin = twin is None or (run.state_sha256 == twin.state_sha256 and run.windows == twin.windows)
        holds &= same_windows and first <= FIRST_LOSS and worst <= ANY_LOSS and same_twin
        told = "" if twin is None else "equal" if same_twin else "OTHER"
        examples = "same order" if same_windows else "OTHER ORDER"
        weights = apart(run.weights, reference.weights)
        print(f"{name:<28}{examples:>12}{first:>13.1e}{worst:>11.1e}{weights:>11.1e}{told:>8}")
    print(f"bar: the same order; losses within {FIRST_LOSS:g} first, {ANY_LOSS:g} at any logged step; twins equal")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
