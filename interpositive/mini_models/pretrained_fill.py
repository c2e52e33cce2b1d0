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
from typing import Any, ClassVar, NoReturn, Self

import torch
from torch import Tensor, nn

from interpositive.backbones.adapters import AdapterKind, AdapterSettings
from interpositive.backbones.pretrained.adapters import (
    adapt,
    adapter_state,
    load_adapter_state,
    save_lora,
    without_lora,
)
from interpositive.backbones.pretrained.contract import Told, VideoDiffusion, Words, chosen
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
from interpositive.mini_models.fitting_latents import latent_mask, padded, that_fits
from interpositive.mini_models.hole_fills import composed
from interpositive.mini_models.sampling import PATHS, Guidance, Known, LatentWindows, Tell, sample_latents
from interpositive.objectives.levels import logit_normal_levels, logit_normal_share
from interpositive.records.bounds import Bounds, refuse_outside

_BOUNDS: Bounds = {
    "rank": (1, 4096),
    "window_frames": (1, 1000),
    "num_steps": (1, 1000),
    "guidance": (0.0, 100.0),
    "first_guidance": (0.0, 100.0),
    "level_shift": (1e-3, 1e3),
    "keep_weight": (0.0, 1.0),
    "window_latents": (1, 1000),
    "shared_latents": (0, 999),
    "reach_frames": (0, 1000),
}
_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
_GREY = 0.5
_WORDS_FOLDER = "words"
_IMAGE_PARTS = ("image_encoder", "image_processor", "feature_extractor")
_LEAST_LEVEL = 1e-6


