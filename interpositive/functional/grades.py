"""A primary grade as ten numbers that can be learned: the ASC CDL without its clamps.

``(value * slope + offset) ^ power`` for each channel, then saturation about Rec.709 luma, as OpenColorIO's
CDL_NO_CLAMP has it: what is below 0 is not raised to the power, and light beyond 1 goes on. The ten are the logarithms
of the slopes, the offsets, the logarithms of the powers and of the saturation; zeros change nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

NUM_NUMBERS = 10
_LUMA = (0.2126, 0.7152, 0.0722)
_LEAST = 1e-6


def graded(values: Tensor, grade: Tensor) -> Tensor:
    """Values ``... 3 n`` under a grade ``... 10``."""
    slope, offset, power, saturation = _parts(grade)
    lifted = values * slope + offset
    curved = torch.where(lifted > _LEAST, lifted.clamp_min(_LEAST) ** power, lifted)
    luma = _luma(curved)
    return luma + saturation * (curved - luma)


def ungraded(values: Tensor, grade: Tensor) -> Tensor:
    """What :func:`graded` made the values from."""
    slope, offset, power, saturation = _parts(grade)
    luma = _luma(values)
    curved = luma + (values - luma) / saturation
    lifted = torch.where(curved > _LEAST, curved.clamp_min(_LEAST) ** (1.0 / power), curved)
    return (lifted - offset) / slope


def random_grade(
    generator: torch.Generator, *, stops: float, offset: float, power: float, tint: float, saturation: float
) -> Tensor:
    """A grade whose channels go together but for a share ``tint`` of each part's reach, uniform within the reaches."""

    def part(reach: float) -> Tensor:
        together, apart = 2 * torch.rand(1, generator=generator) - 1, 2 * torch.rand(3, generator=generator) - 1
        return reach * ((1.0 - tint) * together + tint * apart)

    parts = (part(stops * 0.6931), part(offset), part(power))
    return torch.cat((*parts, saturation * (2 * torch.rand(1, generator=generator) - 1)))


def graded_frames(frames: Tensor, grade: Tensor) -> Tensor:
    """Frames ``t 3 h w`` under one grade."""
    return graded(frames.flatten(2), grade.to(frames)).reshape(frames.shape)


def _parts(grade: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    column = grade[..., None]
    return (
        column[..., 0:3, :].exp(),
        column[..., 3:6, :],
        column[..., 6:9, :].exp(),
        column[..., 9:10, :].exp(),
    )


def _luma(values: Tensor) -> Tensor:
    return _LUMA[0] * values[..., 0:1, :] + _LUMA[1] * values[..., 1:2, :] + _LUMA[2] * values[..., 2:3, :]
