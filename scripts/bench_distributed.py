"""Do two processes with one thread each train as fast as one process with two threads? By the command line.

    python scripts/bench_distributed.py [--steps 120] [--rounds 3]

The same run of the default mini-model on embedded footage, with the same batches, is trained both ways in turn, a long
and a short one each round. The difference of the two is the time of the steps alone: starting, judging and archiving
are in both. Exits 1 when two processes make less than 0.9 of the steps that one makes in the same time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from interpositive.dailies.ingest import ingest
from interpositive.dailies.splitting import SplitRule
from interpositive.records.run_record import RunRecord
from interpositive.soundstage.spec import StageSpec
from interpositive.soundstage.writing import render_production

BAR = 0.9
LAYOUTS = {
    "1 process x 2 threads": ("compute=cpu", "compute.threads=2"),
    "2 processes x 1 thread": ("compute=two_process_cpu", "compute.threads=1"),
}


def shoot(root: Path) -> Path:
    """A small production on the soundstage; gives the folder of its configuration."""
    spec = StageSpec(num_frames=24, scenes=("12A", "44C"), takes_per_scene=1)
    render_production(spec, root / "stage", with_truth=False, progress=False)
    rule = SplitRule(val_fraction=0.2, test_fraction=0.2, explicit={"12A*": "train", "44C*": "val"})
    ingest(root / "stage" / "dailies", root / "catalogue.sqlite", split_rule=rule, num_workers=0, progress=False)
    (root / "conf" / "production").mkdir(parents=True)
    (root / "conf" / "production" / "bench.yaml").write_text(
        f"defaults: [default, _self_]\nname: bench\nworkspace: {root}\n"
    )
    return root / "conf"


def seconds_of(conf: Path, run: Path, compute: tuple[str, ...], steps: int, batch_size: int) -> float:
    """The seconds that a run of so many steps says it trained."""
    command = [sys.executable, "-m", "interpositive.cli.main", "train", "--config-dir", str(conf), "production=bench"]
    never = [f"trainer.{name}={steps}" for name in ("max_steps", "validate_every", "judge_every", "checkpoint_every")]
    small = ["dailies.window_frames=16", "dailies.num_windows=6", "dailies.num_val_windows=1", "metric=[psnr]"]
    judged = ["trainer.held_out_windows=1", "trainer.held_out_frames=1", f"dailies.batch_size={batch_size}"]
    quiet = ["wandb=disabled", "progress=false", f"run_folder={run}"]
    # Thread counts are the configuration's, whoever calls this.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [*command, *never, *small, *judged, *quiet, *compute], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{run.name} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return RunRecord.read(run).seconds_training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=6)
    arguments = parser.parse_args()
    long, short, size = arguments.steps, arguments.steps // 4, arguments.batch_size
    rates: dict[str, list[float]] = {name: [] for name in LAYOUTS}
    with tempfile.TemporaryDirectory() as scratch:
        conf = shoot(Path(scratch))
        # Prepares the windows, and warms the caches of both.
        for number, compute in enumerate(LAYOUTS.values()):
            seconds_of(conf, Path(scratch) / f"warm_{number}", compute, 2, size)
        for turn in range(arguments.rounds):
            # Each goes first in turn, so that a machine that grows slower slows neither more.
            for name in list(LAYOUTS)[:: 1 if turn % 2 == 0 else -1]:
                run = Path(scratch) / f"{turn}_{name.replace(' ', '_')}"
                taken = [
                    seconds_of(conf, run.with_name(f"{run.name}_{steps}"), LAYOUTS[name], steps, size)
                    for steps in (long, short)
                ]
                rates[name].append((long - short) * size / (taken[0] - taken[1]))
    print(f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}, gloo; batches of {size} examples")
    print(f"{'':<26}{'examples/s':>12}   each round")
    for name, found in rates.items():
        print(f"{name:<26}{statistics.median(found):>12.1f}   {', '.join(f'{rate:.1f}' for rate in found)}")
    one, two = (statistics.median(found) for found in rates.values())
    print(f"two processes make {two / one:.2f} of one (bar: {BAR} or more)")
    sys.exit(0 if two / one >= BAR else 1)


if __name__ == "__main__":
    main()
