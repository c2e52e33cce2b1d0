"""Framing fill: beyond the frame's border, what the camera saw before and after; made up only where it never looked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.freed_memory import give_back_freed_memory
from interpositive.functional.threads import in_turn
from interpositive.mini_models.border_bank import (
    FROM_ITSELF,
    FROM_VIEWS,
    NUM_MADE_UP,
    NUM_WORDS,
    Joined,
    View,
    border_bank,
    levelled,
    places,
)
from interpositive.mini_models.candidate_bank import lent_frames_of
from interpositive.mini_models.chosen_once import weights_digest
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.mini_models.evidence_fusion import EvidenceFusion, Shares, crop_corners, crop_example, turned
from interpositive.mini_models.fusing import network_factor
from interpositive.motion.beyond_borders import BorderMotion, edge_extended
from interpositive.motion.hole_pixels import HolePixels
from interpositive.motion.hole_regions import Box, Region, hole_regions, whole_frame
from interpositive.motion.motion_memory import BorderMemory
from interpositive.motion.window_motion import Plane
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack

_BASELINES = (*FROM_ITSELF, *FROM_VIEWS)
_BAND_ROWS, _MARGIN_PX = 256, 16
_BESIDE_PX = 2
"""What is enlarged is read between pixels, beside the hole too."""
_STEP_PX = 16
_TILE_PX = 256
_LENT_SHARE, _MOST_LENT, _FAR_ENOUGH = 0.5, 4, 4
"""In how many examples up to so many frames, all that far off, lend what lies beyond the border."""
_MOST_SWING = 2.0
"""By how much what learned may move log odds: where other takes lend it has met few of their likes."""
_BOUNDS: Bounds = {
    "offsets": (1, 1000),
    "scorer_width": (1, 1024),
    "crop_px": (8, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
    "temperature": (1e-6, 1e6),
    "motion_rows": (32, 100_000),
}


@dataclass(frozen=True)
class _Filled:
    """What a method puts into a hole, ``n 3``; how surely, ``n``; how many pixels each lent frame gave, ``m``."""

    picture: Plane
    sure: Plane
    lent: Tensor


class FramingFill(MiniModel):
    """Fusion of frames ``offsets`` before and after, and of what other takes lend, brought by the camera's motion.

    ``crop_px``, ``crops_per_frame`` and ``frames_per_window`` shape what training draws. In half of that up to four
    frames lend as other takes may: learned without, the choice leaves what is lent.
    In frames of more than ``motion_rows`` motion is found at that height, and frames of 405 rows and more are compared,
    and shown to the networks, on some 270; pixels are copied at the frames' own.
    """

    trained_method = "trained"
    reads_codes = True
    supplies: ClassVar[frozenset[Lack]] = frozenset({"borders"})

    def __init__(
        self,
        *,
        offsets: Sequence[int] = (1, 2, 4, 8, 12, 16, 24),
        scorer_width: int = 16,
        crop_px: int = 72,
        crops_per_frame: int = 3,
        frames_per_window: int = 4,
        temperature: float = 0.02,
        motion_rows: int = 432,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if crop_px % 8:
            raise ConfigError("mini_model.crop_px is a multiple of 8", found=crop_px)
        self.offsets = tuple(int(offset) for offset in offsets)
        self.reach_frames = max(self.offsets)
        self.methods = (*_BASELINES, "prior", self.trained_method)
        self.crop_px, self.crops_per_frame, self.frames_per_window = crop_px, crops_per_frame, frames_per_window
        self.motion_rows = motion_rows
        self._memory = BorderMemory()
        guesses = range(NUM_MADE_UP)
        self.fusion = EvidenceFusion(
            NUM_WORDS, scorer_width, (), temperature, (), most_swing=_MOST_SWING, made_up=guesses
        )

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops of what was cropped off a few frames, each with all its candidates."""
        assert example.target is not None
        judged = example.condition.get("judged", example.mask)
        motion = BorderMotion(*_frames_and_holes(example), lent_frames_of(example))
        whole = rearrange(example.target.float(), "t c h w -> t h w c").numpy()
        untrue = ((example.mask > 0) & (judged == 0))[:, 0].numpy()
        wanted = [t for t in range(len(judged)) if judged[t].any()]
        order = torch.randperm(len(wanted), generator=generator).tolist()
        prepared: list[Example] = []
        for frame in sorted(wanted[i] for i in order[: self.frames_per_window]):
            views = self._views(motion, frame)
            far = [source for source in range(len(whole)) if abs(source - frame) >= _FAR_ENOUGH]
            draws = torch.rand(2, generator=generator).tolist()
            if draws[0] < _LENT_SHARE:
                # As wider takes of the set-up would: frames of the window that have their borders.
                picture, hole = motion.picture(frame), motion.hole(frame)
                places_of_far = torch.randperm(len(far), generator=generator)[: 1 + int(draws[1] * _MOST_LENT)]
                for number, source in enumerate(far[place] for place in places_of_far.tolist()):
                    shown = motion.brought_whole(frame, source, whole[source], untrue[source])
                    views.append(levelled(picture, hole, shown, self.reach_frames, source, number))
            bank = self._bank(motion, frame, views, half=True, num_lent=_MOST_LENT)
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
        motion = self._motion_of(example)
        fills: dict[str, list[_Filled]] = {name: [] for name in wanted}
        seen = torch.zeros(len(keep), dtype=torch.int64)
        if any(motion.holes[number].any() for number in keep):
            motion.find_shared()
        for place, (filled, num_seen) in enumerate(in_turn(self._once(motion, wanted), keep)):
            seen[place] = num_seen
            for name in wanted:
                fills[name].append(filled[name])
            if not motion.shown.is_full:
                give_back_freed_memory()

        def whole(name: str) -> Restored:
            frames = np.empty((len(keep), 3, *motion.holes.shape[1:]), np.float32)
            sure = np.ones((len(keep), 1, *motion.holes.shape[1:]), np.float32)
            for place, (number, filled) in enumerate(zip(keep, fills[name], strict=True)):
                frames[place] = rearrange(np.asarray(motion.frames[number]), "h w c -> c h w")
                hole = motion.holes[number]
                frames[place][:, hole] = filled.picture.T.clip(*motion.value_range)
                sure[place, 0][hole] = filled.sure.clip(0.0, 1.0)
            made = torch.from_numpy(frames), torch.from_numpy(sure)
            if name in _BASELINES:
                return Restored(*made)
            lent = torch.stack([filled.lent for filled in fills[name]])
            return Restored(*made, seen=seen, lent=lent if lent.shape[1] else None)

        return MadeWhenAsked({name: partial(whole, name) for name in wanted})

    def _motion_of(self, example: Example) -> BorderMotion:
        """The motion of a window to restore, which remembers what other windows of the shot found."""
        frames, holes = _frames_and_holes(example)
        height, factor = holes.shape[1], network_factor(holes.shape[1])
        self._memory.begin_window()
        return BorderMotion(
            frames,
            holes,
            lent_frames_of(example),
            motion_rows=self.motion_rows,
            shown_rows=round(height / factor),
            memory=self._memory,
        )

    def _once(self, motion: BorderMotion, methods: Sequence[str]) -> Callable[[int], tuple[Mapping[str, _Filled], int]]:
        """:meth:`_frame`; of a large frame, to which no other take lends, what a window before found is taken again."""
        if motion.lent is not None or not motion.is_shared or motion.shown.is_full:
            return lambda number: self._frame(motion, number, methods)
        asked = weights_digest(self), tuple(methods)

        def find(number: int) -> tuple[NDArray[Any], ...]:
            found, num_seen = self._frame(motion, number, methods)
            parts = [each for name in methods for each in (found[name].picture, found[name].sure)]
            return np.array(num_seen), *parts

        def once(number: int) -> tuple[Mapping[str, _Filled], int]:
            key = *asked, motion.names_around(number, self.reach_frames), min(number, self.reach_frames)
            num_seen, *parts = self._memory.choices.of(key, lambda: find(number))
            each = zip(methods, parts[0::2], parts[1::2], strict=True)
            return {name: _Filled(picture, sure, torch.zeros(0)) for name, picture, sure in each}, int(num_seen)

        return once

    @torch.no_grad()
    def _frame(self, motion: BorderMotion, number: int, methods: Sequence[str]) -> tuple[dict[str, _Filled], int]:
        """A frame's hole by each method, and how many of its pixels any view shows; part by part."""
        hole, raster = motion.holes[number], motion.shown
        pixels, num_lent = HolePixels(hole), 0 if motion.lent is None else len(motion.lent.frames)
        num = len(pixels)
        results = {
            name: _Filled(np.zeros((num, 3), np.float32), np.full(num, 0.5, np.float32), torch.zeros(num_lent))
            for name in methods
        }
        if not num:
            return results, 0
        views, found, bank = self._views(motion, number), None, {}
        if any(name not in _BASELINES for name in methods):
            bank = self._bank(motion, number, views, half=False)
            seen_hole = motion.hole(number)
            found = self._fused(bank, _bands(hole.shape) if raster.is_full else _parts_near(seen_hole))
        extended = motion.picture(number) if raster.is_full else edge_extended(np.asarray(motion.frames[number]), hole)
        for name in set(methods) & set(FROM_ITSELF):
            pixels.take(FROM_ITSELF[name](extended, hole), results[name].picture, whole_frame(hole.shape).core)
        num_seen = 0
        parts = [whole_frame(hole.shape)] if raster.is_full else whole_frame(hole.shape).tiles(hole, _TILE_PX)
        for box in (part.core for part in parts):
            near = views if raster.is_full else [_read(motion, view, box) for view in views]
            shown = np.logical_or.reduce([view.seen > 0 for view in near]) if near else np.zeros(hole[box].shape, bool)
            num_seen += int((shown & hole[box]).sum())
            for name in set(methods) & set(FROM_VIEWS):
                pixels.take(FROM_VIEWS[name](extended[box], near), results[name].picture, box)
            if found is None:
                continue
            weighed, lending = found, [view.lent for view in views if view.lent is not None]
            if not raster.is_full:
                weighed, lending = self._weighed(motion, number, box, near, bank, found, extended)
            for name in (name for name in methods if name not in _BASELINES):
                is_prior = name == "prior"
                picture = weighed.prior if is_prior else weighed.fused
                pixels.take(rearrange(picture[0].numpy(), "c h w -> h w c"), results[name].picture, box)
                pixels.take(weighed.certainty[0, 0].numpy(), results[name].sure, box)
                share = (weighed.of_prior if is_prior else weighed.of_learned)[0, :, 0]
                given = share[len(share) - len(lending) :] * torch.from_numpy(hole[box])
                results[name].lent[lending] += given.sum((1, 2))
        return results, num_seen

    def _weighed(
        self,
        motion: BorderMotion,
        number: int,
        box: Box,
        near: Sequence[View],
        bank: Mapping[str, Tensor],
        found: Shares,
        extended: Plane,
    ) -> tuple[Shares, list[int]]:
        """Fusion of a part of a frame by what was found on a smaller raster; and which frames lend, which come last.

        Candidates are weighed and copied at their own size; how badly they fit and their scores are enlarged.
        """
        raster = motion.shown

        def enlarged(planes: Tensor) -> Plane:
            return np.stack([raster.enlarged_plane(plane.numpy(), box) for plane in planes])

        stands = [place for place, view in zip(places(near, len(bank["bias"])), near, strict=True) if view.seen.any()]
        near = [view for view in near if view.seen.any()]
        index = [*range(NUM_MADE_UP), *stands]
        error, target = enlarged(bank["error"][index, 0]), extended[box]
        joined = Joined(target, motion.holes[number][box], error[0])
        candidates, valid = np.repeat(target[None], len(index), 0), np.ones((len(index), *target.shape[:2]), np.float32)
        for place, view in enumerate(near, NUM_MADE_UP):
            joined.add(view.picture, view.seen > 0, error[place])
            candidates[place] = np.where(view.seen[..., None] > 0, view.picture, target)
            valid[place] = view.seen
        made_up = rearrange(enlarged(bank["candidates"][1]), "c h w -> h w c")
        candidates[1] = np.where(joined.found[..., None], joined.picture, made_up)
        part = {
            "candidates": rearrange(torch.from_numpy(candidates), "n h w c -> 1 n c h w"),
            "valid": torch.from_numpy(valid)[None, :, None],
            "error": torch.from_numpy(error)[None, :, None],
            "weight": bank["weight"][None, index, :, :1, :1],
            "bias": bank["bias"][None, index],
        }
        score = enlarged(found.score[0, index, 0])[None, :, None]
        given = (torch.from_numpy(each) for each in (score, enlarged(found.certainty[0])[None]))
        device = self.device
        weighed = self.fusion.weigh_scored(
            {name: value.to(device) for name, value in part.items()}, *(each.to(device) for each in given)
        )
        return weighed.to("cpu"), [view.lent for view in near if view.lent is not None]

    def _fused(self, bank: Mapping[str, Tensor], parts: Sequence[Region]) -> Shares:
        """Fuse a frame part by part, in each by what a box around it shows; 0 beyond all parts."""
        device, size = self.device, bank["candidates"].shape[-2:]
        whole: list[Tensor] = []
        for part in parts:
            seen = {k: (v[..., *part.box] if v.ndim > 2 else v)[None].to(device) for k, v in bank.items()}
            found = self.fusion.weigh(seen).parts
            whole = whole or [torch.zeros(*each.shape[:-2], *size) for each in found]
            inner = part.within(part.core)
            for each, one in zip(whole, found, strict=True):
                each[..., *part.core] = one[..., *inner].cpu()
        return Shares(*whole)

    def _views(self, motion: BorderMotion, frame: int) -> list[View]:
        """Every frame that is there, brought over and level-matched; those that other takes lend come last."""
        picture, hole = motion.picture(frame), motion.hole(frame)
        views = [
            levelled(picture, hole, motion.brought(frame, source), offset, source)
            for offset in self.offsets
            for source in (frame - offset, frame + offset)
            if 0 <= source < len(motion.frames)
        ]
        for number, seen in motion.lent_to(frame):
            views.append(levelled(picture, hole, seen, self.reach_frames, frame, number))
        return views

    def _bank(
        self, motion: BorderMotion, frame: int, views: Sequence[View], *, half: bool, num_lent: int = 0
    ) -> dict[str, Tensor]:
        picture, hole = motion.picture(frame), motion.hole(frame)
        pooled = not motion.shown.is_full
        return border_bank(picture, hole, views, 2 * len(self.offsets), num_lent, half=half, pooled=pooled)


