"""Wan 2.1 and 2.2, text to video (Wan team, 2025). The larger 2.2 has two experts, for much noise and for little."""

from __future__ import annotations

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
_EXPERT = "transformer_2"


class Wan(VideoDiffusion):
    """``shift`` is how much stronger the noise of its schedule is (see ``shifted``).

    Weights with two experts (2.2, 14B) have one network for levels from ``boundary`` on, and one for those below.
    """

    parts: ClassVar[tuple[str, ...]] = ("transformer", "vae", "scheduler")
    perhaps: ClassVar[tuple[str, ...]] = (_EXPERT,)
    path: ClassVar[PathName] = "straight"
    network_class: ClassVar[str] = "WanTransformer3DModel"
    words: ClassVar[WordsRecipe | None] = WordsRecipe("WanPipeline", "UMT5EncoderModel", 512)
    # Where weights with two experts do not say it.
    usual_boundary: ClassVar[float] = 0.875

    def __init__(
        self, network: Any, autoencoder: Any, low_noise_network: Any = None, *, shift: float, boundary: float = 0.0
    ) -> None:
        super().__init__(network, autoencoder)
        self.low_noise_network: Any = low_noise_network
        self.shift, self.boundary = shift, boundary
        network_config, vae = network.config, autoencoder.config
        space, time = vae.scale_factor_spatial or 8, vae.scale_factor_temporal or 4
        self.layout = LatentLayout(vae.z_dim, space, time, space * network_config.patch_size[1])
        self.words_width = network_config.text_dim
        self._mean, self._deviation = vae.latents_mean, vae.latents_std

    @classmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype, **settings: Any) -> Self:
        """From its folder."""
        import diffusers

        values = chosen(cls, settings)
        if folder.index.get("expand_timesteps"):
            raise ConfigError(
                "this Wan is told a time for each latent, which no family here does",
                found=f"{folder.path / 'model_index.json'}: expand_timesteps",
                expected="Wan 2.1, or Wan 2.2 of 14B",
            )
        kind = getattr(diffusers, cls.network_class)
        networks = [load_part(kind, folder, part, dtype) for part in ("transformer", _EXPERT) if part in folder.parts]
        autoencoder = load_part(diffusers.AutoencoderKLWan, folder, "vae", torch.float32)
        scheduler = scheduler_settings(folder)
        shift = float(scheduler.get("flow_shift") or scheduler.get("shift") or 1.0)
        boundary = float(folder.index.get("boundary_ratio") or cls.usual_boundary) if len(networks) == 2 else 0.0
        made = cls(networks[0], autoencoder, *networks[1:], shift=shift, boundary=boundary)
        made.finish_loading(folder, dtype, values)
        return made

    def finish_loading(self, folder: WeightsFolder, dtype: torch.dtype, settings: Mapping[str, Any]) -> None:
        """What a family has beyond network and autoencoder."""

    @property
    def networks(self) -> dict[str, Any]:
        """The one for much noise, and where there is one, the one for little."""
        low = {} if self.low_noise_network is None else {_EXPERT: self.low_noise_network}
        return {"transformer": self.network, **low}

    @property
    def level_ranges(self) -> tuple[tuple[float, float], ...]:
        """Both meet at the boundary."""
        whole = (self.boundary, 1.0)
        return (whole,) if self.low_noise_network is None else (whole, (0.0, self.boundary))

    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """Equally far apart down to 0.001, which is left out, then shifted."""
        del num_latents
        levels = torch.linspace(1.0, 1.0 / _TIMES, num_steps + 1, dtype=torch.float64)[:-1]
        return torch.cat([shifted(levels, self.shift), levels.new_zeros(1)])

    def condition_channels(self) -> int:
        """It is told nothing."""
        return 0

    def _velocity(self, noisy: Tensor, level: Tensor, words: Words | None, told: Told) -> Tensor:
        assert words is not None
        # A level without a value, of a step that is only planned, is any expert's: they are alike.
        is_low = torch.zeros(len(level), dtype=torch.bool) if level.is_meta else level < self.boundary
        if is_low.any() and not is_low.all():
            # Each of the batch by its own expert.
            each = [
                self._velocity(noisy[n : n + 1], level[n : n + 1], words.of(n), told.of(n)) for n in range(len(noisy))
            ]
            return torch.cat(each)
        network = self.low_noise_network if is_low.any() else self.network
        said: Tensor = network(
            hidden_states=rearrange(self._beside(noisy, told), "b t c h w -> b c t h w").to(self._network_type),
            timestep=level * _TIMES,
            encoder_hidden_states=words.embeddings.to(self._network_type),
            return_dict=False,
            **self._also(told),
        )[0]
        return rearrange(said, "b c t h w -> b t c h w").to(noisy.dtype)

    def _beside(self, noisy: Tensor, told: Told) -> Tensor:
        """The network's channels."""
        del told
        return noisy

    def _also(self, told: Told) -> dict[str, Any]:
        """What else the network is given, by its own names."""
        del told
        return {}

    def _normalised(self, latents: Tensor) -> Tensor:
        return (latents - self._of_channels(self._mean, latents)) / self._of_channels(self._deviation, latents)

    def _stored(self, latents: Tensor) -> Tensor:
        return latents * self._of_channels(self._deviation, latents) + self._of_channels(self._mean, latents)

    @staticmethod
    def _of_channels(values: list[float], like: Tensor) -> Tensor:
        return torch.tensor(values).to(like)[None, :, None, None, None]


FAMILY = Wan
