"""Colour difference to the clean reference as a standard observer sees it: CIEDE2000.

Sharma, Wu and Dalal, The CIEDE2000 color-difference formula, Color Research and
Application 30(1), 2005. Codes are read as sRGB display codes (IEC 61966-2-1:
BT.709 primaries, D65 white, the piecewise sRGB curve, not BT.1886).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from interpositive.metrics.checks import check_same_size
from interpositive.metrics.contract import PERCEPTION, ShotMetric
from interpositive.metrics.differing import check_colour, differing_pixels
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import PooledMean
from interpositive.records.measures import MetricInfo

_XYZ_OF_LIGHT = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)
_CHUNK_PIXELS = 1 << 17
"""Some hundred operations on a whole frame would each wait for memory."""
BIN = 0.05
"""Resolution of percentiles: the width of the histogram's bins."""
_NUM_BINS = 2560


def lab_of_codes(codes: Tensor) -> Tensor:
    """CIE L*a*b* (D65, 2 degrees), ``3 ...``, of sRGB display codes ``3 ...``, clipped to [0, 1] as a display does."""
    codes = codes.clamp(0.0, 1.0)
    light = torch.where(codes > 0.04045, codes.add(0.055).mul_(1 / 1.055).pow_(2.4), codes / 12.92)
    scaled = [[weight / white for weight in row] for row, white in zip(_XYZ_OF_LIGHT, _WHITE, strict=True)]
    to_xyz = torch.tensor(scaled, dtype=codes.dtype, device=codes.device)
    xyz = (to_xyz @ light.reshape(3, -1)).clamp_(min=0.0)
    fx, fy, fz = torch.where(xyz > 0.008856, xyz.pow(1.0 / 3.0), xyz * 7.787 + 16.0 / 116.0)
    return torch.stack((116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz))).reshape(codes.shape)


