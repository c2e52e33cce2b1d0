"""What fusion of candidates comes to, and fusion of large frames, at which the networks look on a smaller raster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.functional.freed_memory import give_back_freed_memory
from interpositive.mini_models.bank_tensors import add_lent, bank_tensors, picture_tensor, plane_tensor
from interpositive.mini_models.candidate_bank import LOOKED_AT_PX, NUM_SPATIAL, BankBuilder
from interpositive.mini_models.hole_fills import Chosen
from interpositive.mini_models.kept_plate import Beside, Kept
from interpositive.mini_models.large_bank import LargeBank, build_large
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.reading import read_at

_NETWORK_ROWS = 270
"""Networks learn on proxies of some 200 rows; on a raster several times as large they see little of what they know."""

_STEP_PX = 16
"""Tiles' sides are multiples of it: oneDNN writes code for each size that it meets, and keeps it (80 MiB for 240)."""
_TILE_PX = 128
_FOLDED_PX = 8
"""What networks fold together begins at multiples of it, so that a pixel is the same wherever its tile begins."""
GIVEN_BACK_BYTES = 32 << 20
"""Of banks, before what they took is given back: left to a large frame's end it comes to half a GiB a thread."""
_AT_ONCE = 4
"""OpenCV reads pictures of up to four channels."""


@dataclass(frozen=True)
class Fused:
    """Where fusion stands: the prior's picture, the learned choice, that corrected, and the final estimate with what is
    kept of the plate (all ``b 3 h w``).

    ``certainty`` is of the prior and of what is ``filled``; ``kept`` (``b 1 h w``) is the plate's share in the last.
    ``weight`` and ``prior_weight`` (``b n 1 h w``) are what each candidate has of choice and prior; ``score``
    (``b n 1 h w``) and ``residual`` (``b 3 h w``) are what the networks say. The plate was
    judged by what is known ``beside`` it.
    """

    prior: Tensor
    fused: Tensor
    filled: Tensor
    final: Tensor
    certainty: Tensor
    kept: Kept
    weight: Tensor
    prior_weight: Tensor
    score: Tensor
    residual: Tensor
    beside: Beside


Fuse = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Fused]


def network_factor(height: int) -> int:
    """How many times smaller the raster is that networks see frames of so many rows on."""
    return max(1, round(height / _NETWORK_ROWS))


class FusedPixels(NamedTuple):
    """What fusion comes to at pixels of a region of a large frame, ``which`` (``m``) of the region's.

    ``prior`` and ``final`` are ``m 3``, ``certainty`` is ``m``, ``prior_weight`` and ``weight`` of each candidate
    ``n m``.
    """

    which: NDArray[np.int64]
    prior: Tensor
    final: Tensor
    certainty: Tensor
    prior_weight: Tensor
    weight: Tensor


