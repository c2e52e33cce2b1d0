"""Does every pretrained backbone train the same on one process, taken up again, on two, and sharded?

    python scripts/check_backbones.py [--backbones wan svd ...] [--steps 8] [--gpu] [--jobs 1] [--keep FOLDER]

Each backbone that can be chosen (``conf/backbone``), with tiny random weights, trains a LoRA by the command line: on
one process, on one that is stopped half-way and goes on, and on two with whole weights (ddp) and with sharded ones
(fsdp2). The one that was stopped must end byte for byte as the whole one; all must see the same examples, and have its
loss within 1e-5 at the first logged step and 1e-3 at any. With ``--gpu`` the four are the processor, one GPU in 32 bit,
in 16 (bfloat16), and that stopped half-way: first losses within 1 % and 5 % of the processor's, and the last two equal.
Prints a table, and exits with 1 when one of these does not hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
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
GPU, HALF = ("compute=one_gpu",), ("compute=one_gpu", "mini_model.precision=bfloat16")
GPU_RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "cpu": (ONE,),
    "gpu": (GPU,),
    "gpu 16 bit": (HALF,),
    "16, stopped": (HALF, HALF),
}
# How near the first loss must be to that of the processor.
GPU_LOSS = {"cpu": 0.0, "gpu": 0.01, "gpu 16 bit": 0.05, "16, stopped": 0.05}
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
    parser.add_argument("--gpu", action="store_true", help="one GPU beside the processor, not one process beside two")
    parser.add_argument("--jobs", type=int, default=1, help="how many backbones at a time")
    parser.add_argument("--keep", type=Path, help="an empty folder for the runs, which stay")
    arguments = parser.parse_args()
    machine = torch.cuda.get_device_name(0) if arguments.gpu else "gloo"
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}; {arguments.steps} steps, {machine}"
    )
    print(f"{'backbone':<12}{'run':<12}{'examples':>12}{'first loss':>12}{'any loss':>11}{'weights':>10}{'ends':>8}")
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(arguments.jobs) as pool:
        root = arguments.keep or Path(scratch)
        conf, weights = make_conf(root), make_all(root / "weights")

        def tried(backbone: str) -> bool:
            chosen = (f"backbone={backbone}", *SMALL, f"mini_model.weights={weights[backbone]}")
            runs = GPU_RUNS if arguments.gpu else RUNS
            left = {
                name: train(conf, root / f"{backbone}_{number}", parts, arguments.steps, chosen)
                for number, (name, parts) in enumerate(runs.items())
            }
            told = told_on_a_gpu if arguments.gpu else told_on_processes
            return all([told(backbone, name, left) for name in left])

        holds = all(list(pool.map(tried, arguments.backbones)))
    near = "as GPU_LOSS says" if arguments.gpu else f"within {FIRST_LOSS:g} first, {ANY_LOSS:g} at any logged step"
    print(f"bar: the same order; losses {near}; stopped is equal")
    sys.exit(0 if holds else 1)


def told_on_processes(backbone: str, name: str, left: dict[str, Left]) -> bool:
    """Print a line of the table; gives whether all of it holds."""
    whole = left["1"] if name.startswith("1") else None
    same_order, first, worst, same_end = told(backbone, name, left[name], left["1"], whole)
    return same_order and first <= FIRST_LOSS and worst <= ANY_LOSS and same_end


def told_on_a_gpu(backbone: str, name: str, left: dict[str, Left]) -> bool:
    """The same, of one GPU."""
    whole = left["gpu 16 bit"] if name == "16, stopped" else None
    same_order, first, _, same_end = told(backbone, name, left[name], left["cpu"], whole)
    return same_order and first <= GPU_LOSS[name] and same_end


def told(backbone: str, name: str, run: Left, reference: Left, whole: Left | None) -> tuple[bool, float, float, bool]:
    """Print a line; gives whether the examples are in order, how far the losses, and whether it ends like ``whole``."""
    first, *later = (abs(run.losses[step] / value - 1.0) for step, value in sorted(reference.losses.items()))
    worst, same_order = max([first, *later]), run.windows == reference.windows
    same_end = whole is None or run.state_sha256 == whole.state_sha256
    ends = "" if whole is None else "equal" if same_end else "OTHER"
    examples = "same order" if same_order else "OTHER ORDER"
    line = f"{backbone:<12}{name:<12}{examples:>12}{first:>12.1e}{worst:>11.1e}"
    print(f"{line}{apart(run.weights, reference.weights):>10.1e}{ends:>8}", flush=True)
    return same_order, first, worst, same_end


if __name__ == "__main__":
    main()
