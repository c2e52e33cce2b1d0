"""Frame fill: whole frames from both sides, chosen among what several motions bring, with a small correction.

Each motion hypothesis reads the frame from the side before and from the side after; where the two agree it is
believed. The untrained model is that *prior*. Training, on frames left out of the production's own takes, learns which
hypothesis and which side to believe, and a small residual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.mini_models.evidence_fusion import EvidenceFusion, crop_corners, crop_example
from interpositive.mini_models.frame_baselines import BASELINES
from interpositive.mini_models.frame_clock import Clock
from interpositive.motion.in_between import HYPOTHESES, Surroundings
from interpositive.motion.window_motion import Plane, channel_mean, value_range
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack

KINDS = (*HYPOTHESES, "still")
_NUM_WORDS = len(KINDS) + 2
_BENT = (2, 3)
_BIAS = {"steady": 0.0, "bent": 2.0, "mixed": 0.0, "camera": -2.0, "still": -4.0}
_POOL_SIGMA_PX = 2.0
_BOUNDS: Bounds = {
    "reach_frames": (2, 1000),
    "scorer_width": (1, 1024),
    "residual_widths": (1, 1024),
    "crop_px": (8, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
    "temperature": (1e-6, 1e6),
    "shutter_moments": (2, 64),
}


class FrameFill(MiniModel):
    """Fusion of two-sided motion hypotheses.

    ``reach_frames`` on either side must span the longest gap. ``crop_px``, ``crops_per_frame`` and
    ``frames_per_window`` shape what training draws. An open shutter is the mean of ``shutter_moments``.
    """

    trained_method = "trained"
    supplies: ClassVar[frozenset[Lack]] = frozenset({"frames"})

    def __init__(
        self,
        *,
        reach_frames: int = 18,
        scorer_width: int = 16,
        residual_widths: Sequence[int] = (24, 48, 64),
        crop_px: int = 72,
        crops_per_frame: int = 3,
        frames_per_window: int = 6,
        temperature: float = 0.02,
        shutter_moments: int = 8,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if crop_px % 8:
            raise ConfigError("mini_model.crop_px is a multiple of 8", found=crop_px)
        self.reach_frames = reach_frames
        self.methods = (*BASELINES, "prior", self.trained_method)
        self.crop_px, self.crops_per_frame, self.frames_per_window = crop_px, crops_per_frame, frames_per_window
        self.shutter_moments = shutter_moments
        self.fusion = EvidenceFusion(_NUM_WORDS, scorer_width, residual_widths, temperature, _BENT)

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops of a few frames that were left out, where most moves, each with all its candidates."""
        assert example.target is not None
        judged = example.condition.get("judged", example.mask)
        clock = Clock.of(example)
        wanted = [t for t in range(len(judged)) if judged[t].mean() > 0.5 and clock.between(float(t))]
        order = torch.randperm(len(wanted), generator=generator).tolist()
        prepared: list[Example] = []
        for frame in sorted(wanted[i] for i in order[: self.frames_per_window]):
            bank = bank_of(clock.surroundings(float(frame)), float(frame))
            # The last two are the frames on either side as they are.
            moving = (bank["candidates"][-1] - bank["candidates"][-2]).abs().mean(0).float()
            likely = moving + 0.1 * moving.mean() + 1e-6
            for corner in crop_corners(likely, self.crop_px, self.crops_per_frame, generator):
                at = slice(frame, frame + 1)
                prepared.append(crop_example(bank, example.target[at], judged[at], corner, self.crop_px))
        return prepared

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Those of the fusion."""
        del generator
        return self.fusion.losses(example)

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Make up the masked frames of ``keep``; with an open shutter, as the mean of moments."""
        wanted = self.wanted(methods)
        clock = Clock.of(example)
        low, high = value_range(clock.frames) if len(clock.frames) else (0.0, 1.0)
        frames = {name: example.input[keep.start : keep.stop].cpu().float().clone() for name in wanted}
        sure = {name: torch.ones_like(example.mask[keep.start : keep.stop]).cpu().float() for name in wanted}
        for place, number in enumerate(keep):
            hole = example.mask[number].cpu() > 0
            if not hole.any():
                continue
            moments = clock.moments(number, self.shutter_moments)
            made = [self._moment(clock, moment, wanted) for moment in moments]
            for name in wanted:
                picture = torch.stack([each[name][0] for each in made]).mean(0).clamp(low, high)
                certainty = torch.stack([each[name][1] for each in made]).mean(0)
                frames[name][place] = torch.where(hole, picture, frames[name][place])
                sure[name][place] = torch.where(hole, certainty.clamp(0, 1), 1.0)
        return {name: Restored(frames[name], sure[name]) for name in wanted}

    def _moment(self, clock: Clock, time: float, methods: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Picture ``3 h w`` and certainty ``1 h w`` of a moment by each method."""
        if not clock.between(time):
            held = rearrange(torch.from_numpy(clock.nearest(time)), "h w c -> c h w")
            certainty = torch.full_like(held[:1], float(clock.has(time)))
            return {name: (held, certainty) for name in methods}
        around = clock.surroundings(time)
        results: dict[str, tuple[Tensor, Tensor]] = {}
        for name in methods:
            if name in BASELINES:
                picture = rearrange(torch.from_numpy(BASELINES[name](around, time)), "h w c -> c h w")
                results[name] = (picture, torch.full_like(picture[:1], 0.5))
        if learned := [name for name in methods if name not in BASELINES]:
            device = self.fusion.log_temperature.device
            weighed = self.fusion({k: v[None].to(device) for k, v in bank_of(around, time, half=False).items()})
            for name in learned:
                picture = weighed.prior if name == "prior" else weighed.final
                results[name] = (picture[0].cpu(), weighed.certainty[0].cpu())
        return results


def bank_of(around: Surroundings, time: float, *, half: bool = True) -> dict[str, Tensor]:
    """The candidates ``n 3 h w`` of a moment, of each hypothesis the side before and the side after.

    With ``valid``, ``weight`` (nearness in time, less where the other side does not see the pixel), ``error`` (how
    far the two sides are apart, pooled) and ``gap`` (the same, not pooled), all ``n 1 h w``; ``words`` and ``bias`` say
    which hypothesis it is.
    """
    share = around.share(time)
    first, second = around.sides
    pictures: list[Plane] = []
    planes: dict[str, list[Plane]] = {"valid": [], "weight": [], "error": [], "gap": []}
    words: list[list[float]] = []
    bias: list[float] = []
    readings = around.readings(share)
    for kind in KINDS:
        if kind == "still":
            sides, insides = (first, second), (np.ones(first.shape[:2], bool),) * 2
            seen = tuple(np.ones(first.shape[:2], np.float32) for _ in range(2))
        else:
            flows = readings[kind].before, readings[kind].after
            sides = around.read(first, flows[0], cubic=True), around.read(second, flows[1], cubic=True)
            insides = around.inside(flows[0]), around.inside(flows[1])
            seen = tuple(
                around.read(side.astype(np.float32), flow)
                for side, flow in zip((around.seen_after, around.seen_before), flows, strict=True)
            )
        gap = channel_mean(np.abs(sides[0] - sides[1]))
        error = np.asarray(cv2.GaussianBlur(gap, (0, 0), _POOL_SIGMA_PX), np.float32)
        neither = ~(insides[0] | insides[1])
        for index, nearness in enumerate((1.0 - share, share)):
            pictures.append(sides[index])
            planes["valid"].append((insides[index] | neither).astype(np.float32))
            planes["weight"].append((nearness * (0.1 + np.clip(seen[index], 0, 1)) + 1e-3).astype(np.float32))
            planes["error"].append(error)
            planes["gap"].append(gap)
            one_hot = [float(kind == other) for other in KINDS]
            words.append([*one_hot, nearness, float(np.log2(1.0 + around.length)) / 4.0])
            bias.append(_BIAS[kind])
    dtype = torch.float16 if half else torch.float32
    return {
        "candidates": rearrange(torch.from_numpy(np.stack(pictures)), "n h w c -> n c h w").to(dtype),
        **{name: torch.from_numpy(np.stack(values))[:, None].to(dtype) for name, values in planes.items()},
        "words": torch.tensor(words),
        "bias": torch.tensor(bias),
    }
