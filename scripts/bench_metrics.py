"""Times the metrics of a shot on this machine's CPU, each beside what it is held against, in one run.

    python scripts/bench_metrics.py [--frames 12] [--threads 2] [--long 48]

Three questions, each with both sides in turn on the same frames:

1. the warping error against its optical flow alone (both directions, from frames): at most 1.2 times;
2. every picture metric but LPIPS together on a 1080p shot: under 2 s a frame and 1.5 GiB, once for a shot whose
   whole frame was changed and once for a repair in a hole;
3. LPIPS against the ``lpips`` package called frame by frame on the same (random) weights: no dearer.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import interpositive.metrics  # noqa: F401  isort: skip
import cv2
import hydra
import lpips
import numpy as np
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor

from interpositive.cli.hydra_app import config_folder
from interpositive.cli.metrics import assemble_metrics
from interpositive.metrics.contract import MakeMetric
from interpositive.metrics.judged import Beside
from interpositive.metrics.lpips import Lpips
from interpositive.metrics.pair_motion import DIS
from interpositive.metrics.shot_meter import ShotMeter
from interpositive.metrics.warp_error import WarpError
from interpositive.records.digests import sha256_of_file

WIDTH, HEIGHT = 1920, 1080
RATE = Fraction(24)


class PanningShot:
    """A drifting texture with grain (reference) and its repair: other grain in the hole, or everywhere."""

    def __init__(self, num_frames: int, whole_frame: bool) -> None:
        self.num_frames = num_frames
        generator = np.random.default_rng(0)
        wide = generator.random((HEIGHT, WIDTH + 3 * num_frames, 3), dtype=np.float32)
        wide = cv2.GaussianBlur(wide, (0, 0), 3)
        self._wide = torch.from_numpy(np.clip(0.5 + 4.0 * (wide - 0.5), 0, 1))
        self._mask = torch.full((1, 1, HEIGHT, WIDTH), float(whole_frame))
        self._mask[:, :, HEIGHT // 3 : HEIGHT // 2, WIDTH // 4 : 3 * WIDTH // 4] = 1.0

    def frame(self, place: int) -> dict[str, Tensor]:
        """Result, reference and mask of one frame, a window of one."""
        clean = self._wide[:, 3 * place : 3 * place + WIDTH].permute(2, 0, 1)[None].contiguous()
        grain = torch.Generator().manual_seed(place)
        reference = (clean + 0.006 * torch.randn(clean.shape, generator=grain)).clamp_(0, 1)
        repaired = clean.add_(torch.randn(clean.shape, generator=grain), alpha=0.006).clamp_(0, 1)
        return {
            "result": torch.where(self._mask > 0, repaired, reference),
            "reference": reference,
            "mask": self._mask,
        }

    def whole(self) -> dict[str, Tensor]:
        """All frames at once."""
        frames = [self.frame(place) for place in range(self.num_frames)]
        return {name: torch.cat([frame[name] for frame in frames]) for name in ("result", "reference")}


def in_turns(works: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Wall seconds of each in every round; all take turns, so that a busy moment is shared."""
    seconds: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(rounds):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            seconds[place].append(time.perf_counter() - start)
    return seconds


def compared(name: str, ours: Callable[[], object], theirs: Callable[[], object], unit: int, rounds: int) -> None:
    """Print both medians, in seconds a frame, and the median of the ratios turn by turn."""
    mine, other = in_turns((ours, theirs), rounds)
    ratio = statistics.median(a / b for a, b in zip(mine, other, strict=True))
    print(
        f"{name}: {statistics.median(mine) / unit:.3f} s against {statistics.median(other) / unit:.3f} s a frame, "
        f"ratio {ratio:.3f} (median of {rounds} turns)",
        flush=True,
    )


def flow_alone(reference: Tensor) -> None:
    """Both directions for every pair, from frames: what no warping error can do without."""
    greys = (Beside(reference=frame).grey for frame in reference)
    for first, second in itertools.pairwise(greys):
        DIS.flow(first, second)
        DIS.flow(second, first)