class PretrainedFill(MiniModel):
    """``family`` is a file of ``backbones/pretrained``, ``weights`` a folder or a hub id in this machine's cache.

    ``adapter`` (``rank``, ``alpha`` and ``targets`` of LoRA) is what learns, from windows of at most ``window_frames``;
    ``level_shift`` draws learning levels towards noise, and what is not the hole weighs ``keep_weight``. A fill takes
    ``num_steps``, told ``prompt``, and ``guidance`` away from ``away_from``, which rises from ``first_guidance`` over a
    stretch if that is not None; shots are cut into stretches of ``window_latents``, of which neighbours share
    ``shared_latents``. ``family_settings`` are those of the family's own ``settings`` that are to be otherwise.
    """

    trained_method = "trained"
    anew_argument: ClassVar[str | None] = "gradient_checkpointing"

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
        first_guidance: float | None = None,
        num_steps: int = 30,
        window_frames: int = 49,
        window_latents: int = 13,
        shared_latents: int = 4,
        reach_frames: int = 8,
        level_shift: float = 3.0,
        keep_weight: float = 0.1,
        precision: str = "bfloat16",
        gradient_checkpointing: bool = True,
        family_settings: Mapping[str, Any] | None = None,
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
        settings = chosen(kind, family_settings or {})
        if kind.words is None and (prompt or away_from):
            raise ConfigError(f"{family} hears no words", found=prompt or away_from, expected="an empty prompt")
        folder = find_weights(weights, kind.parts, kind.perhaps)
        self.backbone: VideoDiffusion = kind.load(folder, _TYPES[precision], **settings)
        adapt(self.backbone, learning)
        self.compute_anew(gradient_checkpointing)
        self.weights, self.licence = weights, folder.licence
        self.prompt, self.away_from = prompt, away_from
        self.guidance, self.first_guidance = guidance, first_guidance
        self.num_steps, self.window_frames = num_steps, window_frames
        self.windows = LatentWindows(window_latents, shared_latents)
        self.reach_frames = reach_frames
        self.level_shift, self.keep_weight = level_shift, keep_weight
        self.path = PATHS[kind.path]
        self.methods = (*CLASSICAL_FILLS, "prior", self.trained_method)
        # LoRA is put aside instead, and an outline has no weights.
        self._first = {} if adapter == "lora" or folder.is_outline else adapter_state(self.backbone)
        # What latents and what a network is told are made by, the adapter aside.
        self._preparation = [kind.__name__, folder.sha256_of("vae"), window_frames, keep_weight]
        encoders = [part for part in folder.parts if part in _IMAGE_PARTS]
        if encoders or self.backbone.in_force:
            self._preparation += [self.backbone.in_force, folder.sha256_of(*encoders), precision]
        heard = torch.zeros(2, kind.words.length if kind.words else 0, self.backbone.words_width)
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
        return self._preparation

    @property
    def origins(self) -> Sequence[str]:
        """Whose weights, and under which licence."""
        digest = bytes(self.weights_sha256.tolist()).hex()
        licence = self.licence or "no licence stated"
        return (f"begins with weights that somebody else trained: {self.weights} ({licence}; sha256 {digest})",)

    def settle_in(self, folder: Path) -> None:
        """Hear the words, once for a production."""
        if self.backbone.words is None:
            return
        for row, text in enumerate((self.prompt, self.away_from)):
            words = encode_words(type(self.backbone), self.weights, text, folder / _WORDS_FOLDER)
            self.word_embeddings[row] = words.embeddings[0].float()
            self.word_mask[row] = 1.0 if words.mask is None else words.mask[0]
        self.has_heard.fill_(True)

    def blocks(self) -> Iterable[nn.Module]:
        """The network's layers."""
        return self.backbone.blocks()

    def outline(self, num_frames: int, height: int, width: int) -> Example | None:
        """Latents, weights and what the network is told, as :meth:`prepare` gives them; not of one told of a look."""
        if self.backbone.look_width is not None:
            return None
        frames = torch.empty(min(num_frames, self.window_frames), 3, height, width, device="meta")
        fits = that_fits(frames, self.backbone.layout)
        times, channels, rows, columns = self.backbone.layout.shape(*fits)

        def planes(num: int) -> Tensor:
            return torch.empty(times, num, rows, columns, device="meta")

        told = self.backbone.condition_channels()
        condition = {"weight": planes(1)} | ({"told": planes(told)} if told else {})
        return Example(planes(channels), planes(1), condition=condition)

    def compute_anew(self, anew: bool) -> None:
        """Of the networks' layers."""
        for network in self.backbone.networks.values():
            (network.enable_gradient_checkpointing if anew else network.disable_gradient_checkpointing)()

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
                memo.setdefault(id(value), value)
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
        num, height, width = that_fits(example.input[: self.window_frames], self.backbone.layout)
        clean, frames, mask = (
            value[:num, :, :height, :width].float() for value in (example.target, example.input, example.mask)
        )
        judged = example.condition.get("judged", example.mask)[:num, :, :height, :width].float()
        hole = self._latent_mask(judged)
        # A target shows real damage as it is: there is nothing to be learned there.
        real = self._latent_mask(((mask > 0) & (judged <= 0)).float())
        weight = (self.keep_weight + (1.0 - self.keep_weight) * hole) * (1.0 - real)
        told = self.backbone.condition(_without_hole(frames, mask)[None], mask[None])
        condition = {"weight": weight}
        condition |= {
            name: value[0] for name, value in (("told", told.latents), ("look", told.look)) if value is not None
        }
        return [Example(self.backbone.encode(clean[None])[0], hole, condition=condition).to("cpu")]

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Squared error of the velocity, each latent by its weight (Lipman et al., 2022; Salimans and Ho, 2022).

        Of two experts each learns in every step, at a level of its own, and as much as its levels are likely.
        """
        clean = example.input
        numbers = torch.arange(len(clean)) if example.numbers is None else example.numbers
        own = generators_of(generator, numbers)
        noise = torch.stack([torch.randn(clean.shape[1:], generator=each) for each in own]).to(clean)
        told = Told(example.condition.get("told"), example.condition.get("look"))
        ranges = self.backbone.level_ranges
        if len(ranges) == 1:
            straight = shifted(torch.cat([logit_normal_levels(1, each) for each in own]), self.level_shift)
            level = self.path.sigma_to_level(straight / (1.0 - straight))
            return {"velocity": self._error(clean, noise, level.to(clean), told, example.condition["weight"])}
        terms = {}
        for name, (low, high) in zip(self.backbone.networks, ranges, strict=True):
            ends = shifted(torch.tensor([low, high], dtype=torch.float64), 1.0 / self.level_shift)
            unshifted = (float(ends[0]), float(ends[1]))
            straight = torch.cat([logit_normal_levels(1, each, between=unshifted) for each in own])
            # Rounding is not to hand a level to the other expert.
            level = shifted(straight, self.level_shift).clamp(low, high - _LEAST_LEVEL)
            error = self._error(clean, noise, level.to(clean), told, example.condition["weight"])
            terms[f"velocity_{name}"] = error * logit_normal_share(unshifted)
        return terms

    def _error(self, clean: Tensor, noise: Tensor, level: Tensor, told: Told, weight: Tensor) -> Tensor:
        at = level[:, None, None, None, None]
        said = self.backbone.velocity(self.path.noisy(clean, noise, at), level, self._words(0), told)
        weight = weight.expand_as(clean)
        error = (said.float() - self.path.velocity(clean, noise, at)).square() * weight
        of_each = error.flatten(1).sum(1) / weight.flatten(1).sum(1).clamp_min(1.0)
        return (of_each * self.backbone.loss_weight(level)).mean()

    # -- restoring ----------------------------------------------------------------

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Restore frames ``keep``; what lies under the mask is not looked at."""
        wanted = self.wanted(methods)
        example = example.to(self.device)
        motion = motion_of(example)
        builder = BankBuilder(motion, BankRecipe((), ()), keep)
        low, high = motion.value_range
        restored = {}
        for name in wanted:
            if name in CLASSICAL_FILLS:
                found = [classical_fill(name, motion, lambda: builder.sweeps, frame) for frame in keep]
                fills, certainty = zip(*found, strict=True)
                composite = composed(motion, keep, fills, certainty)
                frames, sure = composite.frames, composite.confidence
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
        layout = self.backbone.layout
        frames, mask = (padded(value.float(), layout) for value in (_without_hole(example.input, hole), hole))
        plate = self.backbone.encode(frames[None])
        # The same for every stretch of a shot, and wherever it is made.
        noise = torch.randn(plate.shape, generator=generator_from("fill", *plate.shape)).to(plate)
        levels = self.backbone.schedule(self.num_steps, plate.shape[1] * plate.shape[3] * plate.shape[4])
        known = Known(plate, self._latent_mask(mask)[None])
        guidance = Guidance(self._words(0), self._words(1), self.guidance, self.first_guidance)
        with nullcontext() if adapted else self._untrained():
            tell = self._tell(frames[None], mask[None])
            made = sample_latents(self.backbone, noise, levels, guidance, tell, windows=self.windows, known=known)
        height, width = example.input.shape[-2:]
        return self.backbone.decode(made)[0, keep.start : keep.stop, :, :height, :width], sure

    @contextmanager
    def _untrained(self) -> Iterator[None]:
        """Inside, the network is as somebody else trained it."""
        if not self._first:
            with without_lora(self.backbone):
                yield
            return
        learned = adapter_state(self.backbone)
        load_adapter_state(self.backbone, self._first)
        try:
            yield
        finally:
            load_adapter_state(self.backbone, learned)

    def _tell(self, frames: Tensor, mask: Tensor) -> Tell:
        """What the network is told of each stretch: a part of what there is of all, or of the stretch's first frame."""
        if not self.backbone.begins_from_frame:
            return self.backbone.condition(frames, mask).within
        num = self.backbone.layout.time_frames

        def tell(stretch: slice) -> Told:
            # A stretch begins at the last frame of its first latent.
            own = slice(stretch.start * num, (stretch.stop - 1) * num + 1)
            return self.backbone.condition(frames[:, own], mask[:, own])

        return tell

    def _words(self, row: int) -> Words | None:
        if self.backbone.words is None:
            return None
        if not self.has_heard.is_meta and not self.has_heard:
            raise ConfigError("a pretrained network has heard no words", remedy="settle_in, or load its archive")
        return Words(self.word_embeddings[row : row + 1], self.word_mask[row : row + 1])

    def _latent_mask(self, mask: Tensor) -> Tensor:
        return latent_mask(mask, self.backbone.layout)


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
