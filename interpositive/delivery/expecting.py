"""How far off a repair is expected to be, where nobody knows what the hole hides.

A mini-model says how sure it is of each pixel, but not in decibels. On pixels of the same shot that were held back,
both are known: how sure it was, and how far off. An error is counted as a share of how much detail there is around the
hole, for the same slip costs more on a lattice than on a wall, and the two holes do not lie in the same place. Less
sure is never taken for nearer (isotonic regression; Barlow, Bartholomew, Bremner and Brunk, Statistical Inference
under Order Restrictions, 1972).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr
from torch import Tensor

from interpositive.metrics.luma import luma_of
from interpositive.records.measures import MetricInfo, ShotMeasures

VerdictWord = Literal["ship", "look", "redo"]
SHIP_DB, REDO_DB = 34.0, 24.0
MARGIN_DB = 3.0
"""How far off an expectation is commonly found to be."""
MOST_REDO = 0.25
MOST_STRANGE = 0.05
EXPECTED_PSNR = MetricInfo(
    name="expected_psnr_hole",
    unit="dB",
    direction="higher",
    meaning="how near to the truth the repair is expected to be inside the mask, by how near it came on held-out "
    "pixels of this shot that it was as sure of",
    group="Nobody knows the truth here",
)
_NUM_BINS = 64
_NUM_GROUPS = 4
"""Held-out pixels lie together in few places: finer, the least sure are one mishap at one of them."""
_LEAST_SEEN = 0.05
_GRAIN = 1e-5
"""Squared slope that even a wall has: without it an error there would count without end."""


def busyness(values: Tensor, mask: Tensor) -> Tensor:
    """How much detail there is around each pixel, ``t 1 h w``: the squared mean slope of luma outside the mask.

    ``values`` are ``t 3 h w``, ``mask`` is ``t 1 h w``; a slope is a difference of neighbours. Of a square a twelfth of
    the height wide; where the mask covers nearly all of that, of one four times as wide, and then of the frame. A mean
    of slopes, unlike variance, tells a lattice from one lamp in the sky.
    """
    height, width = values.shape[-2:]
    planes = []
    for frame, hole in zip(values, mask, strict=True):
        seen = (hole[0] <= 0).float().numpy()
        luma = np.nan_to_num(luma_of(frame).numpy())
        slope, pairs = np.zeros((2, height, width), np.float32)
        for axis in (0, 1):
            at = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
            both = np.minimum(*(seen.take(range(k, seen.shape[axis] - 1 + k), axis) for k in (0, 1)))
            slope[at] += both * np.abs(np.diff(luma, axis=axis))
            pairs[at] += both
        found = np.full((height, width), slope.sum() / max(pairs.sum(), 1.0), np.float32)
        for radius in (4 * (height // 24 + 1), height // 24 + 1):
            steepness, share = (cv2.blur(plane, (2 * radius + 1, 2 * radius + 1)) for plane in (slope, pairs))
            found = np.where(share > _LEAST_SEEN, steepness / np.maximum(share, _LEAST_SEEN), found)
        planes.append(torch.from_numpy(found**2 + _GRAIN))
    return torch.stack(planes)[:, None]


class ErrorByConfidence:
    """Squared error of values, as a share of :func:`busyness`, by confidence; from pixels whose truth is known."""

    def __init__(self) -> None:
        self._squares = np.zeros(_NUM_BINS)
        self._busy = np.zeros(_NUM_BINS)
        self._counts = np.zeros(_NUM_BINS)

    def add(self, confidence: Tensor, error: Tensor, judged: Tensor, busy: Tensor) -> None:
        """Count pixels in: ``confidence``, ``judged`` and :func:`busyness` ``t 1 h w``, ``error`` ``t 3 h w``."""
        inside = judged[:, 0] > 0
        bins = _bins(confidence[:, 0][inside].numpy())
        squares = error.square().mean(1)[inside].double().numpy()
        finite = np.isfinite(squares)
        # A share of the sums: shares of single pixels would be those of errors where there is next to no detail.
        self._squares += np.bincount(bins[finite], squares[finite], _NUM_BINS)
        self._busy += np.bincount(bins[finite], busy[:, 0][inside].numpy()[finite], _NUM_BINS)
        self._counts += np.bincount(bins[finite], minlength=_NUM_BINS)

    def expected(self, confidence: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
        """Expected shares of pixels ``n``, and how many of them are less sure than any held out.

        Held-out pixels fall into four groups of like number, from the least sure to the surest.
        """
        middles = (np.cumsum(self._counts) - 0.5 * self._counts) / self._counts.sum()
        group_of = np.minimum((middles * _NUM_GROUPS).astype(np.int64), _NUM_GROUPS - 1)
        squares, weights = (np.bincount(group_of, of_bins, _NUM_GROUPS) for of_bins in (self._squares, self._busy))
        known = np.flatnonzero(weights)
        fall = isotonic_regression(squares[known] / weights[known], weights=weights[known], increasing=False).x
        bins, least = _bins(confidence), np.flatnonzero(self._counts)[0]
        return np.interp(group_of[bins], known, fall), float((bins < least).mean()) if len(bins) else 0.0

    @property
    def num_pixels(self) -> int:
        """How many were counted in."""
        return int(self._counts.sum())


@dataclass(frozen=True)
class Verdict:
    """What to do with a repaired shot, and why, in a supervisor's words."""

    word: VerdictWord
    reason: str


