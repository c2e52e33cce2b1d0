"""Luma of frames, from codes as they are or from the light they stand for."""

from __future__ import annotations

import torch
from torch import Tensor

from interpositive.errors import ConfigError

_LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)


def decode_bt709(codes: Tensor) -> Tensor:
    """Scene-linear light of BT.709 codes, clamped to [0, 1] (inverse of Rec. ITU-R BT.709-6, item 1.2)."""
    codes = codes.clamp(0.0, 1.0)
    return torch.where(codes < 0.081, codes / 4.5, ((codes + 0.099) / 1.099) ** (1.0 / 0.45))


def luma_of(frames: Tensor, *, linear: bool = False) -> Tensor:
    """BT.709 luma, ``... h w``, of ``... c h w`` frames in [0, 1] with 3 channels; a single one as it is.

    From the codes as they are, or (``linear``) from light: luminance, if the codes are BT.709.
    """
    num_channels = frames.shape[-3]
    if num_channels not in (1, 3):
        raise ConfigError("luma needs 1 or 3 channels", found=num_channels, expected="1 or 3")
    # Channel by channel: decoding a whole 4K frame at once would hold four of it.
    red, *others = (decode_bt709(channel) if linear else channel for channel in frames.unbind(-3))
    if not others:
        return red
    green, blue = others
    return (red * _LUMA_WEIGHTS[0]).add_(green, alpha=_LUMA_WEIGHTS[1]).add_(blue, alpha=_LUMA_WEIGHTS[2])
