"""Framing fill: beyond the frame's border, what the camera saw before and after; made up only where it never looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.candidate_bank import lent_frames_of
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.mini_models.evidence_fusion import EvidenceFusion, Shares, crop_corners, crop_example, turned
from interpositive.motion.beyond_borders import BorderMotion, edge_extended, smoothly_filled
from interpositive.motion.spatial_fill import telea_fill
from interpositive.motion.window_motion import Boolean, Plane, channel_mean, value_range
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack

_KINDS = ("edge", "smooth", "camera")
_NUM_WORDS = len(_KINDS) + 2
_BIAS = {"edge": -7.0, "smooth": -4.0, "camera": 0.0}
_ERROR_WHERE_UNKNOWN = 0.1
_FARNESS = 1.5
_SOFTNESS = 30.0
_MOST_HIDDEN = 0.4
_TILE_ROWS, _TILE_MARGIN = 256, 48
_LENT_SHARE, _FAR_ENOUGH = 0.5, 4
"""In how many examples a frame that is that far off lends what lies beyond the border."""
_BOUNDS: Bounds = {
    "offsets": (1, 1000),
    "scorer_width": (1, 1024),
    "residual_widths": (1, 1024),
    "crop_px": (8, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
    "temperature": (1e-6, 1e6),
}


class View(NamedTuple):
    """A frame as another's camera would see it, ``h w 3``; where it is known, 0 or 1; and how far off it is in time.

    ``lent`` is its number among the frames of other takes; None for one of the shot's own.
    """

    picture: Plane
    seen: Plane
    offset: int
    lent: int | None = None


Brought = list[View]


@dataclass(frozen=True)
class _Filled:
    """A frame by one method: picture ``3 h w``, certainty ``1 h w``, and what share each lent frame gave, ``m h w``."""

    picture: Tensor
    certainty: Tensor
    lent: Tensor | None = None


class FramingFill(MiniModel):
    """Fusion of frames ``offsets`` before and after, and of what other takes lend, brought by the camera's motion.

    ``crop_px``, ``crops_per_frame`` and ``frames_per_window`` shape what training draws. In half of that a frame lends
    as another take may: learned without, the choice leaves what is lent.
    """

    trained_method = "trained"
    supplies: ClassVar[frozenset[Lack]] = frozenset({"borders"})

    def __init__(
        self,
        *,
        offsets: Sequence[int] = (1, 2, 4, 8, 12, 16, 24),
        scorer_width: int = 16,
        residual_widths: Sequence[int] = (24, 48, 64),
        crop_px: int = 72,
        crops_per_frame: int = 3,
        frames_per_window: int = 4,
        temperature: float = 0.02,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if crop_px % 8:
            raise ConfigError("mini_model.crop_px is a multiple of 8", found=crop_px)
        self.offsets = tuple(int(offset) for offset in offsets)
        self.reach_frames = max(self.offsets)
        self.methods = (*BASELINES, "prior", self.trained_method)
        self.crop_px, self.crops_per_frame, self.frames_per_window = crop_px, crops_per_frame, frames_per_window
        self.fusion = EvidenceFusion(_NUM_WORDS, scorer_width, residual_widths, temperature, (0, 1))

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops of what was cropped off a few frames, each with all its candidates."""
        assert example.target is not None
        judged = example.condition.get("judged", example.mask)
        motion = _motion_of(example)
        whole = rearrange(example.target.float(), "t c h w -> t h w c").numpy()
        untrue = ((example.mask > 0) & (judged == 0))[:, 0].numpy()
        wanted = [t for t in range(len(judged)) if judged[t].any()]
        order = torch.randperm(len(wanted), generator=generator).tolist()
        prepared: list[Example] = []
        for frame in sorted(wanted[i] for i in order[: self.frames_per_window]):
            views = self._views(motion, frame)
            far = [source for source in range(len(whole)) if abs(source - frame) >= _FAR_ENOUGH]
            draws = torch.rand(2, generator=generator).tolist()
            if far and draws[0] < _LENT_SHARE:
                # As a wider take of the set-up would: a frame of the window that has its border.
                source = far[int(draws[1] * len(far))]
                shown = motion.brought_whole(frame, source, whole[source], untrue[source])
                views.append(_levelled(motion, frame, *shown, self.reach_frames, 0))
            bank = self._bank(motion, frame, views, half=True, num_lent=1)
            for corner in crop_corners(judged[frame, 0] + 1e-6, self.crop_px, self.crops_per_frame, generator):
                at = slice(frame, frame + 1)
                prepared.append(crop_example(bank, example.target[at], judged[at], corner, self.crop_px))
        return prepared

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Those of the fusion, on crops in any of eight attitudes: few windows have few borders."""
        return self.fusion.losses(turned(example, generator))

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Fill what is masked of the frames ``keep``; all methods share the camera's motion."""
        wanted = self.wanted(methods)
        fills: dict[str, dict[int, tuple[Tensor, Tensor]]] = {name: {} for name in wanted}
        seen = torch.zeros(len(keep), dtype=torch.int64)
        lent = {name: torch.zeros(len(keep), len(example.condition.get("lent_frames", ()))) for name in wanted}
        if (example.mask[keep.start : keep.stop] > 0).any():
            motion = _motion_of(example)
            low, high = value_range(motion.frames)
            for place, number in enumerate(keep):
                hole = torch.from_numpy(motion.holes[number])
                if not hole.any():
                    continue
                views = self._views(motion, number)
                shown = np.logical_or.reduce([view.seen > 0 for view in views]) if views else ~motion.holes[number]
                seen[place] = int((motion.holes[number] & shown).sum())
                for name, filled in self._frame(motion, number, views, wanted).items():
                    fills[name][place] = filled.picture[:, hole].clamp(low, high), filled.certainty[:, hole].clamp(0, 1)
                    if filled.lent is not None:
                        lent[name][place] = (filled.lent * hole).sum((1, 2))

        def whole(name: str) -> Restored:
            frames = example.input[keep.start : keep.stop].cpu().float().clone()
            sure = torch.ones_like(example.mask[keep.start : keep.stop]).cpu().float()
            for place, (fill, certainty) in fills[name].items():
                hole = example.mask[keep[place], 0].cpu() > 0
                frames[place][:, hole], sure[place][:, hole] = fill, certainty
            if name in BASELINES:
                return Restored(frames, sure)
            return Restored(frames, sure, seen=seen, lent=lent[name] if lent[name].shape[1] else None)

        return MadeWhenAsked({name: partial(whole, name) for name in wanted})

    def _frame(self, motion: BorderMotion, number: int, views: Brought, methods: Sequence[str]) -> dict[str, _Filled]:
        results: dict[str, _Filled] = {}
        for name in methods:
            if name in BASELINES:
                picture = rearrange(torch.from_numpy(BASELINES[name](motion, number, views)), "h w c -> c h w")
                results[name] = _Filled(picture, torch.full_like(picture[:1], 0.5))
        if learned := [name for name in methods if name not in BASELINES]:
            lending = [view.lent for view in views if view.lent is not None]
            found = self._fused(self._bank(motion, number, views, half=False), len(lending))
            for name in learned:
                is_prior = name == "prior"
                given = None
                if motion.lent is not None:
                    given = torch.zeros(len(motion.lent.frames), *motion.holes[number].shape)
                    given[lending] = (found.of_prior if is_prior else found.of_learned)[0, :, 0]
                picture = found.prior if is_prior else found.fused + found.residual
                results[name] = _Filled(picture[0], found.certainty[0], given)
        return results

    def _fused(self, bank: Mapping[str, Tensor], num_lent: int = 0) -> Shares:
        """Fuse a frame by bands of rows, so that a tall raster needs no more memory than a low one.

        Of the shares, only those of the last ``num_lent`` candidates are kept.
        """
        device = self.fusion.log_temperature.device
        height = bank["candidates"].shape[-2]
        bands = []
        for top in range(0, height, _TILE_ROWS):
            # Whole cells of the network's coarsest level, so that bands meet without a seam.
            first, last = max(0, top - _TILE_MARGIN), min(height, top + _TILE_ROWS + _TILE_MARGIN)
            band = {k: (v[..., first:last, :] if v.ndim > 2 else v)[None].to(device) for k, v in bank.items()}
            found = self.fusion.weigh(band)
            rows = slice(top - first, min(height, top + _TILE_ROWS) - first)
            lent = (share[:, share.shape[1] - num_lent :] for share in (found.of_prior, found.of_learned))
            parts = *lent, found.prior, found.fused, found.residual, found.certainty
            bands.append([part[..., rows, :].cpu() for part in parts])
        return Shares(*(torch.cat(rows_of, -2) for rows_of in zip(*bands, strict=True)))

    def _views(self, motion: BorderMotion, frame: int) -> Brought:
        """Every frame that is there, brought over and level-matched; those that other takes lend come last."""
        views: Brought = []
        for offset in self.offsets:
            for source in (frame - offset, frame + offset):
                if 0 <= source < len(motion.frames):
                    views.append(_levelled(motion, frame, *motion.brought(frame, source), offset))
        for number, (picture, seen) in motion.lent_to(frame).items():
            views.append(_levelled(motion, frame, picture, seen, self.reach_frames, number))
        return views

    def _bank(
        self, motion: BorderMotion, frame: int, views: Brought, *, half: bool, num_lent: int = 0
    ) -> dict[str, Tensor]:
        """The candidates of a frame, padded with invalid ones to a fixed number; see :class:`EvidenceFusion`.

        There is room for ``num_lent`` that are lent, or for as many as there are.
        """
        target, hole = motion.frames[frame], motion.holes[frame]
        # One number for all frames, so that examples make a batch.
        num = 2 + 2 * len(self.offsets) + max(num_lent, sum(view.lent is not None for view in views))
        shape = hole.shape
        own = [view for view in views if view.lent is None]
        last = num - (len(views) - len(own))
        expected = expected_error(target, hole)
        candidates = np.broadcast_to(target, (num, *shape, 3)).copy()
        valid, error = np.zeros((num, *shape), np.float32), np.full((num, *shape), _ERROR_WHERE_UNKNOWN, np.float32)
        gap, weight = np.zeros((num, *shape), np.float32), np.full((num, *shape), 1e-3, np.float32)
        valid[:2], weight[:2], error[:2] = 1.0, 1.0, expected
        words, bias = np.zeros((num, _NUM_WORDS), np.float32), np.full(num, _BIAS["camera"], np.float32)
        bias[0], bias[1] = _BIAS["edge"], _BIAS["smooth"]
        words[0, 0] = words[1, 1] = 1.0
        # What is still unknown is filled from all that fits better than that would, so that it joins it without a step.
        gathered, found = target.copy(), ~hole
        for index, (picture, seen, offset, _) in [*enumerate(own, 2), *enumerate(views[len(own) :], last)]:
            candidates[index], valid[index] = np.where(seen[..., None] > 0, picture, target), seen
            error[index], overall = _misfit(picture, seen, target, hole)
            weight[index] = float((1.0 + offset) ** -_FARNESS)
            words[index, 2:] = 1.0, float(np.log2(1.0 + offset)) / 4.0, 10.0 * overall
            newly = (seen > 0) & ~found & (error[index] < expected)
            gathered[newly] = picture[newly]
            found |= newly
        candidates[1] = np.where(found[..., None], gathered, made_up(gathered, found))
        dtype = torch.float16 if half else torch.float32
        planes = {"valid": valid, "error": error, "gap": gap, "weight": weight}
        return {
            "candidates": rearrange(torch.from_numpy(candidates), "n h w c -> n c h w").to(dtype),
            **{name: torch.from_numpy(plane)[:, None].to(dtype) for name, plane in planes.items()},
            "words": torch.from_numpy(words),
            "bias": torch.from_numpy(bias),
        }


