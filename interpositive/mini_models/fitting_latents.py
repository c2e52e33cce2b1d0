"""Frames and masks cut, padded and pooled until they fit the latents of a pretrained network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from interpositive.backbones.pretrained.contract import LatentLayout
from interpositive.errors import ConfigError


def that_fits(frames: Tensor, layout: LatentLayout) -> tuple[int, int, int]:
    """How many frames, rows and columns of a window ``t c h w`` fit the latents; ``ConfigError`` if none do."""
    times = 1 + (len(frames) - 1) // layout.time_frames
    times -= times % layout.multiple_times
    height, width = (side - side % layout.multiple_px for side in frames.shape[-2:])
    if not times or not height or not width:
        raise ConfigError(
            "a window is too small for the network's latents",
            found=f"{len(frames)} frames of {frames.shape[-1]}x{frames.shape[-2]} px",
            expected=f"sides of {layout.multiple_px} px or more",
        )
    return 1 + (times - 1) * layout.time_frames, height, width


def padded(frames: Tensor, layout: LatentLayout) -> Tensor:
    """Frames ``t c h w`` with the last ones, and the last rows and columns, repeated until they fit."""
    times = -(-(len(frames) - 1) // layout.time_frames) + 1
    times += -times % layout.multiple_times
    lacking = 1 + (times - 1) * layout.time_frames - len(frames)
    height, width = frames.shape[-2:]
    frames = torch.cat([frames, frames[-1:].expand(lacking, -1, -1, -1)])
    return F.pad(frames, (0, -width % layout.multiple_px, 0, -height % layout.multiple_px), mode="replicate")


def latent_mask(mask: Tensor, layout: LatentLayout) -> Tensor:
    """A mask ``t 1 h w`` as latents have it ``t' 1 h' w'``: 1 for one that shows any of it."""
    space = F.max_pool2d(mask, layout.space_px)
    rest = rearrange(space[1:], "(t s) 1 h w -> t s h w", s=layout.time_frames).amax(1, keepdim=True)
    return torch.cat([space[:1], rest])