@dataclass(frozen=True)
class LargeFusion:
    """Fusion of large frames: candidates are weighed at their own size by what networks say on a smaller raster.

    Their scores and the residual are enlarged. ``fuse``, ``prior_weight`` of errors and where candidates are valid, and
    ``weight`` of these and scores are those of frames that networks see as they are, none of whose plate is looked at;
    ``device`` is where the networks are.
    """

    fuse: Fuse
    prior_weight: Callable[[Tensor, Tensor], Tensor]
    weight: Callable[[Tensor, Tensor, Tensor], Tensor]
    device: torch.device

    def choose(
        self,
        builder: BankBuilder,
        frame: int,
        raster: MotionRaster,
        chosen: Mapping[str, Chosen],
        never_seen: NDArray[np.bool_],
    ) -> None:
        """Fuse a frame's candidates by each method, and note which pixels of its hole none shows (``h w``).

        They are seen on a ``raster``.
        """
        pixels, freed = builder.motion.pixels(frame), 0
        for bank in build_large(builder, frame, raster):
            places = pixels.ys[bank.at.which], pixels.xs[bank.at.which]
            never_seen[places] = ~bank.valid[NUM_SPATIAL:].any(0)
            for found in self.of_region(bank):
                at = bank.at.which[found.which]
                for name, one in chosen.items():
                    is_prior = name == "prior"
                    one.picture[at], one.sure[at] = found.prior if is_prior else found.final, found.certainty
                    add_lent(one.lent, bank.seen.lent, found.prior_weight if is_prior else found.weight)
            freed += bank.seen.pictures.nbytes + bank.copied.nbytes
            if freed > GIVEN_BACK_BYTES:
                give_back_freed_memory()
                freed = 0

    def of_region(self, bank: LargeBank) -> Iterator[FusedPixels]:
        """The pixels of a region, tile by tile."""
        at, todo = bank.at, np.ones(len(bank.at.x), bool)
        rows, columns = at.region.box
        # The pixel of the smaller raster that each lies in.
        row, column = (np.rint(each).astype(np.int64) for each in (at.y, at.x))
        for tile in at.region.tiles(bank.hole, _TILE_PX):
            down, across = at.region.within(tile.core)
            inside = (row >= down.start) & (row < down.stop) & (column >= across.start) & (column < across.stop)
            which = np.flatnonzero(inside & todo)
            if len(which):
                todo[which] = False
                box = at.region.within(tile.around_core(LOOKED_AT_PX, _FOLDED_PX))
                yield self._at_pixels(bank, box, which)
        assert not todo.any(), f"{todo.sum()} pixels of a region at {rows}, {columns} are in no tile of it"

    def _at_pixels(self, bank: LargeBank, box: tuple[slice, slice], which: NDArray[np.int64]) -> FusedPixels:
        device, part = self.device, bank.seen.part(box)
        told = {
            **bank_tensors(part, half=False),
            "plate": picture_tensor(bank.plate[box])[0],
            "thin": torch.zeros_like(plane_tensor(bank.hole[bank.at.region.box][box])),
        }
        condition = {
            name: _padded(value[None].float() if value.ndim > 2 else value[None]) for name, value in told.items()
        }
        condition = {name: value.to(device) for name, value in condition.items()}
        prefill, hole = (
            _padded(picture_tensor(bank.prefilled[box])),
            _padded(plane_tensor(bank.hole[bank.at.region.box][box])[None]),
        )
        seen = self.fuse(prefill.to(device), hole.to(device), condition)
        num = len(part.kinds)
        planes = torch.cat(
            (
                seen.score[0, :, 0],
                seen.residual[0],
                seen.certainty[0],
            )
        )
        x, y = bank.at.x[which] - np.float32(box[1].start), bank.at.y[which] - np.float32(box[0].start)
        size = bank.plate[box].shape
        enlarged = _between(planes[:, : size[0], : size[1]].cpu().numpy(), x, y)
        score, residual, certainty = torch.split(torch.from_numpy(enlarged), [num, 3, 1])
        candidates = rearrange(torch.from_numpy(bank.copied[:, which]), "n m c -> n c m")
        valid, error = (torch.from_numpy(each[:, which]).float()[None, :, None] for each in (bank.valid, bank.error))
        given = error.to(device), valid.to(device)
        of_prior = self.prior_weight(*given).cpu()[0]
        of_choice = self.weight(*given, score[None, :, None].to(device)).cpu()[0]
        final = (of_choice * candidates).sum(0) + residual
        prior = (of_prior * candidates).sum(0)
        return FusedPixels(which, prior.T, final.T, certainty[0], of_prior[:, 0], of_choice[:, 0])


def _padded(planes: Tensor) -> Tensor:
    """Planes ``... h w`` whose last pixels go on downward and right, whole steps high and wide."""
    if planes.ndim < 4:
        return planes
    down, right = (-side % _STEP_PX for side in planes.shape[-2:])
    if not (down or right):
        return planes
    flat = F.pad(planes.reshape(-1, 1, *planes.shape[-2:]), (0, right, 0, down), mode="replicate")
    return flat.reshape(*planes.shape[:-2], *flat.shape[-2:])


def _between(planes: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """What planes ``c h w`` have at points ``m``, ``c m``, linear between pixels."""
    shape = (planes.shape[1], planes.shape[2])
    some = (planes[first : first + _AT_ONCE] for first in range(0, len(planes), _AT_ONCE))
    read = [
        read_at(np.ascontiguousarray(rearrange(each, "c h w -> h w c")), x, y, shape).reshape(len(x), -1)
        for each in some
    ]
    return np.ascontiguousarray(np.concatenate(read, 1).T)
