"""Wan 2.1 and 2.2 (Wan team, 2025), and VACE, which is told of the plate and the mask (Jiang et al., 2025)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from interpositive.backbones.pretrained.contract import LatentLayout, PathName, VideoDiffusion, Words, WordsRecipe
from interpositive.backbones.pretrained.loading import load_part, scheduler_settings
from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.functional.noise_levels import shifted

_TIMES = 1000.0


class Wan(VideoDiffusion):
    """The plain network. ``shift`` is how much stronger the noise of its schedule is (see ``shifted``)."""

    parts: ClassVar[tuple[str, ...]] = ("transformer", "vae", "scheduler")
    path: ClassVar[PathName] = "straight"
    words: ClassVar[WordsRecipe | None] = WordsRecipe("WanPipeline", "UMT5EncoderModel", 512)

    def __init__(self, network: Any, autoencoder: Any, *, shift: float) -> None:
        super().__init__(network, autoencoder)
        self.shift = shift
        network_config, vae = network.config, autoencoder.config
        space, time = vae.scale_factor_spatial or 8, vae.scale_factor_temporal or 4
        self.layout = LatentLayout(vae.z_dim, space, time, space * network_config.patch_size[1])
        self.words_width = network_config.text_dim
        self._mean, self._deviation = vae.latents_mean, vae.latents_std

    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """Equally far apart down to 0.001, which is left out, then shifted."""
        del num_latents
        levels = torch.linspace(1.0, 1.0 / _TIMES, num_steps + 1, dtype=torch.float64)[:-1]
        return torch.cat([shifted(levels, self.shift), levels.new_zeros(1)])

    def condition_channels(self) -> int:
        """It is told nothing."""
        return 0

    def _velocity(self, noisy: Tensor, level: Tensor, words: Words, condition: Tensor | None) -> Tensor:
        said: Tensor = self.network(
            hidden_states=rearrange(noisy, "b t c h w -> b c t h w").to(self._network_type),
            timestep=level * _TIMES,
            encoder_hidden_states=words.embeddings.to(self._network_type),
            return_dict=False,
            **self._beside(condition),
        )[0]
        return rearrange(said, "b c t h w -> b t c h w").to(noisy.dtype)

    def _beside(self, condition: Tensor | None) -> dict[str, Any]:
        del condition
        return {}

    def _normalised(self, latents: Tensor) -> Tensor:
        return (latents - self._of_channels(self._mean, latents)) / self._of_channels(self._deviation, latents)

    def _stored(self, latents: Tensor) -> Tensor:
        return latents * self._of_channels(self._deviation, latents) + self._of_channels(self._mean, latents)

    @staticmethod
    def _of_channels(values: list[float], like: Tensor) -> Tensor:
        return torch.tensor(values).to(like)[None, :, None, None, None]


class WanVace(Wan):
    """Told of what stays and of what may change, each by its latents, and of the mask at full resolution.

    ``b t (2 c + space^2) h w``: latents of the plate with the hole at grey, of the hole alone, and the mask folded.
    """

    def condition_channels(self) -> int:
        """Two sets of latents, and a mask's pixels of one latent."""
        return 2 * self.layout.channels + self.layout.space_px**2

    def _told(self, frames: Tensor, mask: Tensor) -> Tensor:
        hole = (mask > 0.5).to(frames.dtype)
        # Grey is 0 in the autoencoder's range.
        stays = self.encode(torch.where(hole > 0, 0.5, frames))
        changes = self.encode(torch.where(hole > 0, frames, 0.5))
        side = self.layout.space_px
        folded = rearrange(mask.to(frames.dtype), "b t 1 (h p) (w q) -> b (p q) t h w", p=side, q=side)
        folded = F.interpolate(folded, size=(stays.shape[1], *folded.shape[-2:]), mode="nearest-exact")
        return torch.cat([stays, changes, rearrange(folded, "b c t h w -> b t c h w")], dim=2)

    def _beside(self, condition: Tensor | None) -> dict[str, Any]:
        assert condition is not None
        layers = len(self.network.config.vace_layers)
        told = rearrange(condition, "b t c h w -> b c t h w").to(self._network_type)
        return {"control_hidden_states": told, "control_hidden_states_scale": told.new_ones(layers)}


def load_wan(folder: WeightsFolder, dtype: torch.dtype) -> Wan:
    """The plain network, from its folder."""
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    network = load_part(WanTransformer3DModel, folder, "transformer", dtype)
    autoencoder = load_part(AutoencoderKLWan, folder, "vae", torch.float32)
    return Wan(network, autoencoder, shift=_shift(folder))


def load_wan_vace(folder: WeightsFolder, dtype: torch.dtype) -> WanVace:
    """The one that is told of the mask, from its folder."""
    from diffusers import AutoencoderKLWan, WanVACETransformer3DModel

    network = load_part(WanVACETransformer3DModel, folder, "transformer", dtype)
    autoencoder = load_part(AutoencoderKLWan, folder, "vae", torch.float32)
    return WanVace(network, autoencoder, shift=_shift(folder))


def _shift(folder: WeightsFolder) -> float:
    settings = scheduler_settings(folder)
    return float(settings.get("flow_shift") or settings.get("shift") or 1.0)
