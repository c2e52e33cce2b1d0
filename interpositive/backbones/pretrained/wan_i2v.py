"""Wan 2.1 and 2.2, which begin from an image: the first frame of a plate, or its first and last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from interpositive.backbones.pretrained.contract import Told, first_frame
from interpositive.backbones.pretrained.loading import image_preprocessing, load_part
from interpositive.backbones.pretrained.wan import Wan
from interpositive.backbones.pretrained.weights_folder import WeightsFolder
from interpositive.errors import ConfigError, MissingWeightsError

_ENCODER, _PREPROCESSING = "image_encoder", "image_processor"
_ENDS = ("first", "ends")


class WanI2V(Wan):
    """Told, beside the noise, of frames that stay: their latents, and where they show something.

    ``b t (time + c) h w``: for each pixel of a latent's frames whether it is given, and the latents of the given frames
    among grey ones. A given frame's hole is grey and not given, too. ``frames`` are "first" or "ends" (first and last);
    None is what the weights were made for. Weights with an image encoder (2.1) are told how these frames look.
    """

    perhaps: ClassVar[tuple[str, ...]] = (*Wan.perhaps, _ENCODER, _PREPROCESSING)
    settings: ClassVar[Mapping[str, Any]] = {"frames": None}
    begins_from_frame: ClassVar[bool] = True
    usual_boundary: ClassVar[float] = 0.9

    def finish_loading(self, folder: WeightsFolder, dtype: torch.dtype, settings: Mapping[str, Any]) -> None:
        """The image encoder, and which frames it is told."""
        import transformers

        self.look_width = self.network.config.image_dim
        for_ends = self.network.config.pos_embed_seq_len is not None
        self.frames = settings["frames"] or ("ends" if for_ends else "first")
        self.in_force = {"frames": self.frames}
        if self.frames not in _ENDS or (self.look_width is not None and for_ends != (self.frames == "ends")):
            raise ConfigError(
                "these weights are not told of such frames",
                found=self.frames,
                expected=" or ".join(_ENDS) if self.look_width is None else ("ends" if for_ends else "first"),
            )
        self.image_encoder: Any = None
        if self.look_width is None:
            return
        if _ENCODER not in folder.parts or _PREPROCESSING not in folder.parts:
            raise MissingWeightsError(
                "this network is told how a frame looks, and its image encoder is not on this machine",
                found=f"{folder.path}: {', '.join(folder.parts)}",
                expected=f"{_ENCODER}/ with config.json and *.safetensors and {_PREPROCESSING}/ with "
                "preprocessor_config.json, both named in model_index.json",
            )
        self.image_encoder = load_part(transformers.CLIPVisionModel, folder, _ENCODER, dtype).requires_grad_(False)
        self.preprocessing = image_preprocessing(folder, _PREPROCESSING)

    def condition_channels(self) -> int:
        """One for each frame of a latent, and an image's latents."""
        return self.layout.time_frames + self.layout.channels

    @torch.no_grad()
    def _told(self, frames: Tensor, mask: Tensor) -> Told:
        told_of = [0, -1] if self.frames == "ends" else [0]
        given = torch.zeros_like(mask)
        given[:, told_of] = (mask[:, told_of] <= 0).to(given.dtype)
        # Grey is 0 in the autoencoder's range.
        latents = self.encode(torch.where(given > 0, frames, 0.5))
        # A latent's pixels are given if all of them are.
        shown = -F.max_pool3d(-given[:, :, 0], (1, self.layout.space_px, self.layout.space_px))
        # The first latent stands for the first frame alone, which says so as often as others have frames.
        shown = torch.cat([shown[:, :1].expand(-1, self.layout.time_frames, -1, -1), shown[:, 1:]], dim=1)
        folded = rearrange(shown, "b (t s) h w -> b t s h w", s=self.layout.time_frames)
        return Told(torch.cat([folded.to(latents), latents], dim=2), self._look(frames, mask))

    def _look(self, frames: Tensor, mask: Tensor) -> Tensor | None:
        if self.image_encoder is None:
            return None
        images = [first_frame(frames, mask)]
        if self.frames == "ends":
            images.append(first_frame(frames.flip(1), mask.flip(1)))
        pixels = torch.cat([self.preprocessing(image) for image in images]).to(self.image_encoder.device)
        seen: Tensor = self.image_encoder(pixels.to(self.image_encoder.dtype), output_hidden_states=True).hidden_states[
            -2
        ]
        return rearrange(seen, "(i b) l d -> b (i l) d", i=len(images)).float()

    def _beside(self, noisy: Tensor, told: Told) -> Tensor:
        assert told.latents is not None
        return torch.cat([noisy, told.latents.to(noisy)], dim=2)

    def _also(self, told: Told) -> dict[str, Any]:
        if told.look is None:
            return {}
        look = told.look.to(self._network_type)
        # Two images of one shot come as two of a batch.
        return {
            "encoder_hidden_states_image": rearrange(look, "b (i l) d -> (b i) l d", i=2)
            if self.frames == "ends"
            else look
        }


FAMILY = WanI2V