def warp_error(shot: dict[str, Tensor]) -> None:
    """The warping error alone."""
    WarpError().update(shot["result"], shot["reference"])


def picture_metrics() -> tuple[MakeMetric, ...]:
    """Every metric that ``interpositive evaluate`` measures by default, but LPIPS."""
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        node = OmegaConf.to_container(hydra.compose("evaluate").metric, resolve=True)
    assert isinstance(node, dict)
    return assemble_metrics({name: given for name, given in node.items() if "Lpips" not in given["_target_"]})


def random_lpips(folder: Path) -> tuple[Lpips, lpips.LPIPS]:
    """Our metric and the package's network on one random trunk; what it says means nothing, what it costs does."""
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk = {"features." + name.split(".", 1)[1]: value for name, value in package.net.state_dict().items()}
    path = folder / "random_trunk.safetensors"
    save_file(trunk, path)
    return Lpips("alex", path, sha256_of_file(path)), package


def ours_by_frame(metric: Lpips, shot: dict[str, Tensor]) -> None:
    """Our LPIPS over the shot."""
    metric.update(shot["result"], shot["reference"])
    metric.end_shot()


def theirs_by_frame(package: lpips.LPIPS, shot: dict[str, Tensor]) -> None:
    """The package, called frame by frame."""
    with torch.no_grad():
        for result, reference in zip(shot["result"], shot["reference"], strict=True):
            package(result[None], reference[None], normalize=True)


def peak_kib() -> int:
    """Most memory this process ever held; ``getrusage`` would count the parent that started it too."""
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])


def whole_set(num_frames: int, whole_frame: bool, threads: int) -> None:
    """Measure a shot in one process of its own and print seconds a frame and the peak of memory."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    shot = PanningShot(num_frames, whole_frame)
    meter = ShotMeter(["result"], picture_metrics(), rate=RATE, has_reference=True)
    before = peak_kib()
    seconds = 0.0
    for place in range(num_frames):
        frame = shot.frame(place)
        start = time.perf_counter()
        meter.update(
            {"result": frame["result"]}, reference=frame["reference"], plate=frame["reference"], mask=frame["mask"]
        )
        seconds += time.perf_counter() - start
    start = time.perf_counter()
    values, _ = meter.compute()
    seconds = (seconds + time.perf_counter() - start) / num_frames
    peak = peak_kib()
    measured = sum(value is not None for value in values["result"].values())
    what = "whole frame changed" if whole_frame else "repair in a hole"
    print(
        f"all but LPIPS, {what}: {seconds:.2f} s a frame over {num_frames} frames, {measured} numbers; peak "
        f"{peak / 2**20:.2f} GiB, of which {(peak - before) / 2**20:.2f} came with the measuring",
        flush=True,
    )


def main() -> None:
    """Print the machine, then each comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4, help="frames of the side-by-side timings")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--long", type=int, default=48, help="frames of the whole set's shot")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--whole", choices=("frame", "hole"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.whole:
        whole_set(chosen.long, chosen.whole == "frame", chosen.threads)
        return
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; {chosen.threads} thread(s), torch {torch.__version__}, OpenCV {cv2.__version__}")
    print(f"{WIDTH}x{HEIGHT}, grain over a drifting texture", flush=True)
    shot = PanningShot(chosen.frames, whole_frame=True).whole()
    ours, theirs = partial(warp_error, shot), partial(flow_alone, shot["reference"])
    compared("e_warp / its flow", ours, theirs, chosen.frames - 1, chosen.rounds)
    with tempfile.TemporaryDirectory() as folder:
        metric, package = random_lpips(Path(folder))
        ours, theirs = partial(ours_by_frame, metric, shot), partial(theirs_by_frame, package, shot)
        compared("LPIPS / the package", ours, theirs, chosen.frames, chosen.rounds)
    del shot
    for whole in ("frame", "hole"):
        given = ["--whole", whole, "--long", str(chosen.long), "--threads", str(chosen.threads)]
        subprocess.run([sys.executable, str(Path(__file__)), *given], check=True)


if __name__ == "__main__":
    main()
