"""Two processes that share the work report what one would."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from interpositive.metrics.luma_flicker import LumaFlicker
from interpositive.metrics.psnr import Psnr
from interpositive.metrics.ssim import Ssim
from interpositive.metrics.untouched import UntouchedChanged
from interpositive.metrics.warp_error import RelativeWarpError, WarpError


def _shot(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(4 + seed, 3, 24, 32, generator=generator)
    result = (reference + 0.05 * torch.rand(reference.shape, generator=generator)).clamp(0, 1)
    mask = (torch.rand(4 + seed, 1, 24, 32, generator=generator) > 0.5).float()
    return result, reference, mask


def _measure(seeds: list[int]) -> list[float]:
    """Every metric over whole shots; temporal ones close each, and the last stays open."""
    fidelity = [Psnr(), Psnr("hole"), Ssim("hole"), UntouchedChanged()]
    steadiness = [WarpError("hole"), RelativeWarpError("hole")]
    flicker = LumaFlicker(Fraction(24))
    for place, seed in enumerate(seeds):
        if place:
            for metric in (*steadiness, flicker):
                metric.end_shot()
        result, reference, mask = _shot(seed)
        for metric in (*fidelity, *steadiness):
            metric.update(result, reference, mask)
        flicker.update(result)
    return [float(metric.compute()) for metric in (*fidelity, *steadiness, flicker)]


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    measured = _measure([1] if rank == 0 else [2, 3])
    torch.save(measured, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    mp.spawn(_worker, args=(str(tmp_path),), nprocs=2)
    alone = _measure([1, 2, 3])
    for rank in (0, 1):
        together = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(together, alone, rtol=1e-12, atol=0.0)
