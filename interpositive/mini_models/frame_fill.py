"""Frame fill: whole frames from both sides, chosen among what several motions bring, with a small correction.

Each motion hypothesis reads the frame from the side before and from the side after; where the two agree it is
believed. The untrained model is that *prior*. Training, on frames left out of the production's own takes, learns which
hypothesis and which side to believe, and a small residual. Where both sides would show, a long gap shows the nearer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.mini_models.evidence_fusion import EvidenceFusion, crop_corners, crop_example
from interpositive.mini_models.frame_baselines import BASELINES
from interpositive.mini_models.frame_clock import Clock, picture_of
from interpositive.motion.in_between import HYPOTHESES, Surroundings, inside, read
from interpositive.motion.window_motion import Plane, channel_mean
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack

KINDS = (*HYPOTHESES, "still", "further")
_NUM_WORDS = len(KINDS) + 2
_BENT = (2, 3)
_BIAS = {"steady": 0.0, "bent": 4.0, "mixed": 2.0, "camera": -2.0, "still": -4.0, "further": 3.0}
_POOL_SIGMA_PX = 2.0
_SHORT_GAP, _LONG_GAP = 3.0, 9.0
_GRAIN_SIGMA_PX = 1.5
_TWO_PICTURES = (0.04, 0.08)
_ABOUT = 0.028
_TURNED = 4.0
_BOUNDS: Bounds = {
    "reach_frames": (2, 1000),
    "scorer_width": (1, 1024),
    "residual_widths": (1, 1024),
    "crop_px": (8, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
    "temperature": (1e-6, 1e6),
    "shutter_moments": (2, 64),
    "motion_rows": (32, 100_000),
}


class FrameFill(MiniModel):
    """Fusion of two-sided motion hypotheses.

    ``reach_frames`` on either side must span the longest gap. ``crop_px``, ``crops_per_frame`` and
    ``frames_per_window`` shape what training draws. An open shutter is the mean of ``shutter_moments``.
    In frames of more than ``motion_rows`` motion is found, and candidates are weighed, at that height; pixels are
    copied at the frames' own.
    """

    trained_method = "trained"
    reads_codes = True
    supplies: ClassVar[frozenset[Lack]] = frozenset({"frames"})
    # They mix both sides wherever these differ: where motion is too fast to be found, ghosts have the better PSNR.
    only_compared: ClassVar[frozenset[str]] = frozenset({"blend", "dis_interpolation"})

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
        motion_rows: int = 360,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if crop_px % 8:
            raise ConfigError("mini_model.crop_px is a multiple of 8", found=crop_px)
        self.reach_frames = reach_frames
        self.methods = (*BASELINES, "prior", self.trained_method)
        self.crop_px, self.crops_per_frame, self.frames_per_window = crop_px, crops_per_frame, frames_per_window
        self.shutter_moments, self.motion_rows = shutter_moments, motion_rows
        self.fusion = EvidenceFusion(_NUM_WORDS, scorer_width, residual_widths, temperature, _BENT)

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops of a few frames that were left out, where most moves, each with all its candidates."""
        assert example.target is not None
        judged = example.condition.get("judged", example.mask)
        clock = Clock.of(example, self.motion_rows)
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
        clock = Clock.of(example, self.motion_rows)
        made: dict[str, dict[int, tuple[Tensor, Tensor]]] = {name: {} for name in wanted}
        for place, number in enumerate(keep):
            if not (example.mask[number] > 0).any():
                continue
            moments = clock.moments(number, self.shutter_moments)
            sums: dict[str, tuple[Tensor, Tensor]] = {}
            for moment in moments:
                for name, (picture, certainty) in self._moment(clock, moment, wanted).items():
                    if name in sums:
                        sums[name][0].add_(picture)
                        sums[name][1].add_(certainty)
                    else:
                        sums[name] = picture, certainty
            for name, (picture, certainty) in sums.items():
                made[name][place] = picture.div_(len(moments)), certainty.div_(len(moments))

        def whole(name: str) -> Restored:
            kept = slice(keep.start, keep.stop)
            frames = torch.stack([_tensor(picture_of(frame)) for frame in example.input[kept]])
            sure = torch.ones_like(example.mask[kept], device="cpu", dtype=torch.float32)
            for place, (picture, certainty) in made[name].items():
                hole = example.mask[keep[place]].cpu() > 0
                frames[place] = torch.where(hole, picture, frames[place])
                sure[place] = torch.where(hole, certainty, 1.0)
            return Restored(frames, sure)

        return MadeWhenAsked({name: partial(whole, name) for name in wanted})

    def _moment(self, clock: Clock, time: float, methods: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Picture ``3 h w`` and certainty ``1 h w`` of a moment by each method, all of them new."""
        if not clock.between(time):
            held = _tensor(clock.nearest(time))
            certainty = torch.full_like(held[:1], float(clock.has(time)))
            return {name: (held.clone(), certainty.clone()) for name in methods}
        around = clock.surroundings(time)
        results: dict[str, tuple[Tensor, Tensor]] = {}
        for name in methods:
            if name in BASELINES:
                picture = _tensor(BASELINES[name](around, time))
                results[name] = (picture, torch.full_like(picture[:1], 0.5))
        if learned := [name for name in methods if name not in BASELINES]:
            results |= self._chosen(around, time, learned)
        low, high = around.value_range
        return {name: (picture.clamp_(low, high), sure.clamp_(0, 1)) for name, (picture, sure) in results.items()}

    def _chosen(self, around: Surroundings, time: float, methods: Sequence[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """What is chosen among candidates where motion was found, of pixels that are copied at the frames' own size."""
        device = self.device
        views = views_of(around, time)
        bank = bank_of(around, time, views, half=False)
        found = self.fusion.weigh({name: value[None].to(device) for name, value in bank.items()})
        small = rearrange(bank["candidates"].numpy(), "n c h w -> n h w c")
        del bank
        shares = {}
        for name in methods:
            weighed = (found.of_prior if name == "prior" else found.of_learned)[0, :, 0].cpu().numpy()
            shares[name] = of_one_side(weighed, small, around.share(time), around.length)
        certainty = around.enlarged(found.certainty[0, 0].cpu().numpy())
        pictures = {name: np.zeros_like(around.frames[0]) for name in methods}
        for index, view in enumerate(views):
            picture = view.read(around, at_size=True)
            for name in methods:
                pictures[name] += around.enlarged(shares[name][index])[..., None] * picture
        results = {}
        for name in methods:
            if name != "prior":
                residual = rearrange(found.residual[0].cpu().numpy(), "c h w -> h w c")
                pictures[name] += around.enlarged(np.ascontiguousarray(residual))
            results[name] = _tensor(pictures[name]), torch.from_numpy(certainty.copy())[None]
        return results


@dataclass(frozen=True)
class View:
    """A candidate: frame ``source`` of the surroundings read through ``flow``, as it is if that is None.

    ``there`` is whether there is such a frame; ``nearness`` is how near in time its side is, 0 to 1.
    """

    kind: str
    source: int
    flow: Plane | None
    nearness: float
    there: bool = True

    def read(self, around: Surroundings, *, at_size: bool = False) -> Plane:
        """The candidate ``h w 3`` where motion was found, or at the frames' own size."""
        frame = (around.frames if at_size else around.small)[self.source]
        if self.flow is None:
            return frame
        return read(frame, around.enlarged_flow(self.flow) if at_size else self.flow, cubic=True)


def views_of(around: Surroundings, time: float) -> list[View]:
    """The candidates of a moment: of each hypothesis the side before and the side after, and what lies beyond these."""
    share = around.share(time)
    readings = around.readings(share)
    sides = (around.before, 1.0 - share), (around.before + 1, share)
    views = []
    for kind in HYPOTHESES:
        flows = readings[kind].before, readings[kind].after
        views += [View(kind, source, flow, near) for (source, near), flow in zip(sides, flows, strict=True)]
    views += [View("still", source, None, nearness) for source, nearness in sides]
    for view, beyond in zip(views[_BENT[0] : _BENT[1] + 1], (-1, 1), strict=True):
        assert view.flow is not None
        further = view.source + beyond
        onward = around.onward(view.source, further)
        if onward is None:
            views.append(replace(view, kind="further", there=False))
        else:
            flow = np.asarray(view.flow + read(onward, view.flow), np.float32)
            views.append(replace(view, kind="further", source=further, flow=flow))
    return views


def bank_of(
    around: Surroundings, time: float, views: Sequence[View] | None = None, *, half: bool = True
) -> dict[str, Tensor]:
    """The candidates ``n 3 h w`` of a moment, at the size that motion was found at.

    With ``valid``, ``weight`` (nearness in time), ``error`` (how far the two sides are apart, or frames further out
    from the mean of these, pooled) and ``gap`` (the same, not pooled), all ``n 1 h w``; ``words`` and ``bias`` say
    which hypothesis it is.
    """
    views = views_of(around, time) if views is None else views
    pictures = [view.read(around) for view in views]
    planes: dict[str, list[Plane]] = {"valid": [], "weight": [], "error": [], "gap": []}
    words: list[list[float]] = []
    everywhere = np.ones(pictures[0].shape[:2], bool)
    first, second = _BENT
    # Were it nearer to one side, where the two differ that side's further frame would fit best, and be taken alone.
    likely = 0.5 * (pictures[first] + pictures[second])
    for index, view in enumerate(views):
        other = index ^ 1
        gap = channel_mean(np.abs(pictures[index] - (likely if view.kind == "further" else pictures[other])))
        error = np.asarray(cv2.GaussianBlur(gap, (0, 0), _POOL_SIGMA_PX), np.float32)
        within, beside = (everywhere if v.flow is None else inside(v.flow) for v in (view, views[other]))
        valid = within if view.kind == "further" else within | ~beside
        near = views[_BENT[index % 2]] if view.kind == "further" else view
        left = around.has_left(around.share(time), near.source, near.flow)
        planes["valid"].append((valid & ~left).astype(np.float32) * view.there)
        planes["weight"].append(np.full_like(gap, view.nearness + 1e-3))
        planes["error"].append(error)
        planes["gap"].append(gap)
        one_hot = [float(view.kind == kind) for kind in KINDS]
        words.append([*one_hot, view.nearness, float(np.log2(1.0 + around.length)) / 4.0])
    dtype = torch.float16 if half else torch.float32
    return {
        "candidates": rearrange(torch.from_numpy(np.stack(pictures)), "n h w c -> n c h w").to(dtype),
        **{name: torch.from_numpy(np.stack(values))[:, None].to(dtype) for name, values in planes.items()},
        "words": torch.tensor(words),
        "bias": torch.tensor([_BIAS[view.kind] for view in views]),
    }


def of_one_side(shares: Plane, candidates: Plane, share: float, length: float) -> Plane:
    """Shares ``n h w`` of candidates ``n h w 3``, turned to the side that is nearer in time where two sides show.

    Two pictures at once have the better PSNR, and look like motion blur where they are near each other in time; in a
    long gap they are ghosts. How far what is seen of the candidates spreads says where, grain aside; all about it is
    turned with it, for what moved is whole on either side.
    """
    long = float(np.clip((length - _SHORT_GAP) / (_LONG_GAP - _SHORT_GAP), 0.0, 1.0))
    if not long:
        return shares
    mean = np.einsum("nhw,nhwc->hwc", shares, candidates)
    squares = np.zeros(mean.shape[:2], np.float32)
    for taken, picture in zip(shares, candidates, strict=True):
        apart = cv2.GaussianBlur(picture - mean, (0, 0), _GRAIN_SIGMA_PX)
        squares += taken * np.square(apart).mean(-1)
    low, high = _TWO_PICTURES
    is_two = np.clip((np.sqrt(squares) - low) / (high - low), 0.0, 1.0)
    about = 2 * round(_ABOUT * len(mean)) + 1
    is_near = cv2.GaussianBlur(cv2.dilate(is_two, np.ones((about, about), np.uint8)), (0, 0), about / 3)
    turned = shares.copy()
    # Of every kind the side before comes first.
    turned[int(share <= 0.5) :: 2] *= np.exp(-_TURNED * long * is_near)
    return np.asarray(turned / turned.sum(0), np.float32)


def _tensor(picture: Plane) -> Tensor:
    """A picture ``h w 3`` as ``3 h w`` of its own."""
    return torch.from_numpy(np.ascontiguousarray(rearrange(picture, "h w c -> c h w")))
