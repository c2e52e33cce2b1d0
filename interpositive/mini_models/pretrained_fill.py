"""A pretrained video diffusion network that learns a production's look by an adapter, and fills what no frame shows.

Latents of what is known move along their own path, and only the hole is made up. Learning is flow matching on latents
of the production's own frames, which weighs the hole most. What is saved is the adapter, and the digest of the weights
that it belongs to.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from interpositive.backbones.pretrained.adapters import (
    AdapterKind,
    AdapterSettings,
    adapt,
    adapter_state,
    load_adapter_state,
    save_lora,
)
from interpositive.backbones.pretrained.contract import VideoDiffusion, Words
from interpositive.backbones.pretrained.families import find_family
from interpositive.backbones.pretrained.loading import need_libraries
from interpositive.backbones.pretrained.weights_folder import find_weights
from interpositive.backbones.pretrained.words import encode_words
from interpositive.errors import ConfigError, IntegrityError
from interpositive.functional.examples import Example
from interpositive.functional.noise_levels import shifted
from interpositive.functional.seeds import generator_from, generators_of
from interpositive.mini_models.candidate_bank import BankBuilder, BankRecipe, motion_of
from interpositive.mini_models.classical_fills import CLASSICAL_FILLS, classical_fill
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.mini_models.exportable import Exportable
from interpositive.mini_models.sampling import PATHS, Guidance, Known, LatentWindows, sample_latents
from interpositive.objectives.levels import logit_normal_levels
from interpositive.records.bounds import Bounds, refuse_outside

_BOUNDS: Bounds = {
    "rank": (1, 4096),
    "window_frames": (1, 1000),
    "num_steps": (1, 1000),
    "guidance": (0.0, 100.0),
    "level_shift": (1e-3, 1e3),
    "keep_weight": (0.0, 1.0),
    "window_latents": (1, 1000),
    "shared_latents": (0, 999),
    "reach_frames": (0, 1000),
}
_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
_GREY = 0.5
_WORDS_FOLDER = "words"


class PretrainedFill(MiniModel):
    """``family`` is a file of ``backbones/pretrained``, ``weights`` a folder or a hub id in this machine's cache.

    ``adapter`` (``rank``, ``alpha`` and ``targets`` of LoRA) is what learns, from windows of at most ``window_frames``;
    ``level_shift`` draws learning levels towards noise, and what is not the hole weighs ``keep_weight``. A fill takes
    ``num_steps``, told ``prompt``, and ``guidance`` away from ``away_from``; shots are cut into stretches of
    ``window_latents``, of which neighbours share ``shared_latents``.
    """

    trained_method = "trained"

    def __init__(
        self,
        *,
        family: str = "wan_vace",
        weights: str = "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        adapter: AdapterKind = "lora",
        rank: int = 16,
        alpha: float | None = None,
        targets: Sequence[str] | None = None,
        prompt: str = "",
        away_from: str = "",
        guidance: float = 1.0,
        num_steps: int = 30,
        window_frames: int = 49,
        window_latents: int = 13,
        shared_latents: int = 4,
        reach_frames: int = 8,
        level_shift: float = 3.0,
        keep_weight: float = 0.1,
        precision: str = "bfloat16",
        gradient_checkpointing: bool = True,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if precision not in _TYPES:
            raise ConfigError("mini_model.precision is unknown", found=precision, expected=", ".join(_TYPES))
        # Refused before anything large is read.
        learning = AdapterSettings(adapter, rank, alpha, tuple(targets) if targets else None)
        need_libraries()
        kind = find_family(family)
        folder = find_weights(weights, kind.parts)
        self.backbone: VideoDiffusion = kind.load(folder, _TYPES[precision])
        adapt(self.backbone, learning)
        if gradient_checkpointing:
            self.backbone.network.enable_gradient_checkpointing()
        self.weights, self.licence = weights, folder.licence
        self.prompt, self.away_from, self.guidance = prompt, away_from, guidance
        self.num_steps, self.window_frames = num_steps, window_frames
        self.windows = LatentWindows(window_latents, shared_latents)
        self.reach_frames = reach_frames
        self.level_shift, self.keep_weight = level_shift, keep_weight
        self.path = PATHS[kind.path]
        self.methods = (*CLASSICAL_FILLS, "prior", self.trained_method)
        # LoRA is put aside instead.
        self._first = {} if adapter == "lora" else adapter_state(self.backbone)
        assert kind.words is not None
        heard = torch.zeros(2, kind.words.length, self.backbone.words_width)
        # Saved with the adapter, so that whoever restores needs no text encoder.
        self.register_buffer("word_embeddings", heard)
        self.register_buffer("word_mask", torch.zeros(heard.shape[:2]))
        self.register_buffer("has_heard", torch.zeros((), dtype=torch.bool))
        self.register_buffer("weights_sha256", torch.tensor(list(bytes.fromhex(folder.sha256)), dtype=torch.uint8))
        self.word_embeddings: Tensor
        self.word_mask: Tensor
        self.has_heard: Tensor
        self.weights_sha256: Tensor
        self.register_state_dict_post_hook(_without_pretrained)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_with_pretrained)  # type: ignore[no-untyped-call]

    @property
    def preparation(self) -> object:
        """Latents depend on the autoencoder, whatever learns from them: a sweep over adapters encodes once."""
        family = type(self.backbone)
        sizes = [self.window_frames, self.keep_weight]
        return [family.__name__, find_weights(self.weights, ("vae",)).sha256, *sizes]

    @property
    def origins(self) -> Sequence[str]:
        """Whose weights, and under which licence."""
        digest = bytes(self.weights_sha256.tolist()).hex()
        licence = self.licence or "no licence stated"
        return (f"begins with weights that somebody else trained: {self.weights} ({licence}; sha256 {digest})",)

    def settle_in(self, folder: Path) -> None:
        """Hear the words, once for a production."""
        for row, text in enumerate((self.prompt, self.away_from)):
            words = encode_words(type(self.backbone), self.weights, text, folder / _WORDS_FOLDER)
            self.word_embeddings[row] = words.embeddings[0].float()
            self.word_mask[row] = 1.0 if words.mask is None else words.mask[0]
        self.has_heard.fill_(True)

    def blocks(self) -> Iterable[nn.Module]:
        """The network's layers."""
        network = self.backbone.network
        return list(getattr(network, "blocks", None) or network.transformer_blocks)

    def exportable(self, plate_height: int) -> Sequence[Exportable]:
        """Nothing: whoever runs it has its weights."""
        del plate_height
        raise ConfigError(
            "a pretrained network does not travel, what it learned does",
            found=f"{sum(value.numel() for value in self.backbone.parameters()):,} parameters, most of them not ours",
            expected="form=lora",
        )

    def save_adapter(self, folder: Path) -> Path:
        """Its LoRA, as diffusers' ``load_lora_weights`` takes it."""
        return save_lora(self.backbone, folder)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """An average of the weights shares what does not learn."""
        for value in (*self.backbone.parameters(), *self.backbone.buffers(), *self._first.values()):
            if not value.requires_grad:
                memo[id(value)] = value
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__ = copy.deepcopy(self.__dict__, memo)
        return twin

    def __reduce__(self) -> NoReturn:
        """A worker would be handed the whole network."""
        raise ConfigError(
            "a pretrained network prepares windows where it is",
            found="workers that prepare",
            expected="dailies.num_prepare_workers=0",
        )

    # -- learning -----------------------------------------------------------------

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """The latents of as much of a window as fits, of what is told of it, and what each latent weighs."""
        del generator
        assert example.target is not None
        if torch.cuda.is_available():
            self.backbone.autoencoder.to("cuda")
        num, height, width = self._that_fits(example.input)
        clean, frames, mask = (
            value[:num, :, :height, :width].float() for value in (example.target, example.input, example.mask)
        )
        judged = example.condition.get("judged", example.mask)[:num, :, :height, :width].float()
        hole = self._of_latents(judged)
        # A target shows real damage as it is: there is nothing to be learned there.
        real = self._of_latents(((mask > 0) & (judged <= 0)).float())
        weight = (self.keep_weight + (1.0 - self.keep_weight) * hole) * (1.0 - real)
        told = self.backbone.condition(_without_hole(frames, mask)[None], mask[None])
        condition = {"weight": weight} if told is None else {"weight": weight, "told": told[0]}
        return [Example(self.backbone.encode(clean[None])[0], hole, condition=condition).to("cpu")]

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Squared error of the velocity, each latent by its weight (Lipman et al., 2022; Salimans and Ho, 2022)."""
        clean = example.input
        numbers = torch.arange(len(clean)) if example.numbers is None else example.numbers
        own = generators_of(generator, numbers)
        noise = torch.stack([torch.randn(clean.shape[1:], generator=each) for each in own]).to(clean)
        straight = shifted(torch.cat([logit_normal_levels(1, each) for each in own]), self.level_shift)
        level = self.path.sigma_to_level(straight / (1.0 - straight)).to(clean)
        at = level[:, None, None, None, None]
        noisy = self.path.noisy(clean, noise, at)
        said = self.backbone.velocity(noisy, level, self._words(0), example.condition.get("told"))
        weight = example.condition["weight"].expand_as(clean)
        error = (said.float() - self.path.velocity(clean, noise, at)).square() * weight
        return {"velocity": (error.flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1.0)).mean()}

    # -- restoring ----------------------------------------------------------------

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Restore frames ``keep``; what lies under the mask is not looked at."""
        wanted = self.wanted(methods)
        motion = motion_of(example)
        builder = BankBuilder(motion, BankRecipe((), ()), keep)
        low, high = motion.value_range
        restored = {}
        for name in wanted:
            if name in CLASSICAL_FILLS:
                found = [classical_fill(name, motion, lambda: builder.sweeps, frame) for frame in keep]
                frames = rearrange(torch.from_numpy(np.stack([f for f, _ in found])), "t h w c -> t c h w")
                sure = torch.from_numpy(np.stack([s for _, s in found]))[:, None]
            else:
                frames, sure = self._generated(example, keep, adapted=name == self.trained_method)
            outside = example.mask[keep.start : keep.stop] <= 0
            plate = example.input[keep.start : keep.stop]
            restored[name] = Restored(torch.where(outside, plate, frames.to(plate).clamp(low, high)), sure)
        return restored

    def _generated(self, example: Example, keep: range, *, adapted: bool) -> tuple[Tensor, Tensor]:
        hole = (example.mask > 0).float()
        sure = 1.0 - 0.5 * hole[keep.start : keep.stop]
        if not hole[keep.start : keep.stop].any():
            return example.input[keep.start : keep.stop], sure
        frames, mask = (self._padded(value.float()) for value in (_without_hole(example.input, hole), hole))
        plate = self.backbone.encode(frames[None])
        told = self.backbone.condition(frames[None], mask[None])
        # The same for every stretch of a shot, and wherever it is made.
        noise = torch.randn(plate.shape, generator=generator_from("fill", *plate.shape)).to(plate)
        levels = self.backbone.schedule(self.num_steps, plate.shape[1] * plate.shape[3] * plate.shape[4])
        known = Known(plate, self._of_latents(mask)[None])
        guidance = Guidance(self._words(0), self._words(1), self.guidance)
        with nullcontext() if adapted else self._untrained():
            made = sample_latents(
                self.backbone, noise, levels, guidance, condition=told, windows=self.windows, known=known
            )
        height, width = example.input.shape[-2:]
        return self.backbone.decode(made)[0, keep.start : keep.stop, :, :height, :width], sure

    @contextmanager
    def _untrained(self) -> Iterator[None]:
        """Inside, the network is as somebody else trained it."""
        if not self._first:
            self.backbone.network.disable_adapters()
            try:
                yield
            finally:
                self.backbone.network.enable_adapters()
            return
        learned = adapter_state(self.backbone)
        load_adapter_state(self.backbone, self._first)
        try:
            yield
        finally:
            load_adapter_state(self.backbone, learned)

    def _words(self, row: int) -> Words:
        if not self.has_heard:
            raise ConfigError("a pretrained network has heard no words", remedy="settle_in, or load its archive")
        return Words(self.word_embeddings[row : row + 1], self.word_mask[row : row + 1])

    def _that_fits(self, frames: Tensor) -> tuple[int, int, int]:
        """How many frames, rows and columns of a window fit the latents; ``ConfigError`` if none do."""
        layout = self.backbone.layout
        times = 1 + (min(len(frames), self.window_frames) - 1) // layout.time_frames
        times -= times % layout.multiple_times
        height, width = (side - side % layout.multiple_px for side in frames.shape[-2:])
        if not times or not height or not width:
            raise ConfigError(
                "a window is too small for the network's latents",
                found=f"{len(frames)} frames of {frames.shape[-1]}x{frames.shape[-2]} px",
                expected=f"sides of {layout.multiple_px} px or more",
            )
        return 1 + (times - 1) * layout.time_frames, height, width

    def _padded(self, frames: Tensor) -> Tensor:
        """Frames ``t c h w`` with the last ones, and the last rows and columns, repeated until they fit."""
        layout = self.backbone.layout
        times = -(-(len(frames) - 1) // layout.time_frames) + 1
        times += -times % layout.multiple_times
        lacking = 1 + (times - 1) * layout.time_frames - len(frames)
        height, width = frames.shape[-2:]
        frames = torch.cat([frames, frames[-1:].expand(lacking, -1, -1, -1)])
        return F.pad(frames, (0, -width % layout.multiple_px, 0, -height % layout.multiple_px), mode="replicate")

    def _of_latents(self, mask: Tensor) -> Tensor:
        """A mask ``t 1 h w`` as latents have it ``t' 1 h' w'``: 1 for one that shows any of it."""
        layout = self.backbone.layout
        space = F.max_pool2d(mask, layout.space_px)
        rest = rearrange(space[1:], "(t s) 1 h w -> t s h w", s=layout.time_frames).amax(1, keepdim=True)
        return torch.cat([space[:1], rest])


def _without_hole(frames: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask > 0, _GREY, frames)


def _pretrained_names(module: nn.Module) -> list[str]:
    assert isinstance(module, PretrainedFill)
    learning = {name for name, value in module.named_parameters() if value.requires_grad}
    return [name for name in (f"backbone.{kept}" for kept in module.backbone.state_dict()) if name not in learning]


def _without_pretrained(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    del metadata
    for name in _pretrained_names(module):
        state.pop(prefix + name, None)


def _with_pretrained(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    del others
    assert isinstance(module, PretrainedFill)
    told = state.get(f"{prefix}weights_sha256")
    if told is not None and not torch.equal(told.cpu(), module.weights_sha256.cpu()):
        raise IntegrityError(
            f"the weights of {module.weights} are not those that this was trained with",
            found=bytes(module.weights_sha256.tolist()).hex(),
            expected=bytes(told.tolist()).hex(),
            remedy="put the weights there that were there then, or train again",
        )
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    for name in _pretrained_names(module):
        state[prefix + name] = own[name].detach()
