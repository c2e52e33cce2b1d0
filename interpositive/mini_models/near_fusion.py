"""Fusion of frames that networks see as they are, near their holes, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from einops import rearrange

from interpositive.functional.freed_memory import give_back_freed_memory
from interpositive.mini_models.bank_tensors import add_lent, bank_tensors, picture_tensor, plane_tensor
from interpositive.mini_models.candidate_bank import LOOKED_AT_PX, NUM_SPATIAL, Bank, BankBuilder
from interpositive.mini_models.fusing import GIVEN_BACK_BYTES, Fuse, Fused
from interpositive.mini_models.hole_fills import Chosen, Picture
from interpositive.mini_models.kept_finely import KNOWN
from interpositive.mini_models.narrowing import Looked
from interpositive.motion.hole_regions import EACH_COSTS_PX, Box, Region
from interpositive.motion.window_motion import Boolean

_FOLDED_PX = 8
_TILE_PX = 128
"""No more of a hole is looked at by the networks at a time: they hold some hundred numbers for each of its pixels."""


@dataclass(frozen=True)
class NearFusion:
    """Fusion of a frame's candidates by networks ``fuse``, which are on a ``device``."""

    fuse: Fuse
    device: torch.device

    def choose(self, builder: BankBuilder, frame: int, chosen: Mapping[str, Chosen], never_seen: Boolean) -> None:
        """Fuse a frame's candidates by each method, and note which pixels of its hole none shows (``h w``)."""
        pixels, hole = builder.motion.pixels(frame), builder.motion.holes[frame]
        for core, inner, bank, found in self._tiles(builder, frame):
            for name, one in chosen.items():
                is_prior = name == "prior"
                estimate, weight = (found.prior, found.prior_weight) if is_prior else (found.final, found.weight)
                pixels.take(rearrange(estimate[0].cpu().numpy(), "c h w -> h w c")[inner], one.picture, core)
                pixels.take(found.certainty[0, 0].cpu().numpy()[inner], one.sure, core)
                add_lent(one.lent, bank.lent, weight[0, :, 0].cpu()[:, *inner] * torch.from_numpy(hole[core]))
            never_seen[core] = ~np.logical_or.reduce(bank.valid[NUM_SPATIAL:], axis=0)[inner]

    def look(self, builder: BankBuilder, frame: int, thin: Boolean) -> Looked:
        """What a frame's plate shows clean where its hole is thin (``h w``), and what that is judged by."""
        motion, pixels = builder.motion, builder.motion.pixels(frame)
        looked = Looked.nothing(len(pixels))
        # What is not looked at counts as it is.
        looked.evidence[:, :3], looked.evidence[:, 3:] = pixels.plate(motion.frames[frame], motion.everywhere), KNOWN
        for core, inner, _, found in self._tiles(builder, frame, thin):
            kept, certainty, beside = found.kept.share[0, 0], found.certainty[0, 0], found.beside
            known = (each[(..., *inner)] for each in (beside.filled, beside.spread, beside.certainty))
            evidence = torch.cat((*known, *beside.unlike_views(itemgetter((..., *inner)))), 1)[0].cpu().numpy()
            pixels.take(rearrange(evidence, "c h w -> h w c"), looked.evidence, core)
            # Not the mended plate itself: what of a wire is left in that is sharp, and flow would follow it.
            added = found.final[0].cpu()[:, *inner] - picture_tensor(motion.frames[frame][core])[0]
            pixels.take(kept.cpu().numpy()[inner], looked.kept, core)
            pixels.take(rearrange(added.numpy(), "c h w -> h w c"), looked.added, core)
            pixels.take((certainty + (1.0 - certainty) * kept).cpu().numpy()[inner], looked.sure, core)
        return looked

    def _tiles(
        self, builder: BankBuilder, frame: int, thin: Boolean | None = None
    ) -> Iterator[tuple[Box, Box, Bank, Fused]]:
        """The tiles of a frame's hole, where each lies in the bank that was fused there, that bank, and what it gave.

        The networks look at each region's core, tile by tile, and at what is near; a pixel of the hole is taken from
        one tile. Given where it is ``thin`` (``h w``), they look at the plate there, and at nothing else but what is
        near that.
        """
        motion, hole, freed = builder.motion, builder.motion.holes[frame], 0
        looked_at, wanted = (np.zeros_like(hole), hole) if thin is None else (thin, thin)
        for region, whole in builder.build_near(frame, thin):
            parts = [region] if thin is None else region.around(thin, LOOKED_AT_PX, EACH_COSTS_PX)
            for tile in (tile for part in parts for tile in part.tiles(wanted, _TILE_PX)):
                core = tile.core
                # What the network folds together is the same wherever its box begins.
                box = tile.around_core(LOOKED_AT_PX, _FOLDED_PX)
                bank = whole.part(region.within(box))
                plate = motion.frames[frame][box]
                found = self._fused(bank, motion.prefilled(frame)(box), hole[box], plate, looked_at[box])
                yield core, Region(core, box).within(core), bank, found
            freed += whole.pictures.nbytes
            del whole, bank, found
            if freed > GIVEN_BACK_BYTES:
                give_back_freed_memory()
                freed = 0

    def _fused(self, bank: Bank, prefill: Picture, hole: Boolean, plate: Picture, thin: Boolean) -> Fused:
        told = {**bank_tensors(bank, half=False), "plate": picture_tensor(plate)[0], "thin": plane_tensor(thin)}
        condition = {name: value[None].to(self.device) for name, value in told.items()}
        return self.fuse(picture_tensor(prefill).to(self.device), plane_tensor(hole)[None].to(self.device), condition)
