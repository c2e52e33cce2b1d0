"""Whether a repair has the detail of the true picture, at every fineness, wherever exactly it lies.

The log-spectral distance (Gray and Markel, 1976) between the radial power spectra of patches in the hole; a
repair that is too soft lacks power at the fine end, which is how generated pictures give themselves away
(Durall, Keuper and Keuper, CVPR 2020).
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.metrics.contract import PERCEPTION, ShotMetric
from interpositive.metrics.differing import box_around
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.luma import luma_of
from interpositive.records.measures import MetricInfo

_LEAST_SHARE = 0.75
_ROUNDING = 1.0 / (12.0 * 255.0**2)
"""Power of rounding to 8 bits: what is weaker is not told from nothing."""


@cache
def _rings(patch_px: int) -> tuple[Tensor, Tensor]:
    """The window ``p p`` of unit mean power, and each frequency's ring, from 0 (level) to ``patch_px / 2``."""
    ramp = torch.hann_window(patch_px + 1, periodic=False, dtype=torch.float64)[:patch_px]
    window = ramp[:, None] * ramp[None, :]
    down, across = torch.fft.fftfreq(patch_px) * patch_px, torch.fft.rfftfreq(patch_px) * patch_px
    ring = (down[:, None].square() + across[None, :].square()).sqrt().round().long()
    return (window / window.square().mean().sqrt()).float(), ring


def ring_powers(luma: Tensor, hole: Tensor, patch_px: int) -> tuple[Tensor, int]:
    """Power of each ring of frequencies, summed over the patches of a frame that lie in its hole, and their number.

    ``luma`` and ``hole`` are ``h w``. Patches stand half of their side apart, three quarters or more in the hole;
    ``(patch_px / 2,)`` sums of mean power per frequency, from the coarsest ring to the finest.
    """
    num_rings = patch_px // 2
    powers = torch.zeros(num_rings, dtype=torch.float64)
    box = box_around(hole, patch_px // 2)
    if box is None or min(hole[box].shape) < patch_px:
        return powers, 0
    step = patch_px // 2
    share = F.avg_pool2d(hole[box].float()[None, None], patch_px, step)[0, 0].flatten()
    patches = F.unfold(luma[box].float()[None, None], patch_px, stride=step)[0].T[share >= _LEAST_SHARE]
    if not len(patches):
        return powers, 0
    window, ring = _rings(patch_px)
    square = patches.reshape(-1, patch_px, patch_px)
    level = square.mean((-2, -1), keepdim=True)
    spectrum = torch.fft.rfft2((square - level) * window.to(square)).abs().square() / patch_px**2
    total = spectrum.sum(0, dtype=torch.float64).cpu()
    for number in range(1, num_rings + 1):
        powers[number - 1] = total[ring == number].mean()
    return powers, len(patches)


class SpectralError(ShotMetric):
    """``spectral_error_hole``: RMS over rings of frequencies of the difference in level, dB, pooled over the shot.

    Where a hole is narrower than the patches it is not defined.
    """

    group = PERCEPTION
    higher_is_better = False
    needs = frozenset({"reference", "mask"})

    def __init__(self, patch_px: int = 16, **kwargs: Any) -> None:
        """``patch_px`` is even, 4 or more; ``ConfigError`` for others."""
        if patch_px < 4 or patch_px % 2:
            raise ConfigError("no spectrum of such patches", found=patch_px, expected="an even side, 4 px or more")
        self.patch_px = patch_px
        info = MetricInfo(
            name="spectral_error_hole",
            unit="dB",
            direction="lower",
            meaning="How far the strength of the repair's detail is from that of the clean reference, over all "
            f"finenesses; patches of {patch_px} px.",
        )
        super().__init__([info], **kwargs)

    def _begin_shot(self) -> None:
        self._result = torch.zeros(self.patch_px // 2, dtype=torch.float64)
        self._reference = torch.zeros_like(self._result)
        self._num_patches = 0

    def _add(self, frame: JudgedFrame) -> None:
        beside = frame.beside
        assert beside.reference is not None and beside.hole is not None
        hole = beside.hole[0]
        powers, num = ring_powers(luma_of(frame.result), hole, self.patch_px)
        self._result += powers
        self._reference += ring_powers(luma_of(beside.reference), hole, self.patch_px)[0]
        self._num_patches += num

    def shot_values(self) -> dict[str, float]:
        """Of the open shot so far."""
        if not self._num_patches:
            return {"spectral_error_hole": math.nan}
        result, reference = (p / self._num_patches + _ROUNDING for p in (self._result, self._reference))
        levels = 10.0 * (result / reference).log10()
        return {"spectral_error_hole": float(levels.square().mean().sqrt())}

    def reasons(self, absent: Any) -> list[str]:
        """A hole that is too narrow."""
        return [f"{', '.join(absent)} not defined: no patch of {self.patch_px} px lies in the hole"] if absent else []
