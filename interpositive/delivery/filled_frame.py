"""A frame whose hole is filled, and what is given out of it: grain, and pixels outside the mask as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from interpositive.delivery.expecting import busyness
from interpositive.functional.grain import Grain, match_grain
from interpositive.media.colour_management import BRIGHTEST
from interpositive.media.contract import Frames, code_range
from interpositive.media.plate_colour import AS_STORED, PlateColour


@dataclass(frozen=True)
class RestoredFrame:
    """One frame of a shot: plate and results as codes ``h w 3``, mask ``h w`` in [0, 1], confidence ``h w``.

    ``busy`` is :func:`~interpositive.delivery.expecting.busyness`. ``lent`` says how many pixels of the first method's
    result came from which frame of which other take, ``seen`` how many of the hole's any frame shows, None where
    nobody looked. ``grain`` is how strong the fill's grain was and is, against the plate's; None where it was
    left as it was.
    """

    number: int
    plate: Frames
    mask: NDArray[np.float32]
    results: Mapping[str, Frames]
    confidence: NDArray[np.float32]
    busy: NDArray[np.float32]
    lent: Mapping[tuple[int, int], float] = field(default_factory=dict)
    seen: int | None = None
    grain: tuple[float, float] | None = None


class FilledFrame(NamedTuple):
    """A frame whose hole is filled by methods, before grain; the first method's confidence is ``sure``, ``1 h w``."""

    number: int
    codes: Frames
    mask: NDArray[np.float32]
    values: Tensor
    filled: dict[str, Tensor]
    grain: Grain | None
    seed: int
    sure: Tensor
    lent: Mapping[tuple[int, int], float]
    seen: int | None

    def finished(self, colour: PlateColour) -> RestoredFrame:
        """The frame as it is given out."""
        filled, hole, matched = dict(self.filled), self.mask > 0, None
        if self.grain is not None and hole.any():
            first, plate = next(iter(filled)), as_picture(self.values)
            fill = plate.copy()
            fill[hole] = filled[first].T.numpy()
            matched = match_grain(fill, hole, self.grain, self.seed, plate)
            if matched is not None:
                filled[first] = torch.from_numpy(matched.picture[hole].T)
        busy = np.zeros_like(self.mask)
        if hole.any():
            busy = busyness(self.values, torch.from_numpy(self.mask)[None, None])[0, 0].numpy()
        return RestoredFrame(
            self.number,
            self.codes,
            self.mask,
            {method: composite(self.codes, fill, self.mask, colour) for method, fill in filled.items()},
            self.sure[0].numpy(),
            busy,
            self.lent,
            self.seen,
            grain=None if matched is None else (matched.before, matched.after),
        )


def composite(plate: Frames, fill: Tensor, mask: NDArray[np.float32], colour: PlateColour = AS_STORED) -> Frames:
    """Put pixels ``3 m`` over plate codes ``h w 3`` where its mask is above 0, by how much; elsewhere the codes stay.

    ``fill`` is in the values of ``colour``; the two are mixed in the plate's own codes. Integer plates
    are rounded to those, float plates keep the float, no further out than halves go. Nothing of the plate is
    left where the mask is 1, nor, however soft the mask, of what is infinite or not a number: it cannot be mixed.
    """
    result: Frames = plate.copy()
    hole = mask > 0
    if not hole.any():
        return result
    top = code_range(plate)
    picture = colour.to_plate(np.ascontiguousarray(fill.numpy().T)[None])[0]
    original = plate[hole].astype(np.float32) / top
    share = mask[hole][:, None]
    with np.errstate(invalid="ignore"):
        blended = original * (1.0 - share) + picture * share
    whole = (share >= 1.0) | ~np.isfinite(original)
    mixed: NDArray[np.float32] = np.where(whole, picture, blended).clip(-BRIGHTEST, BRIGHTEST).astype(np.float32)
    result[hole] = np.clip(np.rint(mixed * top), 0, top).astype(plate.dtype) if plate.dtype.kind == "u" else mixed
    return result


def as_picture(values: Tensor) -> NDArray[np.float32]:
    """A frame's values ``1 3 h w`` as a picture ``h w 3``."""
    return np.ascontiguousarray(rearrange(values, "1 c h w -> h w c").numpy())