class Expectation:
    """A shot's expected error, frame by frame, as it is restored; nothing where nothing was held out."""

    def __init__(self, held_out: ErrorByConfidence) -> None:
        self._held_out = held_out if held_out.num_pixels else None
        self.curve: list[float | None] = []
        self._strange = self._num_pixels = 0.0

    def see(self, confidence: NDArray[np.float32], mask: NDArray[np.float32], busy: NDArray[np.float32]) -> None:
        """Take the next frame: all ``h w``. A frame without a hole, or without anything to go by, has no number."""
        sure = confidence[mask > 0]
        if self._held_out is None or not len(sure):
            self.curve.append(None)
            return
        shares, strange = self._held_out.expected(sure)
        self._strange += strange * len(sure)
        self._num_pixels += len(sure)
        self.curve.append(-10.0 * math.log10(max(float((shares * busy[mask > 0]).mean()), 1e-10)))

    @property
    def worst_places(self) -> list[int]:
        """Places of frames, the lowest expectation first."""
        return [
            place for _, place in sorted((value, place) for place, value in enumerate(self.curve) if value is not None)
        ]

    def verdict(self) -> Verdict:
        """See :func:`verdict_of`."""
        return verdict_of(self.curve, MARGIN_DB, self._strange / self._num_pixels if self._num_pixels else 0.0)


def verdict_of(curve: Sequence[float | None], margin: float = 0.0, strange_share: float = 0.0) -> Verdict:
    """From hole PSNRs in dB, frame by frame, and the share of the hole that is less sure than all that was held out.

    *Ship*: no frame is below 34 dB. *Redo*: more than a quarter of them are below 24 dB. *Look*: all else. An
    expectation has a ``margin`` in dB, by which it must be clear of both.
    """
    ship, redo = SHIP_DB + margin, REDO_DB - margin
    known = [value for value in curve if value is not None]
    if not known:
        return Verdict("look", "no pixel of this shot was held out, so nobody knows how near the repair is")
    worst, poor = min(known), sum(value < redo for value in known) / len(known)
    if poor > MOST_REDO:
        return Verdict("redo", f"{poor:.0%} of the frames are expected below {redo:g} dB inside the mask")
    if strange_share > MOST_STRANGE:
        return Verdict("look", f"{strange_share:.0%} of the hole is less sure than anything that could be held out")
    if worst < ship:
        return Verdict(
            "look", f"the worst frame is expected at {worst:.1f} dB inside the mask; from {ship:g} dB on it ships"
        )
    return Verdict("ship", f"every frame is expected at {worst:.1f} dB or more inside the mask")


def calibration_notes(shots: Sequence[ShotMeasures], method: str) -> list[str]:
    """How far expectations held on shots whose truth is known, by the curves of ``method``; empty if none has both."""
    pairs, verdicts = [], Counter[tuple[str, str]]()
    for shot in shots:
        curves = shot.curves.get(method, {})
        expected, true = curves.get(EXPECTED_PSNR.name), curves.get("psnr_hole")
        if expected is None or true is None or not any(value is not None for value in expected):
            continue
        pairs += [(e, t) for e, t in zip(expected, true, strict=True) if e is not None and t is not None]
        verdicts[shot.verdict, verdict_of(true).word] += 1
    if not pairs:
        return []
    expected, true = np.array(pairs).T
    both_vary = len(pairs) > 2 and np.ptp(expected) > 0 and np.ptp(true) > 0
    rank = f", rank correlation {spearmanr(expected, true).statistic:.2f}" if both_vary else ""
    told = "; ".join(
        f"{num} said {word}" + ("" if word == truly else f" where the truth says {truly}")
        for (word, truly), num in sorted(verdicts.items())
    )
    return [
        f"expected against true hole PSNR on {len(pairs)} frames of {sum(verdicts.values())} takes: "
        f"{np.mean(expected - true):+.1f} dB on average, {np.mean(np.abs(expected - true)):.1f} dB either "
        f"way{rank}; verdicts: {told}"
    ]


def _bins(confidence: NDArray[np.float32]) -> NDArray[np.int64]:
    scaled = np.nan_to_num(confidence.astype(np.float64)) * _NUM_BINS
    return np.clip(scaled, 0, _NUM_BINS - 1).astype(np.int64)
