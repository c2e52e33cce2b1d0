"""Structural similarity of a result to the clean reference, over the frame or the hole alone."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from interpositive.errors import MediaError
from interpositive.metrics.checks import check_mask, check_pair, check_region, hole_of, needed_mask

RADIUS_PX = 5
SIGMA_PX = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def _mirrored(frames: Tensor) -> Tensor:
    """Frames extended by the radius, edge pixel repeated: c b a | a b c (torch's own pad leaves it out)."""
    rows = (frames[..., :RADIUS_PX, :].flip(-2), frames, frames[..., -RADIUS_PX:, :].flip(-2))
    frames = torch.cat(rows, -2)
    columns = (frames[..., :RADIUS_PX].flip(-1), frames, frames[..., -RADIUS_PX:].flip(-1))
    return torch.cat(columns, -1)


def _blurred(frames: Tensor) -> Tensor:
    """Valid part of the separable Gaussian; sums of shifted views cost a seventh of conv2d on a CPU."""
    offsets = torch.arange(-RADIUS_PX, RADIUS_PX + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / SIGMA_PX).square())
    taps: list[float] = (weights / weights.sum()).tolist()
    height, width = (size - 2 * RADIUS_PX for size in frames.shape[-2:])
    rows = frames[..., :height, :] * taps[0]
    for place, tap in enumerate(taps[1:], start=1):
        rows.add_(frames[..., place : place + height, :], alpha=tap)
    blurred = rows[..., :width] * taps[0]
    for place, tap in enumerate(taps[1:], start=1):
        blurred.add_(rows[..., place : place + width], alpha=tap)
    return blurred


def ssim_map(result: Tensor, reference: Tensor) -> Tensor:
    """Similarity at each pixel, ``... h w``, mean over channels.

    ``result`` and ``reference`` are ``... c h w`` in [0, 1], each side 11 px or
    more. Gaussian window 11x11 with sigma 1.5 px, data range 1, population
    variances; the frame is mirrored at its borders (edge pixel repeated), so the map is
    as large as the frame. Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004.
    """
    height, width = result.shape[-2:]
    if min(height, width) < 2 * RADIUS_PX + 1:
        raise MediaError(
            "the frame is too small for SSIM",
            found=f"{width}x{height}",
            expected=f"{2 * RADIUS_PX + 1} px or more on each side",
        )
    # Half a code range is taken off first: the variances do not change, their float32 cancellation shrinks.
    first, second = _mirrored(result - 0.5), _mirrored(reference - 0.5)
    mean_1, mean_2 = _blurred(first), _blurred(second)
    variances = _blurred(first.square() + second.square()) - mean_1.square() - mean_2.square()
    covariance = _blurred(first * second) - mean_1 * mean_2
    mean_1, mean_2 = mean_1 + 0.5, mean_2 + 0.5
    luminance = (2.0 * mean_1 * mean_2 + _C1) / (mean_1.square() + mean_2.square() + _C1)
    structure = (2.0 * covariance + _C2) / (variances + _C2)
    return (luminance * structure).mean(-3)


def map_sums(similar: Tensor, hole: Tensor | None = None) -> tuple[float, int]:
    """Sum and number of the pixels of one ``h w`` map that count.

    Without a ``hole`` (``h w`` bool) those whose window lies wholly in the
    frame: 5 px are cut off each side, as Wang et al. do. With it, all of its pixels.
    """
    inner = slice(RADIUS_PX, -RADIUS_PX)
    chosen = similar[inner, inner] if hole is None else similar[hole]
    return float(chosen.sum(dtype=torch.float64)), chosen.numel()


def ssim_sums(result: Tensor, reference: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum of the similarity maps and number of their pixels that count (:func:`map_sums`), float64 scalars.

    Frames are ``(b) t c h w`` in [0, 1]; with ``mask`` (``(b) t 1 h w``) the hole, mask > 0.5, counts.
    """
    check_pair(result, reference)
    if mask is not None:
        check_mask(mask, result)
    size = result.shape[-3:]
    holes = None if mask is None else hole_of(mask).reshape(-1, *size[1:])
    total, count = 0.0, 0
    pairs = zip(result.reshape(-1, *size), reference.reshape(-1, *size), strict=True)
    for place, (frame, target) in enumerate(pairs):  # one frame at a time: the maps are six frames large
        hole = None if holes is None else holes[place]
        if hole is not None and not hole.any():
            continue
        added, pixels = map_sums(ssim_map(frame, target), hole)
        total, count = total + added, count + pixels
    return torch.tensor(total, dtype=torch.float64), torch.tensor(float(count), dtype=torch.float64)


def ssim_mean(total: Tensor, count: Tensor) -> Tensor:
    """Mean similarity from the sums, 1 for equal pictures; NaN where nothing was compared."""
    return torch.where(count > 0, total / count, torch.nan)


class Ssim(Metric):
    """Mean structural similarity over all frames (``region="frame"``) or the pixels of the hole (``"hole"``).

    Gaussian 11/1.5: never compare with tables that use a uniform window of 65.
    An empty mask gives NaN with ``region="hole"``.
    """

    higher_is_better = True
    is_differentiable = True
    full_state_update = False
    unit: ClassVar[str] = "similarity"
    total: Tensor
    count: Tensor

    def __init__(self, region: str = "frame", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.region = check_region(region)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, result: Tensor, reference: Tensor, mask: Tensor | None = None) -> None:
        """Add a window of any length."""
        total, count = ssim_sums(result, reference, needed_mask(mask, self.region))
        self.total += total.to(self.total.device)
        self.count += count.to(self.count.device)

    def compute(self) -> Tensor:
        """Mean over everything added."""
        return ssim_mean(self.total, self.count)
