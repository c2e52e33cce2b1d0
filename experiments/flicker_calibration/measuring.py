"""What every version of a subject leaves: cell traces of the flicker score, and the numbers it is held against."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from footage import Codes, Subject, steady_frames
from injections import (
    KINDS,
    NEGATIVES,
    Kind,
    Pictures,
    just_visible,
    kept_to,
    one_seam,
    quantised,
)
from numpy.typing import NDArray

from interpositive.metrics.flicker_traces import PairTraces, WorkingPicture, pair_traces, working_picture
from interpositive.metrics.luma import luma_of
from interpositive.metrics.luma_flicker import luma_flicker_percent
from interpositive.metrics.pair_motion import PairMotion

LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
BASELINES = ("frame_difference", "vbench", "luma_flicker", "e_warp")
PLACED_KINDS = ("gain", "boiling", "model jitter")
PLACED_LEVEL = 2.0
TRACE_FIELDS = ("tone", "own", "undone", "turn", "slope")


@dataclass(frozen=True)
class Version:
    """One judged shot: what was done to the steady one, how strongly, and what its motion was measured on.

    ``mode`` is ``"itself"`` (the flickering picture handed in as the plate) or ``"reference"`` (the steady one).
    """

    what: str
    strength: float
    mode: str

    @property
    def key(self) -> str:
        return f"{self.what}|{self.strength:g}|{self.mode}"

    @classmethod
    def of(cls, key: str) -> Version:
        """The version of a key."""
        what, strength, mode = key.split("|")
        return cls(what, float(strength), mode)


def place_of(shape: tuple[int, ...], seed: int) -> tuple[slice, tuple[int, int, int, int]]:
    """Ten frames and a quarter of the picture (x0, y0, x1, y1) that flicker is kept to."""
    rng = np.random.default_rng(seed + 77)
    first = int(rng.integers(6, shape[0] - 16))
    height, width = shape[1:3]
    y, x = int(rng.integers(0, height // 2)), int(rng.integers(0, width // 2))
    return slice(first, first + 10), (x, y, x + width // 2, y + height // 2)


def measure(subject: Subject, seed: int, material: Path, path: Path, *, graded: bool) -> bool:
    """Measure a subject and write its numbers to an npz; False if its footage is absent."""
    start = time.monotonic()
    steady = steady_frames(subject, material)
    if steady is None:
        return False
    numbers: dict[str, NDArray[np.generic]] = {"shape": np.array(steady.shape)}
    # The clean reference is the same for all versions, and so is its motion.
    steady_motions, steady_pictures = _motions(steady), [working_picture(frame) for frame in _tensors(steady)]
    for version, codes, unit in _versions(subject, steady, seed, graded):
        if version.mode == "reference":
            traces = _traces(codes, steady_motions, steady_pictures)
        else:
            motions = _motions(codes)
            traces = _traces(codes, motions, None)
            numbers[f"{version.key}#baselines"] = np.array(_baselines(codes, motions))
        if unit:
            numbers[f"{version.what}#unit"] = np.array(unit)
        for field in TRACE_FIELDS:
            stacked = np.stack([getattr(trace, field) for trace in traces])
            numbers[f"{version.key}#{field}"] = stacked.astype(np.float32)
    numbers["seconds"] = np.array(time.monotonic() - start)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **numbers)  # type: ignore[arg-type]
    partial.rename(path)
    return True


def traces_of(numbers: dict[str, NDArray[np.generic]], key: str) -> list[PairTraces]:
    """The pair traces of a version, from a measured subject's numbers."""
    fields = [np.asarray(numbers[f"{key}#{field}"], np.float64) for field in TRACE_FIELDS]
    return [PairTraces(*pair) for pair in zip(*fields, strict=True)]


def _versions(
    subject: Subject, steady_codes: Codes, seed: int, graded: bool
) -> Iterator[tuple[Version, Codes, float | None]]:
    steady: Pictures = steady_codes.astype(np.float32) / 255
    if subject.split == "natural":
        yield Version("clean", 0.0, "itself"), steady_codes, None
        return
    for name, change in NEGATIVES.items():
        codes = quantised(change(steady, seed))
        yield Version(name, 0.0, "itself"), codes, None
        # A clean reference has the same light as the result, so only grain makes the two modes differ.
        if "grain" in name:
            yield Version(name, 0.0, "reference"), codes, None
    for kind in KINDS:
        unit = just_visible(steady, kind, seed)
        for level in LEVELS if graded else (1.0,):
            codes = quantised(kind.put(steady, level * unit, seed))
            yield Version(kind.name, level, "itself"), codes, unit
            yield Version(kind.name, level, "reference"), codes, None
        if graded and kind.name in PLACED_KINDS:
            frames, box = place_of(steady.shape, seed)
            placed = kept_to(steady, kind.put(steady, PLACED_LEVEL * unit, seed), frames, box)
            yield Version(f"{kind.name}, placed", PLACED_LEVEL, "itself"), quantised(placed), None
    if graded:
        codes = quantised(one_seam(steady, _one_seam_unit(steady, seed), seed))
        yield Version("one seam", 1.0, "itself"), codes, None
        yield Version("one seam", 1.0, "reference"), codes, None


def _one_seam_unit(steady: Pictures, seed: int) -> float:
    middle = np.arange(len(steady) - 1) == len(steady) // 2 - 1
    return just_visible(steady, Kind("one seam", one_seam, lambda num, seed: middle), seed)


def _tensors(codes: Codes) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).float() / 255 for frame in codes]


def _motions(codes: Codes) -> list[PairMotion]:
    greys = [(luma_of(frame) * 255).round().to(torch.uint8).numpy() for frame in _tensors(codes)]
    return [PairMotion.between(first, second) for first, second in itertools.pairwise(greys)]


def _traces(codes: Codes, motions: list[PairMotion], source: list[WorkingPicture] | None) -> list[PairTraces]:
    pictures = [working_picture(frame) for frame in _tensors(codes)]
    traces, before = [], None
    for place, motion in enumerate(motions):
        beside = None if source is None else (source[place], source[place + 1])
        pair = pictures[place], pictures[place + 1]
        trace, before = pair_traces(*pair, motion.forward, motion.visible, before, beside)
        traces.append(trace)
    return traces


def _baselines(codes: Codes, motions: list[PairMotion]) -> tuple[float, float, float, float]:
    """Mean luma difference (codes), VBench temporal flickering, global luma flicker (%), warping error."""
    frames = _tensors(codes)
    lumas = [luma_of(frame) for frame in frames]
    difference = np.mean([float((a - b).abs().mean()) for a, b in itertools.pairwise(lumas)])
    wide = codes.astype(np.int16)
    vbench = (255 - np.abs(np.diff(wide, axis=0)).mean()) / 255
    flicker = luma_flicker_percent([float(luma.mean()) for luma in lumas], Fraction(24))
    errors = []
    for motion, first, second in zip(motions, frames[:-1], frames[1:], strict=True):
        errors.append(float(motion.gap(first, second)[motion.visible].mean()))
    return 255 * float(difference), float(vbench), flicker, float(np.mean(errors))