def _chroma_weight(chroma: Tensor) -> Tensor:
    """``sqrt(C^7 / (C^7 + 25^7))``."""
    square = chroma.square()
    seventh = square.square().mul_(square).mul_(chroma)
    return (seventh / (seventh + 25.0**7)).sqrt_()


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 difference ``...`` of colours in L*a*b* ``3 ...``; k_L = k_C = k_H = 1.

    0 if equal, about 1 if just seen side by side. Not continuous where two hues
    are opposite: the formula's own property, which rounding can meet.
    """
    (light_1, a_1, b_1), (light_2, a_2, b_2) = first.unbind(0), second.unbind(0)
    stretch = 1.5 - 0.5 * _chroma_weight((torch.hypot(a_1, b_1) + torch.hypot(a_2, b_2)) / 2.0)
    a_1, a_2 = a_1 * stretch, a_2 * stretch
    chroma_1, chroma_2 = torch.hypot(a_1, b_1), torch.hypot(a_2, b_2)
    # Angles from 0 to a full turn, as in the paper: which mean of two opposite hues is taken depends on it.
    turn = 2.0 * math.pi
    hue_1, hue_2 = torch.atan2(b_1, a_1), torch.atan2(b_2, a_2)
    hue_1, hue_2 = torch.where(hue_1 < 0, hue_1 + turn, hue_1), torch.where(hue_2 < 0, hue_2 + turn, hue_2)
    half_apart = (hue_2 - hue_1).div_(2.0)
    far = half_apart.abs() > math.pi / 2.0
    mean_hue = (hue_1 + hue_2).div_(2.0)
    mean_hue = torch.where(far, torch.where(mean_hue < math.pi, mean_hue + math.pi, mean_hue - math.pi), mean_hue)
    hue_sine = torch.where(far, -half_apart.sin(), half_apart.sin())
    gap_hue = 2.0 * (chroma_1 * chroma_2).sqrt_().mul_(hue_sine)
    gap_chroma, gap_light = chroma_2 - chroma_1, light_2 - light_1
    chroma, light = (chroma_1 + chroma_2).div_(2.0), (light_1 + light_2).div_(2.0)

    # Multiples of the angle from one sine and one cosine: each costs as much as ten products.
    sine, cosine = mean_hue.sin(), mean_hue.cos()
    cosine_2, sine_2 = 2.0 * cosine.square() - 1.0, 2.0 * sine * cosine
    cosine_3, sine_3 = cosine * cosine_2 - sine * sine_2, sine * cosine_2 + cosine * sine_2
    cosine_4, sine_4 = 2.0 * cosine_2.square() - 1.0, 2.0 * sine_2 * cosine_2
    tint = 1.0 + 0.24 * cosine_2
    for weight, cos, sin, degrees in (
        (-0.17, cosine, sine, 30.0),
        (0.32, cosine_3, sine_3, -6.0),
        (-0.20, cosine_4, sine_4, 63.0),
    ):
        tint.add_(cos, alpha=weight * math.cos(math.radians(degrees)))
        tint.add_(sin, alpha=weight * math.sin(math.radians(degrees)))
    off_middle = (light - 50.0).square_()
    scale_light = 1.0 + 0.015 * off_middle / (20.0 + off_middle).sqrt_()
    from_blue = (mean_hue * (180.0 / math.pi / 25.0) - 11.0).square_().neg_().exp_()
    rotation = -2.0 * _chroma_weight(chroma) * torch.sin(from_blue * math.radians(60.0))
    gap_light = gap_light / scale_light
    gap_chroma = gap_chroma / (1.0 + 0.045 * chroma)
    gap_hue = gap_hue / (1.0 + 0.015 * chroma * tint)
    total = gap_light.square_() + gap_chroma.square() + gap_hue.square() + rotation * gap_chroma * gap_hue
    return total.clamp_(min=0.0).sqrt_()


def delta_e00_map(result: Tensor, reference: Tensor) -> Tensor:
    """CIEDE2000 of each pixel, ``h w``, of two ``3 h w`` frames of sRGB display codes in [0, 1]; 0 where equal.

    Only pixels that differ are computed. ``MediaError`` for other sizes or without colour.
    """
    check_same_size(result, reference, "result", "reference")
    check_colour(result, "CIEDE2000")
    differs = differing_pixels(result, reference).flatten()
    where = differs.nonzero()[:, 0]
    # Half precision cannot hold the formula's seventh powers.
    dtype = torch.promote_types(torch.promote_types(result.dtype, reference.dtype), torch.float32)
    first, second = result.flatten(1).to(dtype), reference.flatten(1).to(dtype)
    found = first.new_zeros(first.shape[1])
    everywhere = len(where) == found.numel()
    for start in range(0, len(where), _CHUNK_PIXELS):
        place = slice(start, start + _CHUNK_PIXELS) if everywhere else where[start : start + _CHUNK_PIXELS]
        found[place] = ciede2000(lab_of_codes(second[:, place]), lab_of_codes(first[:, place]))
    return found.reshape(result.shape[1:])


class _Spread:
    """How many pixels had which difference, in bins of ``BIN``."""

    def __init__(self) -> None:
        self.bins = torch.zeros(_NUM_BINS, dtype=torch.float64)

    def add(self, differences: Tensor) -> None:
        """Take in any number of values of 0 or more."""
        top = BIN * _NUM_BINS
        self.bins += torch.histc(differences.float().clamp(max=top), _NUM_BINS, 0.0, top).cpu()

    def percentile(self, percent: float) -> float:
        """The upper end of the bin that the rank falls in, 0 in the lowest one; NaN while there is no value."""
        total = float(self.bins.sum())
        if not total:
            return math.nan
        place = int((self.bins.cumsum(0) < percent / 100.0 * total).sum())
        return BIN * (place + 1) if place else 0.0


class DeltaE(ShotMetric):
    """``delta_e00`` over all pixels of the frames, ``delta_e00_hole`` over the hole's; ``…_p95`` are percentiles.

    All pixels of a shot count alike, equal ones as 0. Percentiles are rounded
    up to 0.05 and below 0.05 are 0. An empty mask leaves the hole undefined.
    """

    group = PERCEPTION
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        seen = "away from the clean reference to the eye; about 1 is just seen side by side. Codes read as sRGB."
        most = "The colour difference that 95 of 100 pixels of the {} stay below; a small wrong patch shows here first."
        meanings = {
            "delta_e00": f"How far the colours of the frame are {seen}",
            "delta_e00_hole": f"How far the colours of the repair are {seen}",
            "delta_e00_p95": most.format("frame"),
            "delta_e00_p95_hole": most.format("repair"),
        }
        infos = [
            MetricInfo(name=name, unit="CIEDE2000", direction="lower", meaning=meaning, headline=name == "delta_e00")
            for name, meaning in meanings.items()
        ]
        super().__init__(infos, infos[:2], **kwargs)

    def _begin_shot(self) -> None:
        self._frame, self._hole = PooledMean(), PooledMean()
        self._frame_spread, self._hole_spread = _Spread(), _Spread()

    def _add(self, frame: JudgedFrame) -> None:
        assert frame.beside.reference is not None
        found = delta_e00_map(frame.result, frame.beside.reference)
        mean_hole = math.nan
        if frame.beside.hole is not None and bool(frame.beside.hole.any()):
            inside = found[frame.beside.hole[0]]
            total = float(inside.sum(dtype=torch.float64))
            self._hole.add(total, inside.numel())
            self._hole_spread.add(inside)
            mean_hole = total / inside.numel()
        total = float(found.sum(dtype=torch.float64))
        self._frame.add(total, found.numel())
        self._frame_spread.add(found)
        self.curves["delta_e00"].append(total / found.numel())
        self.curves["delta_e00_hole"].append(mean_hole)

    def shot_values(self) -> dict[str, float]:
        """Means and percentiles over the open shot."""
        return {
            "delta_e00": self._frame.mean,
            "delta_e00_hole": self._hole.mean,
            "delta_e00_p95": self._frame_spread.percentile(95.0),
            "delta_e00_p95_hole": self._hole_spread.percentile(95.0),
        }
