"""Structural similarity of a result to the clean reference, over the frame or the hole alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from interpositive.errors import MediaError
from interpositive.metrics.contract import FIDELITY, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import PooledMean
from interpositive.records.measures import MetricInfo

RADIUS_PX = 5
SIGMA_PX = 1.5
STRIP_ROWS = 64
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
    similar = result.new_empty((*result.shape[:-3], height, width))
    # In strips: whole frames of five blurs would fill gigabytes at 4K, and no cache.
    for start in range(0, height, STRIP_ROWS):
        rows = slice(start, min(start + STRIP_ROWS, height) + 2 * RADIUS_PX)
        similar[..., start : rows.stop - 2 * RADIUS_PX, :] = _similarity(first[..., rows, :], second[..., rows, :])
    return similar


def _similarity(first: Tensor, second: Tensor) -> Tensor:
    """The map of two strips less half a code range, which have the radius more on each side than it."""
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


class Ssim(ShotMetric):
    """Mean structural similarity: ``ssim`` over the frames, ``ssim_hole`` over the pixels of the hole.

    Gaussian 11/1.5: never compare with tables that use a uniform window of 65
    (:mod:`~interpositive.metrics.ssim_inpainting`). An empty mask leaves the hole undefined.
    """

    group = FIDELITY
    higher_is_better = True
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        infos = [
            MetricInfo(
                name=name,
                unit="similarity",
                direction="higher",
                meaning=f"Whether edges and texture of the {what} agree with the clean reference; 1 is equal.",
            )
            for name, what in (("ssim", "frame"), ("ssim_hole", "repair"))
        ]
        super().__init__(infos, infos[:1], **kwargs)

    def _begin_shot(self) -> None:
        self._frame, self._hole = PooledMean(), PooledMean()

    def _add(self, frame: JudgedFrame) -> None:
        assert frame.beside.reference is not None
        similar = ssim_map(frame.result, frame.beside.reference)
        total, count = map_sums(similar)
        self._frame.add(total, count)
        self.curves["ssim"].append(total / count)
        if frame.beside.hole is not None:
            self._hole.add(*map_sums(similar, frame.beside.hole[0]))

    def shot_values(self) -> dict[str, float]:
        """Mean similarity over the open shot."""
        return {"ssim": self._frame.mean, "ssim_hole": self._hole.mean}
