"""Wan 2.1 and 2.2, text to video (Wan team, 2025)."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
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
    network_class: ClassVar[str] = "WanTransformer3DModel"
    words: ClassVar[WordsRecipe | None] = WordsRecipe("WanPipeline", "UMT5EncoderModel", 512)

    def __init__(self, network: Any, autoencoder: Any, *, shift: float) -> None:
        super().__init__(network, autoencoder)
        self.shift = shift
        network_config, vae = network.config, autoencoder.config
        space, time = vae.scale_factor_spatial or 8, vae.scale_factor_temporal or 4
        self.layout = LatentLayout(vae.z_dim, space, time, space * network_config.patch_size[1])
        self.words_width = network_config.text_dim
        self._mean, self._deviation = vae.latents_mean, vae.latents_std

    @classmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype) -> Self:
        """From its folder."""
        import diffusers

        network = load_part(getattr(diffusers, cls.network_class), folder, "transformer", dtype)
        autoencoder = load_part(diffusers.AutoencoderKLWan, folder, "vae", torch.float32)
        settings = scheduler_settings(folder)
        return cls(network, autoencoder, shift=float(settings.get("flow_shift") or settings.get("shift") or 1.0))

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


FAMILY = Wan
