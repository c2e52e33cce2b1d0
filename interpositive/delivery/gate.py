"""Which method to trust on a shot: each is tried on pixels of the same shot whose truth is known.

The task hides clean picture of the same kind (by default the shot's own mask is moved
aside, moving the same way); every method fills that, and the best is chosen. A
training run that went wrong cannot ship: the untrained prior and the classical
fills stand in the same row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from interpositive.delivery.expecting import ErrorByConfidence, busyness
from interpositive.delivery.restoring import ReadFrames, ReadMask, frames_to_values
from interpositive.errors import MediaError
from interpositive.functional.examples import Example
from interpositive.functional.freed_memory import give_back_freed_memory
from interpositive.functional.seeds import generator_from
from interpositive.media.plate_colour import AS_STORED, PlateColour
from interpositive.mini_models.contract import MiniModel
from interpositive.tasks.holding_out import AS_PLANNED, TryingOut, hide_elsewhere
from interpositive.tasks.laying_out import ReadCondition, nothing_more

NOTHING_HELD_OUT = "no pixel of the shot could be held out to choose a method on; {method} is used"
MADE_UP = (
    "{share:.0%} of the hole that was tried is shown by no frame nearby: {method} makes it up there, and is {other} "
    "elsewhere, within 0.25 dB of the best, {chosen}; PSNR, which rewards blur, has no say in what is made up"
)
TOO_STRONG = (
    "{share:.0%} of the hole that was tried is shown by no frame nearby, and {method} is not trusted to make it up: on "
    "held-out pixels it is {lost:.1f} dB below {other}, and a texture of the right strength is at most 3 dB below"
)
ONLY_COMPARED = (
    "{method} is {ahead:.1f} dB ahead of {chosen} on held-out pixels, and delivered only by name "
    "(delivery.method={method}): PSNR rewards what it does to the picture"
)
NOTHING_MASKED = "the mask is empty on every frame that was looked at; nothing to choose on, {method} is used"
_SAFEST = "prior"
_ENOUGH_TO_MAKE_UP = 0.02
_AS_GOOD_DB = 0.25
_MOST_LOST_DB = 4.0
"""Another texture, as strong as the true one, costs 3 dB where all is made up: what costs more is noise."""

HoldOut = Callable[[Example, range, torch.Generator, tuple[float, float]], Example | None]


@dataclass(frozen=True)
class GateResult:
    """Hole PSNR in dB of each method on held-out pixels (None if none could be held out), and the choice.

    ``held_out`` is how far off the chosen one was there, by how sure it was.
    """

    scores: dict[str, float | None]
    chosen: str
    num_pixels: int
    note: str = ""
    held_out: ErrorByConfidence = field(default_factory=ErrorByConfidence, compare=False)


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
    methods: Sequence[str],
    plan: GatePlan,
    seed: int,
    colour: PlateColour = AS_STORED,
    *,
    read_condition: ReadCondition = nothing_more,
    hold_out: HoldOut = hide_elsewhere,
    trying_out: TryingOut = AS_PLANNED,
) -> GateResult:
    """Try every method on what ``hold_out`` hides and choose the best; deterministic for a seed.

    ``methods`` are in order of preference: a tie goes to the earlier (``trying_out.tie_db``). Where nothing can be held
    out, the untrained prior is taken (or the first method, if there is none), and the result's note says so.
    ``MediaError`` where no method gives finite values.
    PSNR is of the values that the mini-model works on. It cannot judge what is made up, but that it is no noise: a
    method that makes up takes the place of the best, if the one that it otherwise equals is within 0.25 dB of that, it
    is itself no more than 4 dB below that one, and more than a fiftieth of the hole is shown by no frame; the note
    says so, as it does where one that is only compared (``MiniModel.only_compared``) is ahead.
    """
    making_up = {other: method for method, other in mini_model.makes_up.items() if {method, other} <= set(methods)}
    num_hidden = num_made_up = 0
    totals = {method: 0.0 for method in methods}
    by_confidence = {method: ErrorByConfidence() for method in methods}
    count = 0
    any_masked = False
    reach = max(plan.reach, trying_out.reach)
    for trial in range(plan.num_trials):
        middle = round((trial + 0.5) / plan.num_trials * num_frames)
        start = max(0, min(middle - plan.num_frames // 2, num_frames - plan.num_frames))
        stop = min(num_frames, start + plan.num_frames)
        first, last = max(0, start - reach), min(num_frames, stop + reach)
        plate, masks, full = _window(read_frames, read_mask, range(first, last), colour, trying_out)
        any_masked |= bool(masks.any())
        keep = range(start - first, stop - first)
        condition = trying_out.condition(read_condition(first, last), *full)
        request = Example(plate, torch.from_numpy(masks)[:, None], condition=condition)
        held_out = hold_out(request, keep, generator_from("gate", seed, trial), plan.shift_share)
        if held_out is None or held_out.target is None:
            continue
        looked_at = held_out.condition["judged"].flatten(1).any(1).nonzero()
        keep = range(int(looked_at[0]), int(looked_at[-1]) + 1)
        kept = slice(keep.start, keep.stop)
        # No part of the plate without what is held out is to stay in memory.
        truth, judged = held_out.target[kept].clone(), held_out.condition["judged"][kept].clone()
        own = torch.from_numpy(masks[kept] > 0)[:, None]
        told = {name: value for name, value in held_out.condition.items() if name != "judged"}
        held_out = replace(held_out, target=None, condition=told)
        del plate, request, masks
        restored = mini_model.restore(held_out, keep, methods)
        busy = busyness(held_out.input[kept], held_out.mask[kept])
        for method in methods:
            given = restored[method]
            error = given.frames.cpu() - truth
            totals[method] += float((error.square() * judged).sum())
            by_confidence[method].add(given.confidence.cpu(), error, judged, busy)
            if method in making_up.values():
                num_made_up += 0 if given.made_up is None else int((given.made_up.cpu() & own).sum())
                num_hidden += int(own.sum())
            del given, error
        count += int(judged.sum()) * truth.shape[1]
        del restored, held_out, truth, judged
        give_back_freed_memory()
    if not count:
        safest = _SAFEST if _SAFEST in methods else methods[0]
        note = (NOTHING_HELD_OUT if any_masked else NOTHING_MASKED).format(method=safest)
        return GateResult({method: None for method in methods}, safest, 0, note)
    # A method that gives what is not a number has no score, and is chosen before none that has one.
    scores = {m: -10.0 * math.log10(max(total, 1e-12) / count) for m, total in totals.items() if math.isfinite(total)}
    allowed = {method: score for method, score in scores.items() if method not in mini_model.only_compared}
    if not allowed:
        raise MediaError(
            "no method repairs this shot: none gives numbers for its held-out pixels",
            found=f"values that are not finite from {', '.join(methods)}",
            expected="a finite picture from at least one of them",
            remedy="look at the plate's values around the mask, and train again if the run diverged",
        )
    best = max(allowed.values())
    chosen = next(method for method in methods if allowed.get(method, -math.inf) >= best - trying_out.tie_db)
    note = ""
    leader = max(scores, key=scores.__getitem__)
    if leader not in allowed and scores[leader] > best + trying_out.tie_db:
        note = ONLY_COMPARED.format(method=leader, ahead=scores[leader] - allowed[chosen], chosen=chosen)
    for other, method in making_up.items():
        near = scores.get(other, -math.inf) >= best - _AS_GOOD_DB and method in scores
        if near and num_made_up > _ENOUGH_TO_MAKE_UP * num_hidden:
            share, lost = num_made_up / num_hidden, scores[other] - scores[method]
            if lost > _MOST_LOST_DB:
                note = TOO_STRONG.format(share=share, method=method, other=other, lost=lost)
                continue
            note = MADE_UP.format(share=share, method=method, other=other, chosen=chosen)
            chosen = method
            break
    found = {method: scores.get(method) for method in methods}
    return GateResult(found, chosen, count // 3, note, by_confidence[chosen])


def _window(
    read_frames: ReadFrames, read_mask: ReadMask, frames: range, colour: PlateColour, trying_out: TryingOut
) -> tuple[Tensor, NDArray[np.float32], tuple[int, int]]:
    """Values ``t 3 h w`` and masks ``t h w`` of some frames, by area as small as is asked; how large they were."""
    plates, masks = [], []
    for number in frames:
        # One by one: a whole window is not to be there twice, and may not fit into memory as it is.
        plate = frames_to_values(read_frames(number, number + 1), colour)
        mask = torch.from_numpy(read_mask(number, number + 1))
        full = mask.shape[1], mask.shape[2]
        size = trying_out.size_of(*full)
        if size != full:
            plate, mask = F.adaptive_avg_pool2d(plate, size), F.adaptive_max_pool2d(mask, size)
        plates.append(plate[0])
        masks.append(mask[0].numpy())
    return torch.stack(plates), np.stack(masks), full
