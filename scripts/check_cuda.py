"""Checks on one NVIDIA GPU what a machine without one cannot: metrics there equal the CPU's, and training runs in bf16.

    python scripts/check_cuda.py [--skip-metrics] [--skip-training] [--steps 400]

1. every metric of ``conf/metric/`` on a 720p shot: the same numbers on the GPU, and the seconds a frame of both;
2. a soundstage production trained with ``compute=one_gpu`` and two data workers, in 32 bit, in bf16, again in 32 bit:
   held-out scores, seconds and memory beside the CPU's, and whether the last run ends with the weights of the first;
   the first and the CPU's train a finder too;
3. a damaged shot repaired by one mini-model on both, in its own mask and in one that is found: seconds, memory, and how
   far the delivered pixels are apart.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import interpositive._torchvision_guard  # isort: skip
import cv2
import lpips
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from interpositive.cli.assembling import assemble
from interpositive.cli.hydra_app import config_folder
from interpositive.errors import InterpositiveError
from interpositive.metrics.contract import MATTES, ShotMetric
from interpositive.records.digests import sha256_of_file

NUM_FRAMES, HEIGHT, WIDTH = 24, 720, 1280
WEIGHTS = Path("archive") / "weights.safetensors"
TOLERANCE = 1e-3
"""Of a number's size: float32 sums in another order, and flow warps whose last bits differ."""


def pan(num_channels: int) -> dict[str, Tensor]:
    """A pan with grain, and a repair of it that boils."""
    draw = torch.Generator().manual_seed(0)
    wide = torch.rand(1, num_channels, HEIGHT + 8, WIDTH + 8 + 2 * NUM_FRAMES, generator=draw)
    for _ in range(4):
        wide = torch.nn.functional.avg_pool2d(wide, 3, 1)
    wide = (0.5 + 4.0 * (wide[0] - 0.5)).clamp(0, 1)
    clean = torch.stack([wide[:, :HEIGHT, 2 * t : 2 * t + WIDTH] for t in range(NUM_FRAMES)])
    reference = (clean + 0.01 * torch.randn(clean.shape, generator=draw)).clamp(0, 1)
    mask = torch.zeros(NUM_FRAMES, 1, HEIGHT, WIDTH)
    mask[:, :, 200:400, 100:900] = 1.0
    boil = (clean + 0.04 * torch.randn(clean.shape, generator=draw)).clamp(0, 1)
    return {"result": torch.where(mask > 0, boil, reference), "reference": reference, "mask": mask}


def measured(metric: ShotMetric, shot: dict[str, Tensor], device: str) -> tuple[dict[str, float], float]:
    """The numbers of a shot on a device, and seconds a frame."""
    there = {name: frames.to(device) for name, frames in shot.items()}
    start = time.perf_counter()
    metric.update(there["result"], there["reference"], plate=there["reference"], mask=there["mask"])
    values = metric.shot_values()
    return values, (time.perf_counter() - start) / NUM_FRAMES


def random_trunk(folder: Path) -> tuple[Path, str]:
    """Weights of no meaning for LPIPS, and their digest: what it says is nothing, that both devices agree is enough."""
    torch.manual_seed(0)
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk = {"features." + name.split(".", 1)[1]: value for name, value in package.net.state_dict().items()}
    save_file(trunk, folder / "trunk.safetensors")
    return folder / "trunk.safetensors", sha256_of_file(folder / "trunk.safetensors")


def check_metrics(trunk: tuple[Path, str]) -> bool:
    """Every metric on both; False if a number differs."""
    shots = {1: pan(1), 3: pan(3)}
    alike = True
    for path in sorted((config_folder() / "metric").glob("*.yaml")):
        node = yaml.safe_load(path.read_text())
        if "weights" in node:
            node["weights"], node["expected_sha256"] = trunk
        first, second = (assemble(node, path.stem, ShotMetric) for _ in range(2))
        for metric in (first, second):
            metric.set_rate(Fraction(25))
        shot = shots[1 if first.group == MATTES else 3]
        here, cpu_seconds = measured(first, shot, "cpu")
        there, gpu_seconds = measured(second, shot, "cuda")
        worst = max((abs(there[n] - v) / max(abs(v), 1e-6) for n, v in here.items() if not math.isnan(v)), default=0.0)
        same = worst < TOLERANCE and all(math.isnan(there[n]) == math.isnan(v) for n, v in here.items())
        alike &= same
        verdict = "same" if same else "DIFFERENT"
        print(f"{path.stem}: {verdict}, worst {worst:.1e}; {cpu_seconds:.3f} s a frame on the CPU, {gpu_seconds:.3f} s")
    return alike


