"""A large frame's plate judged at its own size, by what was found of it on the smaller raster that networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.mini_models.bank_tensors import picture_tensor, plane_tensor
from interpositive.mini_models.candidate_bank import LOOKED_AT_PX
from interpositive.mini_models.kept_plate import KeptPlate, SeenSmaller
from interpositive.motion.hole_regions import EACH_COSTS_PX, Box, Region, hole_regions
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.window_frames import Picture

NUM_EVIDENCE = 3 + 1 + 1 + 1 + 1
"""What is filled, spread, certainty, how unlike views are, and whether there is any."""
KNOWN = (0.0, 1.0, 0.0, 1.0)
"""All but the first where the picture itself is known."""
_TILE_PX = 256
_AT_ONCE = 4
"""OpenCV reads pictures of up to four channels."""


class Judged(NamedTuple):
    """Of a frame: how much of the plate to keep (``h w``), what that shows (``h w 3``), and how surely (``h w``)."""

    kept: NDArray[np.float32]
    values: NDArray[np.float32]
    sure: NDArray[np.float32]


@dataclass(frozen=True)
class LargePlate:
    """A frame ``h w 3``, its ``hole`` and where that is ``thin`` (``h w``), and what was found on a ``raster``.

    ``evidence`` (``h w c`` there) is how the hole is bridged and what :data:`NUM_EVIDENCE` counts.
    """

    frame: Picture
    hole: NDArray[np.bool_]
    thin: NDArray[np.bool_]
    raster: MotionRaster
    evidence: NDArray[np.float32]

    @torch.no_grad()
    def judged(self, keeper: KeptPlate, device: torch.device) -> Judged:
        """What a ``keeper``, which is on a ``device``, says where the hole is thin; elsewhere nothing is kept."""
        shape = self.hole.shape
        found = Judged(np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32), np.ones(shape, np.float32))
        split = np.split(self.evidence, range(_AT_ONCE, self.evidence.shape[-1], _AT_ONCE), -1)
        planes = [np.ascontiguousarray(part) for part in split]
        for region in hole_regions(self.thin, LOOKED_AT_PX, EACH_COSTS_PX):
            for tile in region.tiles(self.thin, _TILE_PX):
                box = tile.around_core(LOOKED_AT_PX, 1)
                inner = Region(tile.core, box).within(tile.core)
                enlarged = [np.atleast_3d(self.raster.enlarged_plane(part, box)) for part in planes]
                of_box = self._judged(keeper, device, box, picture_tensor(np.concatenate(enlarged, 2)))
                for of_frame, of_tile in zip(found, of_box, strict=True):
                    of_frame[tile.core] = of_tile[inner]
        return found

    def _judged(self, keeper: KeptPlate, device: torch.device, box: Box, told: Tensor) -> Judged:
        plate, told = picture_tensor(self.frame[box]).to(device), told.to(device)
        in_hole, in_thin = (plane_tensor(area[box])[None].to(device) for area in (self.hole, self.thin))
        prefill, filled, spread, certainty, unlike, seen = torch.split(told, [3, 3, 1, 1, 1, 1], 1)
        # Of detail that the smaller raster does not have, what is known is as it is.
        prefill, filled = (torch.where(in_hole > 0, each, plate) for each in (prefill, filled))
        kept = keeper(plate, in_thin, in_hole, SeenSmaller(plate, prefill, filled, spread, certainty, unlike, seen))
        share = kept.share[0, 0]
        values = filled + kept.share * (kept.mended - filled)
        sure = certainty[0, 0] + (1.0 - certainty[0, 0]) * share
        return Judged(share.cpu().numpy(), rearrange(values[0].cpu().numpy(), "c h w -> h w c"), sure.cpu().numpy())
