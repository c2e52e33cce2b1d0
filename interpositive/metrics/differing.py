"""Where two pictures differ at all: most repairs leave most of the frame alone, and equal pixels need no arithmetic."""

from __future__ import annotations

from torch import Tensor

from interpositive.errors import MediaError

Box = tuple[slice, slice]
"""Rows and columns of a part of a frame."""


def differing_pixels(first: Tensor, second: Tensor) -> Tensor:
    """True (``h w``) where any channel of two ``c h w`` pictures differs."""
    unequal = first.ne(second)
    differs = unequal[0]
    for channel in unequal[1:]:
        differs = differs | channel
    return differs


def box_around(marked: Tensor, reach_px: int = 0) -> Box | None:
    """The smallest box that holds all marked pixels (``h w`` bool), grown by ``reach_px``; None if none is marked."""
    spans = []
    for axis in (1, 0):
        places = marked.any(axis).nonzero()
        if not len(places):
            return None
        first, last = int(places[0]), int(places[-1])
        spans.append(slice(max(first - reach_px, 0), min(last + reach_px + 1, marked.shape[1 - axis])))
    return spans[0], spans[1]


def check_colour(frame: Tensor, metric: str) -> None:
    """Refuse frames that do not have red, green and blue (``MediaError``)."""
    if frame.shape[-3] != 3:
        raise MediaError(f"{metric} is defined for colour only", found=f"{frame.shape[-3]} channels", expected=3)
