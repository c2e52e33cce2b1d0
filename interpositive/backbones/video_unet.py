"""A small video U-Net that is told how noisy what it sees is: filters over space, and mixing over time between them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

NUM_WAVES = 16


class VideoUNet(nn.Module):
    """``b t f h w`` features and levels ``b`` in [0, 1] in, ``b t 3 h w`` out; any length, any size.

    Three scales below a pixel-unshuffled stem. Each block filters every frame, is shifted and scaled by the level
    (FiLM, Perez et al., 2018), and then looks one frame back and one ahead. The last layer starts at zero.
    """

    def __init__(self, num_features: int, widths: tuple[int, int, int] = (32, 64, 96)) -> None:
        super().__init__()
        first, second, third = widths
        told = 4 * NUM_WAVES
        self.level = nn.Sequential(nn.Linear(2 * NUM_WAVES, told), nn.SiLU(), nn.Linear(told, told), nn.SiLU())
        self.stem = nn.Conv2d(4 * num_features, first, 3, padding=1)
        self.at_full = nn.ModuleList(_Block(first, told) for _ in range(2))
        self.down_1 = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.at_half = nn.ModuleList([_Block(second, told)])
        self.down_2 = nn.Conv2d(second, third, 3, stride=2, padding=1)
        self.at_quarter = nn.ModuleList(_Block(third, told, dilation) for dilation in (1, 2, 1))
        self.up_1 = nn.Conv2d(third + second, second, 3, padding=1)
        self.back_at_half = nn.ModuleList([_Block(second, told)])
        self.up_2 = nn.Conv2d(second + first, first, 3, padding=1)
        self.back_at_full = nn.ModuleList(_Block(first, told) for _ in range(2))
        self.last = nn.Conv2d(first, 12, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor, level: Tensor) -> Tensor:
        """What it says of a stretch of film at a level."""
        num_frames, height, width = features.shape[1], *features.shape[-2:]
        padded = F.pad(features.flatten(0, 1), (0, -width % 8, 0, -height % 8), mode="replicate")
        x = F.pixel_unshuffle(padded, 2).contiguous(memory_format=torch.channels_last)
        told = self.level(_waves(level)).repeat_interleave(num_frames, 0)
        full = _through(self.at_full, self.stem(x), told, num_frames)
        half = _through(self.at_half, self.down_1(full), told, num_frames)
        quarter = _through(self.at_quarter, self.down_2(half), told, num_frames)
        half = _through(self.back_at_half, self.up_1(torch.cat((_double(quarter), half), 1)), told, num_frames)
        full = _through(self.back_at_full, self.up_2(torch.cat((_double(half), full), 1)), told, num_frames)
        said = F.pixel_shuffle(self.last(full), 2)[..., :height, :width]
        return rearrange(said, "(b t) c h w -> b t c h w", t=num_frames)


class _Block(nn.Module):
    """A residual step over space, then one over time; both change nothing before they learn to."""

    def __init__(self, width: int, told: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4 if width % 4 == 0 else 1, width)
        self.space = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.film = nn.Linear(told, 2 * width)
        self.time = nn.Conv2d(width, width, (3, 1), padding=(1, 0))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.zeros_(self.time.weight)
        assert self.time.bias is not None
        nn.init.zeros_(self.time.bias)

    def forward(self, x: Tensor, told: Tensor, num_frames: int) -> Tensor:
        """Frames ``(b t) c h w`` of stretches ``num_frames`` long."""
        scale, shift = self.film(told)[..., None, None].chunk(2, 1)
        x = x + F.silu(self.space(self.norm(x)) * (1.0 + scale) + shift)
        height = x.shape[-2]
        lines = rearrange(x, "(b t) c h w -> b c t (h w)", t=num_frames)
        mixed: Tensor = x + rearrange(self.time(F.silu(lines)), "b c t (h w) -> (b t) c h w", h=height)
        return mixed


def _through(blocks: nn.ModuleList, x: Tensor, told: Tensor, num_frames: int) -> Tensor:
    for block in blocks:
        x = block(x, told, num_frames)
    return x


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _waves(level: Tensor) -> Tensor:
    rates = torch.exp(torch.linspace(0.0, math.log(64.0), NUM_WAVES, device=level.device))
    angles = math.pi * level.float()[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), -1)
