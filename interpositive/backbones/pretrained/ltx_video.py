"""LTX-Video, whose latents are few and wide (HaCohen et al., 2024)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from einops import rearrange
from torch import Tensor

from interpositive.backbones.pretrained.contract import (
    LatentLayout,
    PathName,
    Told,
    VideoDiffusion,
    Words,
    WordsRecipe,
    chosen,
)
from interpositive.backbones.pretrained.loading import load_part, scheduler_settings
from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.errors import ConfigError
from interpositive.functional.noise_levels import shifted

_TIMES = 1000.0
_FRAME_RATE = 25.0


class LtxVideo(VideoDiffusion):
    """``shifts`` are the scheduler's: how much stronger noise is for few latents and for many."""

    parts: ClassVar[tuple[str, ...]] = ("transformer", "vae", "scheduler")
    path: ClassVar[PathName] = "straight"
    words: ClassVar[WordsRecipe | None] = WordsRecipe("LTXPipeline", "T5EncoderModel", 128)

    def __init__(self, network: Any, autoencoder: Any, *, shifts: Mapping[str, Any]) -> None:
        super().__init__(network, autoencoder)
        if (network.config.patch_size, network.config.patch_size_t) != (1, 1):
            raise ConfigError(
                "this LTX-Video packs its latents in another way",
                found=f"patches of {network.config.patch_size_t}x{network.config.patch_size}",
                expected="a latent a patch, as in all that were published",
            )
        self.shifts = shifts
        network_config, vae = network.config, autoencoder.config
        space, time = autoencoder.spatial_compression_ratio, autoencoder.temporal_compression_ratio
        self.layout = LatentLayout(network_config.in_channels, space, time, space * network_config.patch_size)
        self.words_width = network_config.caption_channels
        self._scale = float(vae.scaling_factor)

    @classmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype, **settings: Any) -> Self:
        """From its folder."""
        chosen(cls, settings)
        from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel

        network = load_part(LTXVideoTransformer3DModel, folder, "transformer", dtype)
        autoencoder = load_part(AutoencoderKLLTXVideo, folder, "vae", torch.float32)
        return cls(network, autoencoder, shifts=scheduler_settings(folder))

    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """Equally far apart, then shifted by the number of latents, and stretched to the last level that it names."""
        levels = torch.linspace(1.0, 1.0 / num_steps, num_steps, dtype=torch.float64)
        shift = math.exp(self._log_shift(num_latents)) if self.shifts["use_dynamic_shifting"] else self.shifts["shift"]
        levels = shifted(levels, shift)
        # A single level is the noisiest, and leads to clean at once.
        if self.shifts.get("shift_terminal") and num_steps > 1:
            levels = 1.0 - (1.0 - levels) * ((1.0 - self.shifts["shift_terminal"]) / (1.0 - levels[-1]))
        return torch.cat([levels, levels.new_zeros(1)])

    def _log_shift(self, num_latents: int) -> float:
        fewest, most = self.shifts["base_image_seq_len"], self.shifts["max_image_seq_len"]
        least, greatest = self.shifts["base_shift"], self.shifts["max_shift"]
        return float(least + (greatest - least) * (num_latents - fewest) / (most - fewest))

    def condition_channels(self) -> int:
        """It is told nothing."""
        return 0

    def _velocity(self, noisy: Tensor, level: Tensor, words: Words | None, told: Told) -> Tensor:
        del told
        assert words is not None
        num_times, height, width = noisy.shape[1], *noisy.shape[-2:]
        mask = torch.ones(words.embeddings.shape[:2], device=noisy.device) if words.mask is None else words.mask
        said: Tensor = self.network(
            hidden_states=rearrange(noisy, "b t c h w -> b (t h w) c").to(self._network_type),
            encoder_hidden_states=words.embeddings.to(self._network_type),
            timestep=level * _TIMES,
            encoder_attention_mask=mask,
            num_frames=num_times,
            height=height,
            width=width,
            rope_interpolation_scale=(
                self.layout.time_frames / _FRAME_RATE,
                self.layout.space_px,
                self.layout.space_px,
            ),
            return_dict=False,
        )[0]
        return rearrange(said, "b (t h w) c -> b t c h w", t=num_times, h=height, w=width).to(noisy.dtype)

    def _normalised(self, latents: Tensor) -> Tensor:
        return (latents - self._of_channels("latents_mean")) * self._scale / self._of_channels("latents_std")

    def _stored(self, latents: Tensor) -> Tensor:
        return latents * self._of_channels("latents_std") / self._scale + self._of_channels("latents_mean")

    def _of_channels(self, name: str) -> Tensor:
        values: Tensor = getattr(self.autoencoder, name)
        return values.float()[None, :, None, None, None]

    def _decoded(self, latents: Tensor) -> Tensor:
        # Later autoencoders denoise a last time, and are told that there is nothing left to denoise.
        time = latents.new_zeros(len(latents)) if self.autoencoder.config.timestep_conditioning else None
        decoded: Tensor = self.autoencoder.decode(latents, time, return_dict=False)[0]
        return decoded


FAMILY = LtxVideo
