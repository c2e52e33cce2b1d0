"""Does every pretrained backbone train the same on one process, taken up again, on two, and sharded?

    python scripts/check_backbones.py [--backbones wan svd ...] [--steps 8] [--keep FOLDER]

Each backbone that can be chosen (``conf/backbone``), with tiny random weights, trains a LoRA by the command line: on
one process, on one that is stopped half-way and goes on, and on two with whole weights (ddp) and with sharded ones
(fsdp2). The one that was stopped must end byte for byte as the whole one; all must see the same examples, and have its
loss within 1e-5 at the first logged step and 1e-3 at any. Prints a table, and exits with 1 when one of these does not
hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import torch
from check_topology import ANY_LOSS, FIRST_LOSS, ONE, SHARDED, TWO, Left, apart, make_conf, train
from tiny_backbones import BACKBONES, make_all

RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "1": (ONE,),
    "1, stopped": (ONE, ONE),
    "2": (TWO,),
    "2 sharded": (SHARDED,),
}
SMALL = (
    *("dailies.window_frames=8", "dailies.num_windows=4", "dailies.num_val_windows=1", "dailies.batch_size=4"),
    *("dailies.num_prepare_workers=0", "trainer.warmup_steps=2", "trainer.checkpoint_every=1", "metric=[psnr]"),
    *("trainer.learning_rate=0.01", "trainer.held_out_windows=1", "trainer.held_out_frames=1", "mini_model.rank=4"),
    *("mini_model.num_steps=1", "mini_model.precision=float32", "mini_model.window_frames=9"),
    *("mini_model.window_latents=8", "mini_model.shared_latents=1", "mini_model.reach_frames=1"),
    *("mini_model.gradient_checkpointing=false", "wandb=disabled", "progress=false"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--keep", type=Path, help="an empty folder for the runs, which stay")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; {arguments.steps} steps, gloo")
    print(
        f"{'backbone':<12}{'processes':<12}{'examples':>12}{'first loss':>12}{'any loss':>11}{'weights':>10}{'ends':>8}"
    )
    holds = True
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.keep or Path(scratch)
        conf, weights = make_conf(root), make_all(root / "weights")
        for backbone in arguments.backbones:
            chosen = (f"backbone={backbone}", *SMALL, f"mini_model.weights={weights[backbone]}")
            left: dict[str, Left] = {}
            for number, (name, parts) in enumerate(RUNS.items()):
                left[name] = train(conf, root / f"{backbone}_{number}", parts, arguments.steps, chosen)
                holds &= told(backbone, name, left[name], left["1"])
    print(f"bar: the same order; losses within {FIRST_LOSS:g} first, {ANY_LOSS:g} at any logged step; stopped is equal")
    sys.exit(0 if holds else 1)


def told(backbone: str, name: str, run: Left, reference: Left) -> bool:
    """Print a line of the table; gives whether all of it holds."""
    first, *later = (abs(run.losses[step] / value - 1.0) for step, value in sorted(reference.losses.items()))
    worst, same_order = max([first, *later]), run.windows == reference.windows
    is_twin = name.startswith("1")
    same_end = run.state_sha256 == reference.state_sha256
    ends = ("equal" if same_end else "OTHER") if is_twin else ""
    examples = "same order" if same_order else "OTHER ORDER"
    line = f"{backbone:<12}{name:<12}{examples:>12}{first:>12.1e}{worst:>11.1e}"
    print(f"{line}{apart(run.weights, reference.weights):>10.1e}{ends:>8}", flush=True)
    return same_order and first <= FIRST_LOSS and worst <= ANY_LOSS and (same_end or not is_twin)


if __name__ == "__main__":
    main()
