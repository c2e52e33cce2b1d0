"""What every pretrained video diffusion network promises, whatever family it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from einops import rearrange
from torch import Tensor, nn

from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.errors import ConfigError, MaskError

PathName = Literal["straight", "circular", "spreading"]
# The attributes that hold networks; what else a family holds never learns.
_LEARNING = ("network", "low_noise_network")


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

    def of(self, number: int) -> Words:
        """The words of one of the batch."""
        own = slice(number, number + 1)
        return Words(self.embeddings[own], None if self.mask is None else self.mask[own])


@dataclass(frozen=True)
class Told:
    """What a network is told of a plate: ``latents`` ``b t c h w`` beside the noisy ones, and an image's ``look``.

    The look is ``b l d``, what an image encoder makes of a frame. Each is None where a network is told no such thing.
    """

    latents: Tensor | None = None
    look: Tensor | None = None

    def within(self, stretch: slice) -> Told:
        """What is told of a stretch of latents."""
        return Told(None if self.latents is None else self.latents[:, stretch], self.look)

    def of(self, number: int) -> Told:
        """What is told of one of the batch."""
        latents, look = (None if value is None else value[number : number + 1] for value in (self.latents, self.look))
        return Told(latents, look)


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
    names. ``parts`` are the subfolders of its weights, and ``perhaps`` those that only some weights have; ``words`` is
    how its prompts are encoded, None where it hears none. ``settings`` are what may be chosen of a family, as it is
    if not chosen; ``begins_from_frame`` is whether it is told the first frame of each stretch, and not of all frames.
    """

    parts: ClassVar[tuple[str, ...]]
    perhaps: ClassVar[tuple[str, ...]] = ()
    path: ClassVar[PathName]
    adapter_targets: ClassVar[tuple[str, ...]] = ("to_q", "to_k", "to_v", "to_out.0")
    words: ClassVar[WordsRecipe | None] = None
    settings: ClassVar[Mapping[str, Any]] = {}
    begins_from_frame: ClassVar[bool] = False
    layout: LatentLayout
    words_width: int
    look_width: int | None = None
    # Settings as they are in force: what a network is told depends on them.
    in_force: Mapping[str, Any] = {}

    def __init__(self, network: Any, autoencoder: Any) -> None:
        """Both are models of diffusers."""
        super().__init__()
        # Modules whose methods are their own.
        self.network: Any = network
        self.autoencoder: Any = autoencoder.requires_grad_(False).eval()

    @property
    def networks(self) -> dict[str, Any]:
        """What learns, by its name in a pipeline of diffusers; the first is asked at the noisiest levels."""
        return {self.parts[0]: self.network}

    @property
    def level_ranges(self) -> tuple[tuple[float, float], ...]:
        """From which level to which each network is asked, in the order of :attr:`networks`; the least is 0."""
        return ((0.0, float("inf")),)

    def blocks(self) -> Iterable[nn.Module]:
        """The layers that a large network is sharded by."""
        for network in self.networks.values():
            yield from getattr(network, "blocks", None) or network.transformer_blocks

    def train(self, mode: bool = True) -> VideoDiffusion:
        """What is never trained stays as it is."""
        super().train(mode)
        for name, module in self.named_children():
            if name not in _LEARNING:
                module.eval()
        return self

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Latents of frames, the most likely ones: the same frames give the same latents."""
        self.layout.shape(frames.shape[1], *frames.shape[-2:])
        pixels = self._near_autoencoder(rearrange(frames, "b t c h w -> b c t h w")) * 2.0 - 1.0
        latents = self._normalised(self._encoded(pixels).float())
        return rearrange(latents, "b c t h w -> b t c h w")

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Frames of latents, not cut to [0, 1]."""
        stored = self._stored(self._near_autoencoder(rearrange(latents, "b t c h w -> b c t h w")).float())
        pixels = self._decoded(self._near_autoencoder(stored)).float()
        return rearrange(pixels, "b c t h w -> b t c h w") * 0.5 + 0.5

    def condition(self, frames: Tensor, mask: Tensor) -> Told:
        """What the network is told of the plate and of the mask ``b t 1 h w``, 1 where it may change.

        ``MaskError`` for a mask of another shape than the frames.
        """
        if mask.shape != (*frames.shape[:2], 1, *frames.shape[-2:]):
            raise MaskError(
                "the mask does not fit the frames",
                found=f"mask {tuple(mask.shape)}, frames {tuple(frames.shape)}",
                expected=f"mask {(*frames.shape[:2], 1, *frames.shape[-2:])}",
            )
        # While windows are prepared, the autoencoder alone is on a GPU.
        there = self.autoencoder.device
        return self._told(frames.to(there), mask.to(there))

    def untold(self, told: Told) -> Told:
        """What it is told when it is guided away: the same, where words alone guide."""
        return told

    def loss_weight(self, level: Tensor) -> Tensor:
        """How much a squared error of velocity weighs at a level, as the family was trained."""
        return torch.ones_like(level)

    def velocity(self, noisy: Tensor, level: Tensor, words: Words | None, told: Told | None = None) -> Tensor:
        """The velocity at ``noisy`` latents; one level for all, or one for each of the batch.

        ``ConfigError`` for latents, words or a condition of shapes that the network does not take.
        """
        told = told or Told()
        self._refuse_unfit(noisy, words, told)
        of_each = level.to(noisy.device).expand(len(noisy)) if level.ndim == 0 else level.to(noisy.device)
        return self._velocity(noisy, of_each, None if words is None else words.of_batch(len(noisy)), told)

    @classmethod
    @abstractmethod
    def load(cls, folder: WeightsFolder, dtype: torch.dtype, **settings: Any) -> Self:
        """The network in ``dtype`` and its autoencoder in 32 bits, from their folder.

        ``ConfigError`` for ``settings`` that the family does not have (see :func:`chosen`).
        """

    @abstractmethod
    def schedule(self, num_steps: int, num_latents: int) -> Tensor:
        """``(num_steps + 1,)`` levels from noisiest to clean as the family is sampled; ``num_latents`` is ``t h w``."""

    @abstractmethod
    def condition_channels(self) -> int:
        """Channels of the latents that :meth:`condition` gives; 0 if there are none."""

    @abstractmethod
    def _velocity(self, noisy: Tensor, level: Tensor, words: Words | None, told: Told) -> Tensor: ...

    @abstractmethod
    def _normalised(self, latents: Tensor) -> Tensor:
        """The autoencoder's latents ``b c t h w`` as the network has them."""

    @abstractmethod
    def _stored(self, latents: Tensor) -> Tensor:
        """The way back."""

    def _encoded(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.autoencoder.encode(pixels).latent_dist.mode()
        return found

    def _decoded(self, latents: Tensor) -> Tensor:
        decoded: Tensor = self.autoencoder.decode(latents, return_dict=False)[0]
        return decoded

    def _told(self, frames: Tensor, mask: Tensor) -> Told:
        del frames, mask
        return Told()

    def _near_autoencoder(self, values: Tensor) -> Tensor:
        return values.to(self.autoencoder.device, self.autoencoder.dtype)

    @property
    def _network_type(self) -> torch.dtype:
        found: torch.dtype = self.network.dtype
        return found

    def _refuse_unfit(self, noisy: Tensor, words: Words | None, told: Told) -> None:
        channels = self.condition_channels()
        found = None if told.latents is None else tuple(told.latents.shape)
        expected = (*noisy.shape[:2], channels, *noisy.shape[-2:]) if channels else None
        if found != expected:
            raise ConfigError(
                "the condition does not fit the latents", found=found or "nothing", expected=expected or "nothing"
            )
        look = None if told.look is None else (len(told.look), told.look.shape[-1])
        if look != (None if self.look_width is None else (len(noisy), self.look_width)):
            raise ConfigError(
                "the look of a frame does not fit the network",
                found="nothing" if told.look is None else tuple(told.look.shape),
                expected="nothing" if self.look_width is None else f"({len(noisy)}, l, {self.look_width})",
            )
        said = None if words is None else tuple(words.embeddings.shape)
        wrong_words = said is not None if self.words is None else said is None or said[-1] != self.words_width
        if noisy.ndim != 5 or noisy.shape[2] != self.layout.channels or wrong_words:
            raise ConfigError(
                "latents or words do not fit the network",
                found=f"latents {tuple(noisy.shape)}, words {said}",
                expected=f"b t {self.layout.channels} h w, "
                + ("no words" if self.words is None else f"b l {self.words_width}"),
            )


def chosen(family: type[VideoDiffusion], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a family, with those that were chosen; ``ConfigError`` for others."""
    unknown = sorted(settings.keys() - family.settings.keys())
    if unknown:
        raise ConfigError(
            f"{family.__name__} has no such settings", found=unknown, expected=sorted(family.settings) or "none"
        )
    return {**family.settings, **settings}


def first_frame(frames: Tensor, mask: Tensor) -> Tensor:
    """The first of ``b t 3 h w``, with what it hides taken from the next frame that shows it: ``b 3 h w``.

    What no frame shows is the mean of what the first one does. An image encoder would see a grey hole as a thing.
    """
    shown = (mask <= 0).to(frames.dtype)
    # The first frame that shows a pixel, and the very first where none does.
    which = shown.argmax(1, keepdim=True)
    found = frames.gather(1, which.expand(-1, -1, 3, -1, -1))[:, 0]
    first = shown[:, 0]
    mean = (frames[:, 0] * first).sum((2, 3), keepdim=True) / first.sum((2, 3), keepdim=True).clamp_min(1.0)
    return torch.where(shown.amax(1) > 0, found, mean)
