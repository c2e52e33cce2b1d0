"""Times the metrics of a shot on this machine's CPU, side by side with the optical flow they rest on.

Run: python scripts/bench_metrics.py [--frames 4] [--threads 1]
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from interpositive.metrics.shot_meter import ShotMeter
from interpositive.metrics.ssim import Ssim
from interpositive.metrics.warp_error import DIS, WarpError

SIZES = ((384, 216), (1920, 1080))


def panning_shot(num_frames: int, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """A drifting texture with grain (reference), the same with other grain in the hole (result), the mask."""
    generator = np.random.default_rng(0)
    wide = cv2.GaussianBlur(generator.random((height, width + 3 * num_frames, 3), dtype=np.float32), (0, 0), 3)
    wide = np.clip(0.5 + 4.0 * (wide - 0.5), 0, 1)
    frames = [wide[:, 3 * t : 3 * t + width] for t in range(num_frames)]
    clean = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()
    grain = torch.Generator().manual_seed(0)
    reference = (clean + 0.006 * torch.randn(clean.shape, generator=grain)).clamp(0, 1)
    mask = torch.zeros(num_frames, 1, height, width)
    mask[:, :, height // 3 : height // 2, width // 4 : 3 * width // 4] = 1.0
    repaired = (clean + 0.006 * torch.randn(clean.shape, generator=grain)).clamp(0, 1)
    return reference, torch.where(mask > 0, repaired, reference), mask


def side_by_side(works: Sequence[Callable[[], object]], num_frames: int, rounds: int = 4) -> list[float]:
    """Wall seconds a frame of each, best of some rounds that take turns, fair on a busy machine."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for place, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - start)
    return [seconds / num_frames for seconds in best]


def flow_alone(reference: Tensor) -> None:
    """Both directions for every pair: what no warping error can do without."""
    for first, second in itertools.pairwise(reference):
        DIS.flow(first, second)
        DIS.flow(second, first)


def warp_error(result: Tensor, reference: Tensor) -> None:
    """The warping error alone."""
    WarpError().update(result, reference)


def similarity(result: Tensor, reference: Tensor) -> None:
    """Structural similarity alone."""
    Ssim().update(result, reference)


def meter(num_methods: int, result: Tensor, reference: Tensor, mask: Tensor) -> None:
    """All metrics but LPIPS, for some methods."""
    names = [f"method {place}" for place in range(num_methods)]
    shot = ShotMeter(names, has_reference=True, rate=Fraction(24))
    shot.update(dict.fromkeys(names, result), mask, reference, reference)
    shot.compute()


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}; {chosen.threads} thread(s), torch {torch.__version__}, OpenCV {cv2.__version__}")
    print(f"{chosen.frames} frames, best of 4 turns, seconds a frame")
    head = ("size", "flow alone", "e_warp", "ratio", "ssim", "meter, 1 method", "each further")
    print(" | ".join(head))
    for width, height in SIZES:
        reference, result, mask = panning_shot(chosen.frames, width, height)

        works = (
            partial(flow_alone, reference),
            partial(warp_error, result, reference),
            partial(similarity, result, reference),
            partial(meter, 1, result, reference, mask),
            partial(meter, 3, result, reference, mask),
        )
        alone, warped, similar, one, three = side_by_side(works, chosen.frames)
        numbers = (alone, warped, warped / alone, similar, one, (three - one) / 2)
        print(" | ".join((f"{width}x{height}", *(f"{number:.3f}" for number in numbers))))


if __name__ == "__main__":
    main()