def made_up(picture: Plane, known: Boolean) -> Plane:
    """A picture ``h w 3`` whose unknown pixels are guessed from what is known."""
    extended = edge_extended(picture, ~known)
    softened = np.asarray(cv2.GaussianBlur(extended, (0, 0), known.shape[0] / _SOFTNESS), np.float32)
    # Averages far out and smears near the border miss in different places.
    guessed: Plane = np.where(known[..., None], picture, 0.5 * (softened + smoothly_filled(picture, known)))
    return guessed


def expected_error(picture: Plane, hole: Boolean) -> Plane:
    """How far from the truth, ``h w``, is what would be made up in a hole: more the deeper, up to a mean.

    That is measured on the picture itself, of which as much is hidden along the hole as that is deep.
    """
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    within = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    kept = within > min(float(depth.max()), _MOST_HIDDEN * float(within.max()))
    hidden = ~(hole | kept)
    if not (hidden.any() and kept.any()):
        return np.full(hole.shape, _ERROR_WHERE_UNKNOWN, np.float32)
    mean = channel_mean(np.abs(made_up(picture, kept) - picture))[hidden].mean()
    mean_depth = cv2.distanceTransform((~kept).astype(np.uint8), cv2.DIST_L2, 5)[hidden].mean()
    # Pictures differ by the root of the distance, as long as that is small.
    return np.asarray(mean * np.sqrt(np.minimum(1.0, depth / mean_depth)), np.float32)