def interpositive(*arguments: str) -> tuple[float, int]:
    """One command of the command line; its seconds, and the MiB that it had of the GPU at most."""
    free, _ = torch.cuda.mem_get_info()
    start, least = time.perf_counter(), free
    given = [sys.executable, "-m", "interpositive.cli.main", *arguments]
    with subprocess.Popen(given, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            least = min(least, torch.cuda.mem_get_info()[0])
            time.sleep(0.05)
    if process.returncode:
        sys.exit(f"{' '.join(given)} ended with {process.returncode}")
    return time.perf_counter() - start, (free - least) >> 20


def check_training(folder: Path, steps: int) -> None:
    """Train one production on both devices, repair a shot by what was learned, and print all side by side."""
    interpositive("soundstage", f"output={folder}/stage", "stage.num_frames=32", "progress=false")
    production = ("production=soundstage", f"production.workspace={folder}/production")
    interpositive("ingest", *production, f"source={folder}/stage/dailies", "progress=false")
    train(folder, "gpu, 32 bit", steps, *production, "compute=one_gpu", f"finder.max_steps={steps}")
    train(folder, "cpu", steps, *production, "compute=cpu", f"finder.max_steps={steps}")
    check_delivery(folder)
    train(folder, "gpu, bf16", steps, *production, "compute=one_gpu", "compute.precision=bf16-mixed")
    train(folder, "gpu, again", steps, *production, "compute=one_gpu")
    first, again = (sha256_of_file(run_of(folder, name) / WEIGHTS) for name in ("gpu, 32 bit", "gpu, again"))
    print(f"trained twice on the GPU: {'the same' if first == again else 'OTHER'} weights", flush=True)


def run_of(folder: Path, name: str) -> Path:
    """The run folder of a training."""
    return folder / name.replace(", ", "_").replace(" ", "_")


def train(folder: Path, name: str, steps: int, *given: str) -> None:
    """One training with two data workers; prints what it took and ended with."""
    run = run_of(folder, name)
    seconds, mebibytes = interpositive(
        *("train", "trainer=quick", f"trainer.max_steps={steps}", "dailies=quick", "dailies.num_workers=2"),
        *("dailies.num_windows=12", f"dailies.num_prepare_workers={max(1, (os.cpu_count() or 1) // 2)}"),
        *("trainer.held_out_windows=2", "finder.num_windows=4", "finder.max_steps=0"),
        *("wandb=disabled", "progress=false"),
        *(*given, f"run_folder={run}"),
    )
    record = json.loads((run / "run.json").read_text())
    scores = record["scores"]
    shown = ", ".join(f"{key} {scores[f'held_out/psnr_hole/{key}']:.3f}" for key in ("prior", "trained"))
    found = [f"{scores[key]:.3f}" for key in ("finder/recall", "finder/precision") if key in scores]
    waits = ", ".join(f"{what} {scores[f'train/{what}_share']:.0%}" for what in ("wait", "judge"))
    took = f"{record['seconds_training']} s of training ({waits}), {seconds:.0f} s in all, {mebibytes} MiB of the GPU"
    finder = f"; finder {' at '.join(found)}" if found else ""
    print(f"{name}: {shown} dB in the hole; {took}{finder}", flush=True)


def check_delivery(folder: Path) -> None:
    """One shot repaired on both devices by what the GPU learned, in a given mask and in one that is found."""
    take = next((folder / "stage" / "dailies").glob("44C_T02*"))
    interpositive("rehearse", f"take={take}", f"output={folder}/shot", "num_frames=24")
    for name, mask in {"given": f"{folder}/shot/mask", "found": "auto"}.items():
        frames = {}
        for device in ("cpu", "cuda"):
            given = (f"run={run_of(folder, 'gpu, 32 bit')}", f"shot={folder}/shot/shot.mkv", f"mask={mask}")
            chosen = ("delivery.method=trained", "delivery.compare=0", f"device={device}", "progress=false")
            delivery = folder / f"{name}_{device}"
            seconds, mebibytes = interpositive("apply", *given, *chosen, f"deliver_to={delivery}")
            frames[device] = [read_picture(path) for path in sorted(delivery.rglob("frames/*.png"))]
            print(f"mask {name}, repaired on {device}: {seconds:.1f} s in all, {mebibytes} MiB of the GPU", flush=True)
        apart = np.stack([np.abs(a - b) for a, b in zip(frames["cpu"], frames["cuda"], strict=True)])
        print(
            f"mask {name}: delivered pixels at most {apart.max():.1e} of white apart, "
            f"{np.mean(apart > 1 / 255):.1e} of samples by more than a code of 8 bits, {np.mean(apart > 0):.2%} at all",
            flush=True,
        )


def read_picture(path: Path) -> NDArray[np.float64]:
    """A delivered frame; 1 is white."""
    codes = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return np.asarray(codes, np.float64) / np.iinfo(codes.dtype).max


def main() -> int:
    """Run the checks; 1 if a metric differs, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skip-metrics", action="store_true")
    parser.add_argument("--skip-training", action="store_true")
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no GPU on this machine", file=sys.stderr)
        return 2
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}", flush=True)
    alike = True
    if not chosen.skip_metrics:
        with tempfile.TemporaryDirectory() as folder:
            alike = check_metrics(random_trunk(Path(folder)))
    if not chosen.skip_training:
        with tempfile.TemporaryDirectory() as folder:
            check_training(Path(folder), chosen.steps)
    return 0 if alike else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InterpositiveError as error:
        sys.exit(str(error))