def _bands(shape: Sequence[int]) -> list[Region]:
    """All of a raster by bands of rows, so that a tall one needs no more memory than a low one."""
    height, columns, bands = shape[0], slice(0, shape[1]), []
    for top in range(0, height, _BAND_ROWS):
        bottom = min(height, top + _BAND_ROWS)
        # As far as a score looks, so that bands meet without a seam.
        rows = slice(max(0, top - _MARGIN_PX), min(height, bottom + _MARGIN_PX))
        bands.append(Region((slice(top, bottom), columns), (rows, columns)))
    return bands


def _parts_near(hole: NDArray[np.bool_]) -> list[Region]:
    """What is near a hole ``h w`` by parts, as far as a score looks; sides are multiples of a step, where that fits."""
    beside = cv2.dilate(hole.view(np.uint8), np.ones((3, 3), np.uint8), iterations=_BESIDE_PX) > 0

    def seen(core: slice, length: int) -> slice:
        first = max(0, core.start - _MARGIN_PX) // _STEP_PX * _STEP_PX
        return slice(first, min(length, first - (first - core.stop - _MARGIN_PX) // _STEP_PX * _STEP_PX))

    parts = []
    for region in hole_regions(beside, _MARGIN_PX):
        rows, columns = (seen(core, length) for core, length in zip(region.core, hole.shape, strict=True))
        parts.append(Region(region.core, (rows, columns)))
    return parts


def _read(motion: BorderMotion, view: View, box: Box) -> View:
    """A part of a view, at the frames' own size."""
    assert view.way is not None
    picture, known = motion.read_part(view.way, box, view.source, view.lent)
    return view._replace(picture=picture + np.asarray(view.shift, np.float32), seen=known.astype(np.float32))


def _frames_and_holes(example: Example) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Frames ``t h w 3``, values or codes, and where they are masked, ``t h w``; not copied."""
    frames, masks = example.input.detach().cpu(), example.mask[:, 0].cpu()
    if frames.is_floating_point():
        frames = frames.float()
    holes = masks if masks.dtype == torch.bool else masks > 0
    return rearrange(frames.numpy(), "t c h w -> t h w c"), holes.numpy()
