"""What every pretrained video diffusion network promises, whatever family it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from einops import rearrange
from torch import Tensor, nn

from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.errors import ConfigError, MaskError

PathName = Literal["straight", "circular", "spreading"]


@dataclass(frozen=True)
class LatentLayout:
    """How frames become latents: ``space_px`` pixels a latent is wide and high, ``time_frames`` frames long.

    The first latent in time stands for the first frame alone, so that frames are ``time_frames * k + 1``. The network's
    patches want frames' sides to be multiples of ``multiple_px``, and multiples of ``multiple_times`` latents in time.
    """

    channels: int
    space_px: int
    time_frames: int
    multiple_px: int
    multiple_times: int = 1

    def shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """``t c h w`` of the latents of such frames; ``ConfigError`` if they do not fit."""
        times = 1 + (num_frames - 1) // self.time_frames
        whole = (num_frames - 1) % self.time_frames == 0 and times % self.multiple_times == 0
        if not whole or height % self.multiple_px or width % self.multiple_px:
            few = range(1, 12 * self.multiple_times)
            lengths = [1 + self.time_frames * (n - 1) for n in few if n % self.multiple_times == 0]
            raise ConfigError(
                "frames do not fit the network's latents",
                found=f"{num_frames} frames of {width}x{height} px",
                expected=f"{', '.join(map(str, lengths))} … frames, sides that are multiples of {self.multiple_px} px",
            )
        return times, self.channels, height // self.space_px, width // self.space_px


@dataclass(frozen=True)
class Words:
    """A prompt, encoded: ``embeddings`` ``b l d``, and ``mask`` ``b l``, 1 where they mean something (all, if None)."""

    embeddings: Tensor
    mask: Tensor | None = None

    def of_batch(self, num: int) -> Words:
        """The same words for each of ``num``."""
        return Words(self.embeddings.expand(num, -1, -1), None if self.mask is None else self.mask.expand(num, -1))


@dataclass(frozen=True)
class WordsRecipe:
    """How a family's prompts are encoded: its pipeline in diffusers, its text encoder's class, and how many tokens."""

    pipeline: str
    encoder: str
    length: int


class VideoDiffusion(nn.Module, ABC):
    """A denoising network and the autoencoder it lives behind; frames ``b t 3 h w`` in [0, 1], latents ``b t c h w``.

    ``path`` is the line from clean to noise that the network learned on, ``level`` an amount of noise on it. The
    autoencoder is never trained. ``adapter_targets`` are the layers that adapters belong beside, by the ends of their
    names. ``parts`` are the subfolders of its weights, ``words`` how its prompts are encoded.
    """

    parts: ClassVar[tuple[str, ...]]
    path: ClassVar[PathName]
    adapter_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0")
    words: ClassVar[WordsRecipe | None] = None
    layout: LatentLayout
    words_width: int

    def __init__(self, network: Any, autoencoder: Any) -> None:
        """Both are models of diffusers."""
        super().__init__()
        # Modules whose methods are their own.
        self.network: Any = network
        self.autoencoder: Any = autoencoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> VideoDiffusion:
        """The autoencoder stays as it is."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames, the most likely ones: the same frames give the same latents."""
        self.layout.shape(frames.shape[1], *frames.shape[-2:])
        pixels = self._near_autoencoder(rearrange(frames, "b t c h w -> b c t h w")) * 2.0 - 1.0
        latents = self._normalised(self.autoencoder.encode(pixels).latent_dist.mode().float())
        return rearrange(latents, "b c t h w -> b t c h w")

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Frames of latents, not cut to [0, 1]."""
        stored = self._stored(self._near_autoencoder(rearrange(latents, "b t c h w -> b c t h w")).float())
        pixels = self._decoded(self._near_autoencoder(stored)).float()
        return rearrange(pixels, "b c t h w -> b t c h w") * 0.5 + 0.5

    def condition(self, frames: Tensor, mask: Tensor) -> Tensor | None:
        """What the network is told of the plate and of the mask ``b t 1 h w``, 1 where it may change; None if nothing.

        ``MaskError`` for a mask of another shape than the frames.
        """
        if mask.shape != (*frames.shape[:2], 1, *frames.shape[-2:]):
            raise MaskError(
                "the mask does not fit the frames",
                found=f"mask {tuple(mask.shape)}, frames {tuple(frames.shape)}",
                expected=f"mask {(*frames.shape[:2], 1, *frames.shape[-2:])}",
            )
        return self._told(frames, mask)

    def velocity(self, noisy: Tensor, level: Tensor, words: Words, condition: Tensor | None = None) -> Tensor:
        """The velocity at ``noisy`` latents; one level for all, or one for each of the batch.

        ``ConfigError`` for latents, words or a condition of shapes that the network does not take.
        """
        self._refuse_unfit(noisy, words, condition)
        of_each = level.to(noisy.device).expand(len(noisy)) if level.ndim == 0 else level.to(noisy.device)
        return self._velocity(noisy, of_each, words.of_batch(len(noisy)), condition)

    @classmethod
    @abstractmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype) -> Self:
        """The network in ``dtype`` and its autoencoder in 32 bits, from their folder."""

    @abstractmethod
    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """``(num_steps + 1,)`` levels from noisiest to clean as the family is sampled; ``num_latents`` is ``t h w``."""

    @abstractmethod
    def condition_channels(self) -> int:
        """Channels of what :meth:`condition` gives; 0 if that is nothing."""

    @abstractmethod
    def _velocity(self, noisy: Tensor, level: Tensor, words: Words, condition: Tensor | None) -> Tensor: ...

    @abstractmethod
    def _normalised(self, latents: Tensor) -> Tensor:
        """The autoencoder's latents ``b c t h w`` as the network has them."""

    @abstractmethod
    def _stored(self, latents: Tensor) -> Tensor:
        """The way back."""

    def _decoded(self, latents: Tensor) -> Tensor:
        decoded: Tensor = self.autoencoder.decode(latents, return_dict=False)[0]
        return decoded

    def _told(self, frames: Tensor, mask: Tensor) -> Tensor | None:
        del frames, mask
        return None

    def _near_autoencoder(self, values: Tensor) -> Tensor:
        return values.to(self.autoencoder.device, self.autoencoder.dtype)

    @property
    def _network_type(self) -> torch.dtype:
        found: torch.dtype = self.network.dtype
        return found

    def _refuse_unfit(self, noisy: Tensor, words: Words, condition: Tensor | None) -> None:
        channels = self.condition_channels()
        told = None if condition is None else tuple(condition.shape)
        expected = (*noisy.shape[:2], channels, *noisy.shape[-2:]) if channels else None
        if told != expected:
            raise ConfigError("the condition does not fit the latents", found=told, expected=expected)
        wrong = noisy.ndim != 5 or noisy.shape[2] != self.layout.channels
        if wrong or words.embeddings.ndim != 3 or words.embeddings.shape[-1] != self.words_width:
            raise ConfigError(
                "latents or words do not fit the network",
                found=f"latents {tuple(noisy.shape)}, words {tuple(words.embeddings.shape)}",
                expected=f"b t {self.layout.channels} h w, b l {self.words_width}",
            )
