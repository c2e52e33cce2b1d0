"""Measures one shot, window by window, for every method at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from torch import Tensor

from interpositive.errors import ConfigError, MediaError, TimecodeError
from interpositive.metrics.checks import check_frames, check_mask, check_same_size, hole_of
from interpositive.metrics.lpips import LpipsNet, lpips_sums
from interpositive.metrics.luma_flicker import luma_flicker_percent, mean_luma
from interpositive.metrics.meanings import CURVES, METRICS
from interpositive.metrics.psnr import psnr_db, squared_error_sums
from interpositive.metrics.ssim import map_sums, ssim_map
from interpositive.metrics.untouched import changed_outside
from interpositive.metrics.warp_error import (
    LEAST_ERROR,
    MeanOfPairs,
    PairMotion,
    mean_gap,
    pair_gap,
    relative_warp_error,
)

Values = dict[str, dict[str, float | None]]
Curves = dict[str, dict[str, list[float | None]]]

__all__ = ["CURVES", "METRICS", "ShotMeter", "worst_frames"]


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass
class _Mean:
    """Sums of a pooled mean."""

    total: float = 0.0
    count: float = 0.0

    def add(self, total: float | Tensor, count: float | Tensor) -> None:
        self.total += float(total)
        self.count += float(count)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else float("nan")

    @property
    def decibels(self) -> float:
        return float(psnr_db(torch.tensor(self.total), torch.tensor(self.count)))


@dataclass
class _MethodSums:
    """All that is kept of one method: sums, a few numbers a frame, and its last frame."""

    error: _Mean = field(default_factory=_Mean)
    error_hole: _Mean = field(default_factory=_Mean)
    similarity: _Mean = field(default_factory=_Mean)
    similarity_hole: _Mean = field(default_factory=_Mean)
    perceptual: _Mean = field(default_factory=_Mean)
    pairs: MeanOfPairs = field(default_factory=MeanOfPairs)
    pairs_hole: MeanOfPairs = field(default_factory=MeanOfPairs)
    luma: list[float] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=lambda: {info.name: [] for info in CURVES})
    last: Tensor | None = None


@dataclass(frozen=True)
class _LastFrame:
    """The frame before the next window: where flow is measured, and its mask."""

    source: Tensor
    mask: Tensor


class ShotMeter:
    """Every metric of one shot for several methods, streamed in windows of any length.

    Flow is measured once a frame pair, on the clean reference if there is one,
    else on the plate, and shared by all methods. Kept between windows: one
    frame a method, the flow's frame, the mask, and a few numbers a frame.
    Without a reference what needs one is None; without ``lpips`` so is LPIPS, and
    ``lpips_absence`` is the reason that :meth:`notes` gives.
    The plate's flow in the hole is that of the thing to remove, so there it is
    filled in from around the hole: an estimate, poor where the hole is large.
    Warping errors are means over frame pairs (Lai et al.), PSNR pools its
    squared error, SSIM and LPIPS are means over pixels and frames.
    """

    def __init__(
        self,
        methods: Sequence[str],
        *,
        has_reference: bool,
        rate: Fraction,
        lpips: LpipsNet | None = None,
        lpips_absence: str = "LPIPS not measured: no LPIPS network was given",
    ) -> None:
        if not methods or len(set(methods)) != len(methods):
            raise ConfigError("the methods to measure", found=list(methods), expected="one or more, each once")
        if rate <= 0:
            raise TimecodeError("no such frame rate", found=rate, expected="frames per second above 0")
        self.methods = tuple(methods)
        self.has_reference = has_reference
        self.rate = rate
        self.lpips = lpips
        self.lpips_absence = lpips_absence
        self.num_frames = 0
        self._num_masked = 0
        self._sums = {method: _MethodSums() for method in methods}
        self._steady_hole = MeanOfPairs()
        self._last: _LastFrame | None = None

    def update(
        self, results: Mapping[str, Tensor], mask: Tensor, plate: Tensor, reference: Tensor | None = None
    ) -> None:
        """Add the next window of the shot, in order, no gap and no overlap.

        ``results`` has one ``t c h w`` in [0, 1] for each method; ``plate`` and
        ``reference`` have that shape, ``mask`` is ``t 1 h w``. ``ConfigError``
        for other methods, ``MediaError`` or ``MaskError`` for frames that do not fit.
        """
        self._check(results, mask, plate, reference)
        source = plate if reference is None else reference
        for place in range(len(plate)):
            frame = slice(place, place + 1)
            target = None if reference is None else reference[frame]
            motion, counted, steady = self._step(source[place], mask[place])
            for method in self.methods:
                sums = self._sums[method]
                result = results[method][frame]
                self._add_fidelity(sums, result, mask[frame], target)
                self._add_motion(sums, result[0], motion, counted, steady)
                self._add_brightness(sums, result, mask[frame])
                changed = changed_outside(result, plate[frame], mask[frame])
                sums.curves["untouched_changed"].append(float(changed.sum()))
            self._last = _LastFrame(source[place].clone(), mask[place].clone())
            self._num_masked += int(hole_of(mask[place]).any())
            self.num_frames += 1

    def compute(self) -> tuple[Values, Curves]:
        """``values[method][metric]`` over all frames, and ``curves[method][metric]`` with one number a frame.

        None stands for what is not defined (:meth:`notes` says why). Pair
        curves give the pair of a frame and the one before it: the first is None.
        ``MediaError`` if no frame was added.
        """
        if self.num_frames == 0:
            raise MediaError("nothing was measured: no frame was added", found=0, expected="one frame or more")
        values = {
            method: {name: _defined(value) for name, value in self._values(sums).items()}
            for method, sums in self._sums.items()
        }
        curves = {
            method: {name: [_defined(value) for value in course] for name, course in sums.curves.items()}
            for method, sums in self._sums.items()
        }
        return values, curves

    def notes(self) -> list[str]:
        """Why values are None, one sentence each; empty if all are defined."""
        reasons = []
        if not self.has_reference:
            reasons.append("psnr, ssim, lpips and e_warp_rel not measured: there is no clean reference")
        elif self.lpips is None:
            reasons.append(self.lpips_absence)
        if self.has_reference and self._steady_hole.mean <= LEAST_ERROR:
            reasons.append("e_warp_rel not defined: the reference does not change at all in the hole")
        if self._num_masked == 0:
            reasons.append("hole metrics not defined: the mask is empty")
        if self.num_frames < 2:
            reasons.append("e_warp and luma_flicker not defined: the shot has one frame")
        return reasons

    def _check(self, results: Mapping[str, Tensor], mask: Tensor, plate: Tensor, reference: Tensor | None) -> None:
        if set(results) != set(self.methods):
            raise ConfigError("other methods than announced", found=sorted(results), expected=sorted(self.methods))
        if (reference is not None) != self.has_reference:
            raise MediaError(
                "a reference must be given for every window or for none",
                found="none" if reference is None else "a reference",
                expected="a reference" if self.has_reference else "none",
            )
        stacks = {"plate": plate, **results}
        if reference is not None:
            stacks["reference"] = reference
        for name, frames in stacks.items():
            check_frames(frames, name, batched=False)
            check_same_size(frames, plate, name, "plate")
        check_mask(mask, plate)
        if self._last is not None:
            check_same_size(plate[0], self._last.source, "plate", "window before it")

    def _step(self, source: Tensor, mask: Tensor) -> tuple[PairMotion | None, Tensor | None, float]:
        """Motion since the last frame, the hole pixels that count, and what clean footage scores.

        That is the reference in the hole, or, without one, the plate around the hole.
        """
        if self._last is None:
            return None, None, float("nan")
        last = self._last
        if self.has_reference:
            motion = PairMotion.between(last.source, source)
        else:
            motion = PairMotion.behind(last.source, source, last.mask, mask)
        counted = motion.counted(last.mask, mask)
        clean = counted if self.has_reference else motion.visible & ~counted
        steady = mean_gap(pair_gap(last.source, source, motion.forward), clean)
        self._steady_hole.add(steady)
        return motion, counted, steady

    def _add_fidelity(self, sums: _MethodSums, result: Tensor, mask: Tensor, target: Tensor | None) -> None:
        if target is None:
            sums.curves["psnr_hole"].append(float("nan"))
            return
        sums.error.add(*squared_error_sums(result, target))
        total, count = squared_error_sums(result, target, mask)
        sums.error_hole.add(total, count)
        sums.curves["psnr_hole"].append(float(psnr_db(total, count)))
        similar = ssim_map(result[0], target[0])
        sums.similarity.add(*map_sums(similar))
        sums.similarity_hole.add(*map_sums(similar, hole_of(mask[0, 0])))
        if self.lpips is not None:
            sums.perceptual.add(*lpips_sums(self.lpips, result, target))

    def _add_motion(
        self,
        sums: _MethodSums,
        frame: Tensor,
        motion: PairMotion | None,
        counted: Tensor | None,
        steady: float,
    ) -> None:
        error = float("nan")
        if sums.last is not None and motion is not None and counted is not None:
            gap = pair_gap(sums.last, frame, motion.forward)
            error = mean_gap(gap, counted)
            sums.pairs_hole.add(error)
            sums.pairs.add(mean_gap(gap, motion.visible))
        sums.curves["e_warp_dis_hole"].append(error)
        sums.curves["e_warp_excess_dis_hole"].append(error - steady)
        sums.last = frame.clone()

    def _add_brightness(self, sums: _MethodSums, result: Tensor, mask: Tensor) -> None:
        sums.luma += mean_luma(result)
        sums.curves["luma_hole"] += mean_luma(result, mask)

    def _values(self, sums: _MethodSums) -> dict[str, float]:
        steady = self._steady_hole.mean if self.has_reference else float("nan")
        return {
            "psnr": sums.error.decibels,
            "psnr_hole": sums.error_hole.decibels,
            "ssim": sums.similarity.mean,
            "ssim_hole": sums.similarity_hole.mean,
            "lpips": sums.perceptual.mean,
            "e_warp_dis_hole": sums.pairs_hole.mean,
            "e_warp_rel_dis_hole": relative_warp_error(sums.pairs_hole.mean, steady),
            "e_warp_dis": sums.pairs.mean,
            "luma_flicker": luma_flicker_percent(sums.luma, self.rate),
            "luma_flicker_hole": luma_flicker_percent(sums.curves["luma_hole"], self.rate),
            "untouched_changed": sum(sums.curves["untouched_changed"]),
        }


def worst_frames(curves: Mapping[str, Sequence[float | None]], num: int = 8) -> list[int]:
    """Frames of one method ranked worst first, counted from 0, ``num`` at most.

    By the lowest ``psnr_hole`` where there was a reference, else by the highest
    ``e_warp_excess_dis_hole`` (``e_warp_dis_hole`` if the hole is all of the frame).
    Frames where that is not defined are left out.
    """
    for name, sign in (("psnr_hole", 1.0), ("e_warp_excess_dis_hole", -1.0), ("e_warp_dis_hole", -1.0)):
        ranked = sorted((sign * value, place) for place, value in enumerate(curves[name]) if value is not None)
        if ranked:
            return [place for _, place in ranked[:num]]
    return []