def _misfit(picture: Plane, seen: Plane, target: Plane, hole: Boolean) -> tuple[Plane, float]:
    """How badly a view fits what a frame shows itself: ``h w``, and its mean over the frame."""
    overlap = seen * ~hole
    miss = channel_mean(np.abs(picture - target)) * overlap
    # How it fits beside the border tells little further out; there its mean over the frame stands in.
    support = cv2.GaussianBlur(overlap, (0, 0), hole.shape[0] / 20.0)
    overall = float(miss.sum() / max(1.0, float(overlap.sum()))) if overlap.any() else _ERROR_WHERE_UNKNOWN
    pooled = (cv2.GaussianBlur(miss, (0, 0), hole.shape[0] / 20.0) + 0.05 * overall) / (support + 0.05)
    return np.asarray(pooled, np.float32), overall


def _levelled(
    motion: BorderMotion, frame: int, picture: Plane, seen: Boolean, offset: int, lent: int | None = None
) -> View:
    """A view of a frame at the level of what that frame shows itself."""
    overlap = seen & ~motion.holes[frame]
    if overlap.sum() > 256:
        picture = picture + np.clip((motion.frames[frame] - picture)[overlap].mean(0), -0.08, 0.08)
    return View(picture.astype(np.float32), seen.astype(np.float32), offset, lent)


