"""Stable Video Diffusion, which begins from an image and hears no words (Blattmann et al., 2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import torch
from einops import rearrange
from torch import Tensor, nn

from interpositive.backbones.pretrained.contract import (
    LatentLayout,
    PathName,
    Told,
    VideoDiffusion,
    Words,
    chosen,
    first_frame,
)
from interpositive.backbones.pretrained.loading import image_preprocessing, load_part, scheduler_settings
from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.errors import ConfigError
from interpositive.functional.seeds import generator_from

_FRAMES_AT_ONCE = 8


class Svd(VideoDiffusion):
    """Told, beside the noise, of the first frame's latents, for each frame again, and of how that frame looks.

    What the first frame hides is taken from the next one that shows it. It says velocities of the circular path, at
    EDM's levels: those of the spreading path, which is its path here (see ``_velocity``). Numbers that it is told:
    ``frames_per_second``, ``motion_bucket`` (0-255, how much moves) and ``noise_augmentation`` (noise on the image).
    """

    parts: ClassVar[tuple[str, ...]] = ("unet", "vae", "scheduler", "image_encoder", "feature_extractor")
    path: ClassVar[PathName] = "spreading"
    settings: ClassVar[Mapping[str, Any]] = {
        "frames_per_second": 7.0,
        "motion_bucket": 127.0,
        "noise_augmentation": 0.02,
    }
    begins_from_frame: ClassVar[bool] = True
    words_width = 0

    def __init__(
        self,
        network: Any,
        autoencoder: Any,
        image_encoder: Any,
        *,
        preprocessing: Callable[[Tensor], Tensor],
        settings: Mapping[str, float],
        scheduler: Any,
    ) -> None:
        super().__init__(network, autoencoder)
        self.preprocessing: Any = preprocessing
        self.image_encoder: Any = image_encoder.requires_grad_(False).eval()
        self.scheduler = scheduler
        self.in_force = dict(settings)
        vae, network_config = autoencoder.config, network.config
        space = 2 ** (len(vae.block_out_channels) - 1)
        # Frames halve between the network's blocks.
        multiple = space * 2 ** (len(network_config.block_out_channels) - 1)
        self.layout = LatentLayout(vae.latent_channels, space, 1, multiple)
        self.look_width = int(image_encoder.config.projection_dim)
        self.noise_augmentation = float(settings["noise_augmentation"])
        # It was told one frame a second less than there are.
        told = [settings["frames_per_second"] - 1.0, settings["motion_bucket"], self.noise_augmentation]
        self.register_buffer("numbers", torch.tensor([told]), persistent=False)
        self.numbers: Tensor
        self._scale = float(vae.scaling_factor)

    @classmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype, **settings: Any) -> Self:
        """From its folder; ``ConfigError`` for a scheduler that is not EDM's."""
        from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
        from transformers import CLIPVisionModelWithProjection

        values = chosen(cls, settings)
        told = scheduler_settings(folder)
        kind = (told.get("prediction_type"), told.get("timestep_type"))
        if kind != ("v_prediction", "continuous"):
            raise ConfigError(
                "this network does not predict as SVD does", found=kind, expected="v_prediction, continuous"
            )
        network = load_part(UNetSpatioTemporalConditionModel, folder, "unet", dtype)
        autoencoder = load_part(AutoencoderKLTemporalDecoder, folder, "vae", torch.float32)
        encoder = load_part(CLIPVisionModelWithProjection, folder, "image_encoder", dtype)
        preprocessing = image_preprocessing(
            folder, "feature_extractor", do_resize=False, do_center_crop=False, do_rescale=False
        )
        scheduler = EulerDiscreteScheduler.from_config(told)
        return cls(network, autoencoder, encoder, preprocessing=preprocessing, settings=values, scheduler=scheduler)

    def blocks(self) -> Iterable[nn.Module]:
        """Down, across and up."""
        return [*self.network.down_blocks, self.network.mid_block, *self.network.up_blocks]

    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """The scheduler's, dense at little noise."""
        del num_latents
        self.scheduler.set_timesteps(num_steps)
        sigmas: Tensor = self.scheduler.sigmas
        return sigmas.double()

    def condition_channels(self) -> int:
        """An image's latents."""
        return self.layout.channels

    def loss_weight(self, level: Tensor) -> Tensor:
        """So that an error of the circular path's velocity, which it says, weighs the same everywhere."""
        return 1.0 + level.square()

    def untold(self, told: Told) -> Told:
        """No image, as in training now and then."""
        assert told.latents is not None and told.look is not None
        return Told(torch.zeros_like(told.latents), torch.zeros_like(told.look))

    def _velocity(self, noisy: Tensor, level: Tensor, words: Words | None, told: Told) -> Tensor:
        """From the circular path's velocity, ``v``: ``(level x + sqrt(1 + level^2) v) / (1 + level^2)``."""
        del words
        assert told.latents is not None and told.look is not None
        at = level[:, None, None, None, None]
        spread = (1.0 + at.square()).sqrt()
        given = torch.cat([noisy / spread, told.latents.to(noisy)], dim=2)
        said: Tensor = self.network(
            given.to(self._network_type),
            level.log() / 4.0,
            encoder_hidden_states=told.look.to(self._network_type),
            added_time_ids=self.numbers.to(self._network_type).expand(len(noisy), -1),
            return_dict=False,
        )[0]
        return at / spread.square() * noisy + said.to(noisy.dtype) / spread

    @torch.no_grad()
    def _told(self, frames: Tensor, mask: Tensor) -> Told:
        from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import (
            _resize_with_antialiasing,
        )

        image = first_frame(frames, mask)
        side = self.image_encoder.config.image_size
        small = _resize_with_antialiasing(image * 2.0 - 1.0, (side, side)) * 0.5 + 0.5
        pixels = self.preprocessing(small).to(self.image_encoder.device, self.image_encoder.dtype)
        look = self.image_encoder(pixels).image_embeds[:, None].float()
        noise = torch.randn(image.shape[1:], generator=generator_from("noise_augmentation", *image.shape[1:]))
        noisy = image * 2.0 - 1.0 + self.noise_augmentation * noise.to(image)
        latents = self.autoencoder.encode(self._near_autoencoder(noisy)).latent_dist.mode()
        return Told(latents[:, None].float().expand(-1, frames.shape[1], -1, -1, -1), look)

    def _encoded(self, pixels: Tensor) -> Tensor:
        # Frame by frame: as many at once as memory allows make no difference.
        frames = rearrange(pixels, "b c t h w -> (b t) c h w")
        latents = torch.cat([self.autoencoder.encode(some).latent_dist.mode() for some in _few(frames)])
        return rearrange(latents, "(b t) c h w -> b c t h w", b=len(pixels))

    def _decoded(self, latents: Tensor) -> Tensor:
        frames = rearrange(latents, "b c t h w -> (b t) c h w")
        pixels: Tensor = self.autoencoder.decode(frames, num_frames=latents.shape[2]).sample
        return rearrange(pixels, "(b t) c h w -> b c t h w", b=len(latents))

    def _normalised(self, latents: Tensor) -> Tensor:
        return latents * self._scale

    def _stored(self, latents: Tensor) -> Tensor:
        return latents / self._scale


def _few(frames: Tensor) -> list[Tensor]:
    return [frames[start : start + _FRAMES_AT_ONCE] for start in range(0, len(frames), _FRAMES_AT_ONCE)]


FAMILY = Svd
