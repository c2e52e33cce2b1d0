"""Wan VACE, which is told of the plate and the mask (Jiang et al., 2025)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from interpositive.backbones.pretrained.contract import Told
from interpositive.backbones.pretrained.wan import Wan


class WanVace(Wan):
    """Told of what stays and of what may change, each by its latents, and of the mask at full resolution.

    ``b t (2 c + space^2) h w``: latents of the plate with the hole at grey, of the hole alone, and the mask folded.
    """

    network_class: ClassVar[str] = "WanVACETransformer3DModel"

    def condition_channels(self) -> int:
        """Two sets of latents, and a mask's pixels of one latent."""
        return 2 * self.layout.channels + self.layout.space_px**2

    def _told(self, frames: Tensor, mask: Tensor) -> Told:
        hole = (mask > 0.5).to(frames.dtype)
        # Grey is 0 in the autoencoder's range.
        stays = self.encode(torch.where(hole > 0, 0.5, frames))
        changes = self.encode(torch.where(hole > 0, frames, 0.5))
        side = self.layout.space_px
        folded = rearrange(mask.to(frames.dtype), "b t 1 (h p) (w q) -> b (p q) t h w", p=side, q=side)
        folded = F.interpolate(folded, size=(stays.shape[1], *folded.shape[-2:]), mode="nearest-exact")
        return Told(torch.cat([stays, changes, rearrange(folded, "b c t h w -> b t c h w")], dim=2))

    def _also(self, told: Told) -> dict[str, Any]:
        assert told.latents is not None
        layers = len(self.network.config.vace_layers)
        control = rearrange(told.latents, "b t c h w -> b c t h w").to(self._network_type)
        return {"control_hidden_states": control, "control_hidden_states_scale": control.new_ones(layers)}


FAMILY = WanVace