def edge(motion: BorderMotion, frame: int, views: Brought) -> Plane:
    """The nearest known pixel."""
    del views
    extended: Plane = motion.frames[frame]
    return extended


def telea(motion: BorderMotion, frame: int, views: Brought) -> Plane:
    """Each frame by itself (Telea, 2004)."""
    del views
    return telea_fill(motion.frames[frame], motion.holes[frame])


def camera_median(motion: BorderMotion, frame: int, views: Brought) -> Plane:
    """The median of all frames that the camera's motion brings; the nearest known pixel where none shows it."""
    if not views:
        return edge(motion, frame, views)
    stacked = np.stack([np.where(view.seen[..., None] > 0, view.picture, np.nan) for view in views])
    shown = np.logical_or.reduce([view.seen > 0 for view in views])
    stacked[:, ~shown] = motion.frames[frame][~shown]
    return np.asarray(np.nanmedian(stacked, axis=0), np.float32)


BASELINES: dict[str, Callable[[BorderMotion, int, Brought], Plane]] = {
    "edge": edge,
    "telea": telea,
    "camera_median": camera_median,
}


def _motion_of(example: Example) -> BorderMotion:
    frames = rearrange(example.input.detach().cpu().float(), "t c h w -> t h w c").numpy()
    return BorderMotion(np.ascontiguousarray(frames), example.mask[:, 0].cpu().numpy() > 0, lent_frames_of(example))
