"""Which method to trust on a shot: each is tried on pixels of the same shot whose truth is known.

The shot's own mask is moved aside, so that it hides clean picture of the same
kind, moving the same way; every method fills that, and the best is chosen. A
training run that went wrong cannot ship: the untrained prior and the classical
fills stand in the same row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from interpositive.delivery.restoring import AS_STORED, ReadFrames, ReadMask, Request, frames_to_values
from interpositive.errors import MediaError
from interpositive.functional.seeds import generator_from
from interpositive.media.plate_colour import PlateColour
from interpositive.mini_models.contract import MiniModel

NOTHING_HELD_OUT = "no pixel of the shot could be held out to choose a method on; {method} is used"
NOTHING_MASKED = "the mask is empty on every frame that was looked at; nothing to choose on, {method} is used"
_SAFEST = "prior"
_NUM_TURNS = 8


@dataclass(frozen=True)
class GateResult:
    """Hole PSNR in dB of each method on held-out pixels (None if none could be held out), and the choice."""

    scores: dict[str, float | None]
    chosen: str
    num_pixels: int
    note: str = ""


@dataclass(frozen=True)
class GatePlan:
    """How much of the shot is tried: ``num_trials`` windows, each ``num_frames`` frames judged."""

    num_trials: int = 3
    num_frames: int = 5
    reach: int = 8
    shift_share: tuple[float, float] = (0.04, 0.14)


def choose_method(
    read_frames: ReadFrames,
    read_mask: ReadMask,
    num_frames: int,
    mini_model: MiniModel,
    request: Request,
    methods: Sequence[str],
    plan: GatePlan,
    seed: int,
    colour: PlateColour = AS_STORED,
) -> GateResult:
    """Try every method on moved masks and choose the best; deterministic for a seed.

    ``methods`` are in order of preference: a tie within 0.02 dB goes to the earlier. Where nothing can be held out,
    the untrained prior is taken (or the first method, if there is none), and the result's note says so.
    ``MediaError`` where no method gives finite values.
    PSNR is of the values that the mini-model works on.
    """
    totals = {method: 0.0 for method in methods}
    count = 0
    any_masked = False
    for trial in range(plan.num_trials):
        middle = round((trial + 0.5) / plan.num_trials * num_frames)
        start = max(0, min(middle - plan.num_frames // 2, num_frames - plan.num_frames))
        stop = min(num_frames, start + plan.num_frames)
        first, last = max(0, start - plan.reach), min(num_frames, stop + plan.reach)
        masks = read_mask(first, last)
        if not masks.any():
            continue
        any_masked = True
        hidden = _hide_elsewhere(masks, slice(start - first, stop - first), seed, trial, plan.shift_share)
        if not hidden[start - first : stop - first].any():
            continue
        frames = frames_to_values(read_frames(first, last), colour)
        both = torch.from_numpy(np.maximum(masks > 0, hidden).astype(np.float32))[:, None]
        keep = range(start - first, stop - first)
        judged = torch.from_numpy(hidden[keep.start : keep.stop].astype(np.float32))[:, None]
        truth = frames[keep.start : keep.stop]
        restored = mini_model.restore(request(frames, both), keep, methods)
        for method in methods:
            totals[method] += float(((restored[method].frames.cpu() - truth).square() * judged).sum())
        count += int(judged.sum()) * truth.shape[1]
    if not count:
        safest = _SAFEST if _SAFEST in methods else methods[0]
        note = (NOTHING_HELD_OUT if any_masked else NOTHING_MASKED).format(method=safest)
        return GateResult({method: None for method in methods}, safest, 0, note)
    # A method that gives what is not a number has no score, and is chosen before none that has one.
    scores = {m: -10.0 * math.log10(max(total, 1e-12) / count) for m, total in totals.items() if math.isfinite(total)}
    if not scores:
        raise MediaError(
            "no method repairs this shot: none gives numbers for its held-out pixels",
            found=f"values that are not finite from {', '.join(methods)}",
            expected="a finite picture from at least one of them",
            remedy="look at the plate's values around the mask, and train again if the run diverged",
        )
    best = max(scores.values())
    chosen = next(method for method in methods if scores.get(method, -math.inf) >= best - 0.02)
    return GateResult({method: scores.get(method) for method in methods}, chosen, count // 3)


def _hide_elsewhere(
    masks: NDArray[np.float32], judged: slice, seed: int, trial: int, shift_share: tuple[float, float]
) -> NDArray[np.bool_]:
    """Where the moved mask hides clean picture; a wire moved along itself hides little, so it is turned away."""
    real = _grown(masks)
    wanted = 0.5 * float((masks[judged] > 0).sum())
    best = np.zeros_like(real)
    for turn in range(_NUM_TURNS):
        hidden = (move_mask(masks, seed, trial, shift_share, turn) > 0) & ~real
        if hidden[judged].sum() > best[judged].sum():
            best = hidden
        if best[judged].sum() >= wanted:
            break
    return best


def move_mask(
    masks: NDArray[np.float32], seed: int, trial: int, shift_share: tuple[float, float], turn: int = 0
) -> NDArray[np.float32]:
    """The whole mask track moved by one random vector, a share of the shorter side long.

    ``turn`` turns the vector on by eighths of a circle.
    """
    height, width = masks.shape[1:]
    generator = generator_from("gate", seed, trial)
    angle, length = torch.rand(2, generator=generator).tolist()
    radius = (shift_share[0] + length * (shift_share[1] - shift_share[0])) * min(height, width)
    turned = 2 * math.pi * (angle + turn / _NUM_TURNS)
    dy, dx = round(radius * math.sin(turned)), round(radius * math.cos(turned))
    moved = np.zeros_like(masks)
    target = (slice(None), slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx)))
    source = (slice(None), slice(max(0, -dy), height + min(0, -dy)), slice(max(0, -dx), width + min(0, -dx)))
    moved[target] = masks[source]
    return moved


def _grown(masks: NDArray[np.float32]) -> NDArray[np.bool_]:
    grown = masks > 0
    padded = np.pad(grown, ((0, 0), (1, 1), (1, 1)))
    result: NDArray[np.bool_] = np.zeros_like(grown)
    height, width = grown.shape[1:]
    for dy in range(3):
        for dx in range(3):
            result |= padded[:, dy : dy + height, dx : dx + width]
    return result
