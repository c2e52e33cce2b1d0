"""CogVideoX 1.0 and 1.5, which predict velocity on the circular path (Yang et al., 2024)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
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


class CogVideoX(VideoDiffusion):
    """``kept_shares`` are the cumulative alphas that it was trained at, in rising order of noise."""

    parts: ClassVar[tuple[str, ...]] = ("transformer", "vae", "scheduler")
    path: ClassVar[PathName] = "circular"
    words: ClassVar[WordsRecipe | None] = WordsRecipe("CogVideoXPipeline", "T5EncoderModel", 226)

    def __init__(self, network: Any, autoencoder: Any, *, kept_shares: Tensor) -> None:
        super().__init__(network, autoencoder)
        network_config, vae = network.config, autoencoder.config
        space, time = 2 ** (len(vae.block_out_channels) - 1), int(vae.temporal_compression_ratio)
        self.layout = LatentLayout(
            vae.latent_channels, space, time, space * network_config.patch_size, network_config.patch_size_t or 1
        )
        self.words_width = network_config.text_embed_dim
        self._scale = float(vae.scaling_factor)
        angles = (1.0 - kept_shares.double()).sqrt().atan2(kept_shares.double().sqrt())
        self.register_buffer("angles", angles, persistent=False)
        self.angles: Tensor

    @classmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype, **settings: Any) -> Self:
        """From its folder."""
        chosen(cls, settings)
        from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXTransformer3DModel

        network = load_part(CogVideoXTransformer3DModel, folder, "transformer", dtype)
        autoencoder = load_part(AutoencoderKLCogVideoX, folder, "vae", torch.float32)
        kept_shares = CogVideoXDDIMScheduler.from_config(scheduler_settings(folder)).alphas_cumprod
        return cls(network, autoencoder, kept_shares=kept_shares)

    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """Times of training equally far apart, from the noisiest on, then 0."""
        del num_latents
        num = len(self.angles)
        times = torch.linspace(num, 0, num_steps + 1, dtype=torch.float64)[:-1].round().long() - 1
        return torch.cat([self.angles.cpu()[times], torch.zeros(1, dtype=torch.float64)])

    def condition_channels(self) -> int:
        """It is told nothing."""
        return 0

    def _velocity(self, noisy: Tensor, level: Tensor, words: Words | None, told: Told) -> Tensor:
        del told
        assert words is not None
        said: Tensor = self.network(
            hidden_states=noisy.to(self._network_type),
            encoder_hidden_states=words.embeddings.to(self._network_type),
            timestep=self._nearest_time(level),
            image_rotary_emb=self._places(noisy),
            return_dict=False,
        )[0]
        return said.to(noisy.dtype)

    def _nearest_time(self, level: Tensor) -> Tensor:
        """It was trained at whole times only."""
        return (self.angles - level.double()[:, None]).abs().argmin(1)

    def _places(self, noisy: Tensor) -> Any:
        config = self.network.config
        if not config.use_rotary_positional_embeddings:
            return None
        from diffusers.models.embeddings import get_3d_rotary_pos_embed
        from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

        grid = (noisy.shape[-2] // config.patch_size, noisy.shape[-1] // config.patch_size)
        largest = (config.sample_height // config.patch_size, config.sample_width // config.patch_size)
        if config.patch_size_t is None:
            where: dict[str, Any] = {
                "crops_coords": get_resize_crop_region_for_grid(grid, largest[1], largest[0]),
                "temporal_size": noisy.shape[1],
            }
        else:
            times = noisy.shape[1] // config.patch_size_t
            where = {"crops_coords": None, "temporal_size": times, "grid_type": "slice", "max_size": largest}
        return get_3d_rotary_pos_embed(
            embed_dim=config.attention_head_dim, grid_size=grid, device=noisy.device, **where
        )

    def _normalised(self, latents: Tensor) -> Tensor:
        return latents * self._scale

    def _stored(self, latents: Tensor) -> Tensor:
        return latents / self._scale


FAMILY = CogVideoX
