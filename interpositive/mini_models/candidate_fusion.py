"""Candidate fusion: choose among real pixels, then add a little.

Every aligned view of the hole is scored; a softmax over the scores copies the
best; a small residual network corrects the rest. The untrained model is the
*prior*: scores from how well each view fits around the hole. Training learns
a correction to those scores and the residual, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interpositive.backbones.fusion_network import CandidateScorer, ResidualUNet
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.functional.freed_memory import give_back_freed_memory
from interpositive.functional.half_size import half_all, half_any, half_mean
from interpositive.functional.threads import in_turn
from interpositive.mini_models.bank_tensors import (
    bank_tensors,
    choose_candidates,
    describe,
    picture_tensor,
    plane_tensor,
)
from interpositive.mini_models.candidate_bank import (
    KINDS,
    NUM_SPATIAL,
    BankBuilder,
    BankRecipe,
    motion_near_holes,
    motion_of,
)
from interpositive.mini_models.chosen_once import chosen_once
from interpositive.mini_models.classical_fills import CLASSICAL_FILLS, classical_fill
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.mini_models.exportable import Exportable
from interpositive.mini_models.fusing import Fused, LargeFusion, network_factor
from interpositive.mini_models.fusion_export import fusion_exportables
from interpositive.mini_models.hole_fills import Blend, Chosen, Filled, blend_along_flow, composed
from interpositive.mini_models.kept_plate import (
    LEARNED_ROWS,
    Beside,
    KeptPlate,
    keeping_loss,
    thickest_px,
    thin_parts,
)
from interpositive.mini_models.narrowing import CleanPart, Looked, clean_parts, narrowed, some_of
from interpositive.mini_models.near_fusion import NearFusion
from interpositive.motion.motion_memory import ShotMemory
from interpositive.motion.motion_raster import MotionRaster
from interpositive.motion.window_motion import WindowMotion
from interpositive.objectives.pixel import absolute, charbonnier, gradient_difference
from interpositive.records.bounds import Bounds, refuse_outside

_NUM_SCORER_FEATURES = 3 + 1 + 3
_NUM_SCORER_WORDS = len(KINDS) + 1
_NUM_RESIDUAL_FEATURES = 3 + 3 + 1 + 1 + 1 + 1
_INVALID_LOGIT = -30.0
_BOUNDS: Bounds = {
    "flow_offsets": (1, 1000),
    "camera_offsets": (1, 1000),
    "scorer_width": (1, 1024),
    "residual_widths": (1, 1024),
    "crop_px": (8, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
    "candidates_per_step": (1, 1000),
    "temperature": (1e-6, 1e6),
    "motion_rows": (32, 100_000),
    "plate_px_at_1080": (0.0, 1080.0),
}


class CandidateFusion(MiniModel):
    """Learned fusion of aligned candidates with a small residual.

    ``crop_px`` and ``crops_per_frame`` shape what training draws;
    ``plate_px_at_1080`` is how thick a hole may be, at 1080 lines, for its plate to be looked at (0: never);
    ``frames_per_window`` target frames are taken from each prepared window, and
    ``candidates_per_step`` of the bank are shown at a time (candidate dropout).
    In frames of more than ``motion_rows`` motion is found at that height; pixels are copied at the frames' own.
    """

    trained_method = "trained"
    reads_codes = True
    learns_at_half_size = True

    def __init__(
        self,
        *,
        flow_offsets: Sequence[int] = (1, 2, 4, 8),
        camera_offsets: Sequence[int] = (2, 4, 8, 16),
        recursive: bool = True,
        scorer_width: int = 16,
        residual_widths: Sequence[int] = (24, 48, 64),
        crop_px: int = 72,
        crops_per_frame: int = 3,
        frames_per_window: int = 4,
        candidates_per_step: int = 10,
        temperature: float = 0.02,
        motion_rows: int = 432,
        plate_px_at_1080: float = 64.0,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if len(residual_widths) != 3 or crop_px % 8:
            raise ConfigError(
                "candidate_fusion was given sizes it cannot build",
                found=f"residual_widths={list(residual_widths)}, crop_px={crop_px}",
                expected="three widths, and a crop that is a multiple of 8",
            )
        self.recipe = BankRecipe(tuple(flow_offsets), tuple(camera_offsets), recursive)
        # Of the farthest frames that lend, what is clean is seen beside frames farther still.
        self.reach_frames = self.recipe.reach_frames + bool(plate_px_at_1080) * self.recipe.few().reach_frames
        self.methods = (*CLASSICAL_FILLS, "prior", self.trained_method)
        self.crop_px = crop_px
        self.crops_per_frame = crops_per_frame
        self.frames_per_window = frames_per_window
        self.candidates_per_step = candidates_per_step
        self.scorer = CandidateScorer(_NUM_SCORER_FEATURES, _NUM_SCORER_WORDS, scorer_width)
        first, second, third = residual_widths
        self.residual = ResidualUNet(_NUM_RESIDUAL_FEATURES, (first, second, third))
        self.plate_px_at_1080 = plate_px_at_1080
        self.keeper = KeptPlate(thickest_px(plate_px_at_1080, LEARNED_ROWS))
        self.blend = Blend()
        self.motion_rows = motion_rows
        # What networks see of large frames is a sixteenth of these.
        self._memory, self._looks = ShotMemory(), ShotMemory(96.0, 64.0, 8.0, 48.0, 1.0)
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(temperature))))
        self._initial_log_temperature = float(np.log(temperature))

    # -- learning -----------------------------------------------------------------

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops around the synthetic hole of a few frames, each with its whole bank (half precision)."""
        return self.prepare_moving(example, motion_of(example), generator)

    def prepare_moving(self, example: Example, motion: WindowMotion, generator: torch.Generator) -> Sequence[Example]:
        """As :meth:`prepare`, with the window's motion given."""
        assert example.target is not None
        synthetic = example.condition.get("judged", example.mask)[:, 0].numpy() > 0
        builder = BankBuilder(motion, self.recipe)
        frames = [t for t in range(example.input.shape[0]) if synthetic[t].any()]
        order = torch.randperm(len(frames), generator=generator).tolist()
        prepared: list[Example] = []
        for frame in sorted(frames[i] for i in order[: self.frames_per_window]):
            bank = builder.build(frame)
            prefill = builder.motion.prefilled(frame)
            hole = builder.motion.holes[frame]
            thin = self._thin(hole)
            for top, left in self._crop_corners(synthetic[frame], generator):
                box = (slice(top, top + self.crop_px), slice(left, left + self.crop_px))
                prepared.append(
                    Example(
                        input=picture_tensor(prefill(box)).half(),
                        mask=plane_tensor(hole[box])[None],
                        target=example.target[frame : frame + 1, :, box[0], box[1]].half(),
                        condition={
                            **bank_tensors(bank.part(box)),
                            "plate": picture_tensor(motion.frames[frame][box])[0].half(),
                            "thin": plane_tensor(thin[box]),
                            "judged": plane_tensor(synthetic[frame][box])[None],
                        },
                    )
                )
        return prepared

    def _crop_corners(self, hole: NDArray[np.bool_], generator: torch.Generator) -> list[tuple[int, int]]:
        height, width = hole.shape
        if height < self.crop_px or width < self.crop_px:
            raise ConfigError(
                "frames are smaller than the training crop",
                found=f"{width}x{height} px",
                expected=f"at least {self.crop_px}x{self.crop_px} px",
                remedy="raise the training height or lower mini_model.crop_px",
            )
        ys, xs = np.nonzero(hole)
        picks = torch.randint(len(ys), (self.crops_per_frame,), generator=generator).tolist()
        half = self.crop_px // 2
        return [
            (
                int(np.clip(ys[i] - half, 0, height - self.crop_px)),
                int(np.clip(xs[i] - half, 0, width - self.crop_px)),
            )
            for i in picks
        ]

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Charbonnier on what is filled, L1 on the choice, L1 on gradients, and what is kept of the plate.

        All in the synthetic hole only. The last does not move what the others train.
        """
        assert example.target is not None
        condition = choose_candidates(example.condition, self.candidates_per_step, generator)
        prefill = example.input[:, 0].float()
        hole = example.mask[:, 0].float()
        target = example.target[:, 0].float()
        judged = example.condition["judged"][:, 0].float()
        result = self.fuse(prefill, hole, condition)
        composite = torch.where(hole > 0, result.filled, target)
        return {
            "charbonnier": charbonnier(result.filled, target, judged),
            "fused_l1": 0.5 * absolute(result.fused, target, judged),
            "gradient": 0.5 * gradient_difference(composite, target, judged),
            "kept": keeping_loss(result.kept, result.filled.detach(), result.final, target, judged * condition["thin"]),
        }

    def half_size(self, example: Example) -> Example:
        """Pictures and errors are means; a pixel is of a hole where any of its four is, and valid where all are."""
        assert example.target is not None
        condition = dict(example.condition)
        for half, names in (
            (half_mean, ("candidates", "error", "plate")),
            (half_any, ("thin", "judged")),
            (half_all, ("valid",)),
        ):
            condition |= {name: half(condition[name]) for name in names}
        halved = half_mean(example.input), half_any(example.mask), half_mean(example.target)
        return Example(*halved, condition, example.numbers)

    # -- restoring ----------------------------------------------------------------

    def fuse(self, prefill: Tensor, hole: Tensor, condition: Mapping[str, Tensor]) -> Fused:
        """Fuse the candidates of a batch of frames.

        ``prefill`` is ``b 3 h w``, ``hole`` ``b 1 h w``; condition holds ``candidates`` ``b n 3 h w``,
        ``valid`` and ``error`` ``b n 1 h w``, ``kinds`` and ``distances`` ``b n``, ``plate`` ``b 3 h w`` with whatever
        is in the hole, and ``thin`` ``b 1 h w``, 1 where that may be looked at.
        """
        candidates = condition["candidates"].float()
        valid = condition["valid"].float()
        error = condition["error"].float()
        prior_weight = self._prior_weight(error, valid)
        prior = (prior_weight * candidates).sum(1)
        features = torch.cat(
            (
                4.0 * (candidates - prior[:, None]) * valid,
                (candidates - prefill[:, None]).abs().mean(2, keepdim=True) * valid,
                10.0 * error,
                valid,
                hole[:, None].expand_as(valid),
            ),
            dim=2,
        )
        words = describe(condition["kinds"], condition["distances"])
        score = self.scorer(features, words)
        weight = self._weight(error, valid, score)
        fused = (weight * candidates).sum(1)
        spread = torch.sqrt((weight * (candidates - fused[:, None]).square()).sum(1).mean(1, keepdim=True) + 1e-6)
        # A product, because there may be no real view at all.
        seen = 1.0 - (1.0 - valid[:, NUM_SPATIAL:]).prod(1)
        best = weight.amax(1)
        residual = self.residual(torch.cat((fused, prefill, hole, seen, 5.0 * spread, best), 1))
        filled = fused + residual * hole
        certainty = torch.exp(-((weight * error).sum(1) + spread) / 0.05)
        plate, thin = condition["plate"].float(), condition["thin"].float()
        shown = valid * (condition["kinds"] > 0).to(valid.dtype)[..., None, None, None]
        # What is filled learns by itself, as if no plate were kept, and the rest on top of it.
        beside = Beside(plate, prefill, filled.detach(), spread.detach(), certainty.detach(), candidates, shown)
        kept = self.keeper(plate, thin, hole, beside)
        final = filled.detach() + kept.share * (kept.mended - filled.detach())
        return Fused(prior, fused, filled, final, certainty, kept, weight, prior_weight, score, residual, beside)

    def _prior_weight(self, error: Tensor, valid: Tensor) -> Tensor:
        # Computed as the learned logits are, so that the untrained model is its prior to the last bit.
        logits = -error * torch.exp(-error.new_tensor(self._initial_log_temperature)) + _INVALID_LOGIT * (1.0 - valid)
        return torch.softmax(logits, 1)

    def _weight(self, error: Tensor, valid: Tensor, score: Tensor) -> Tensor:
        logits = -error * torch.exp(-self.log_temperature) + 3.0 * score + _INVALID_LOGIT * (1.0 - valid)
        return torch.softmax(logits, 1)

    def _thin(self, hole: NDArray[np.bool_], height: int | None = None) -> NDArray[np.bool_]:
        """Where the plate in a frame's hole may be looked at, ``h w``, by what that is in frames of a ``height``."""
        if not self.plate_px_at_1080:
            return np.zeros_like(hole)
        return thin_parts(hole, thickest_px(self.plate_px_at_1080, height or len(hole)))

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Restore frames ``keep``; all methods share the window's motion, so that more of them cost little."""
        return self.restore_moving(self.motion_of(example), keep, methods)[0]

    def motion_of(self, example: Example) -> WindowMotion:
        """The motion near the holes of a window to restore, which remembers what other windows of the shot found."""
        self._looks.begin_window()
        return motion_near_holes(example, self._memory, self.motion_rows)

    @torch.no_grad()
    def restore_moving(
        self, motion: WindowMotion, keep: range, methods: Sequence[str] | None = None
    ) -> tuple[Mapping[str, Restored], Sequence[NDArray[np.bool_]]]:
        """As :meth:`restore`, with the window's motion given; and where each frame's hole shows in no other, ``h w``.

        The latter is known if a method looks at the bank, and else as if the bank were empty.
        """
        wanted, reach = self.wanted(methods), self.recipe.reach_frames
        lending = range(max(0, keep.start - reach), min(motion.num_frames, keep.stop + reach))
        clean = self._clean_parts(motion, lending) if self.trained_method in wanted else {}
        motion, keep = some_of(motion, lending), range(keep.start - lending.start, keep.stop - lending.start)
        narrow = narrowed(motion, clean) if clean else motion
        moving = {name: narrow if name == self.trained_method else motion for name in wanted}
        filled, never_seen = self._fill(motion, keep, [name for name in wanted if moving[name] is motion])
        if clean:
            of_trained, never_seen = self._fill(narrow, keep, [self.trained_method])
            filled |= of_trained

        def whole(name: str) -> Restored:
            found = filled[name]
            restored = composed(moving[name], keep, found.pictures, found.certainty)
            for place, frame in enumerate(keep):
                if name == self.trained_method and frame in clean:
                    pixels = clean[frame].pixels
                    restored.confidence[place, 0][pixels.ys, pixels.xs] = torch.from_numpy(clean[frame].sure)
            if found.num_unseen is None:
                return restored
            masked = torch.tensor([int(motion.holes[frame].sum()) for frame in keep])
            lent = None if motion.lent is None else found.lent
            return replace(restored, seen=masked - torch.tensor(found.num_unseen), lent=lent)

        return MadeWhenAsked({name: partial(whole, name) for name in wanted}), never_seen

    def _clean_parts(self, motion: WindowMotion, lending: range) -> dict[int, CleanPart]:
        """Of the frames that are ``lending``, by their number among these."""
        found = clean_parts(motion, lending, self.recipe, self._thin, self._look, self, self.keeper, self._looks)
        return {frame - lending.start: part for frame, part in found.items()}

    def _fill(
        self, motion: WindowMotion, keep: range, names: Sequence[str]
    ) -> tuple[dict[str, Filled], Sequence[NDArray[np.bool_]]]:
        """The holes of a window's frames filled by methods, and where each shows in no other frame, ``h w``."""
        learned = [name for name in names if name not in CLASSICAL_FILLS]
        builder = BankBuilder(motion, self.recipe, keep)
        filled = {}
        if learned and any(motion.holes[frame].any() for frame in keep):
            builder.find_shared()
            give_back_freed_memory()
        for name in names:
            if name in CLASSICAL_FILLS:
                fills = [classical_fill(name, motion, lambda: builder.sweeps, frame) for frame in keep]
                filled[name] = Filled([fill for fill, _ in fills], [sure for _, sure in fills])
        if not learned:
            return filled, [motion.holes[frame] for frame in keep]
        num_lent = 0 if motion.lent is None else len(motion.lent.frames)
        once = chosen_once(self._choose, self, builder, learned, num_lent, self._memory)
        chosen, never_seen = [], []
        for of_methods, unseen in in_turn(once, keep):
            chosen.append(of_methods)
            never_seen.append(unseen)
            give_back_freed_memory()
        for name in learned:
            ones = [of_methods[name] for of_methods in chosen]
            certainty = [one.sure for one in ones]
            pictures = blend_along_flow(motion, keep, [one.picture for one in ones], certainty, self.blend)
            num_unseen = [int(unseen.sum()) for unseen in never_seen]
            filled[name] = Filled(pictures, certainty, num_unseen, torch.stack([one.lent for one in ones]))
        return filled, never_seen

    def exportable(self, plate_height: int) -> Sequence[Exportable]:
        """The fusion of candidates that are lined up, as it is and as a node of a compositing program."""
        return fusion_exportables(self, plate_height)

    @torch.no_grad()
    def _look(self, builder: BankBuilder, frame: int, thin: NDArray[np.bool_]) -> Looked:
        return NearFusion(self.fuse, self.device).look(builder, frame, thin)

    @torch.no_grad()
    def _choose(
        self, builder: BankBuilder, frame: int, methods: Sequence[str], num_lent: int
    ) -> tuple[dict[str, Chosen], NDArray[np.bool_]]:
        """Fuse a frame's banks, by each of the methods, for its hole's pixels; and where no bank shows it, ``h w``."""
        motion, hole = builder.motion, builder.motion.holes[frame]
        chosen = {name: Chosen.nothing(len(motion.pixels(frame)), num_lent) for name in methods}
        never_seen = np.zeros(hole.shape, bool)
        if (factor := network_factor(motion.height)) > 1:
            raster = MotionRaster(motion.height, motion.width, round(motion.height / factor))
            large = LargeFusion(self.fuse, self._prior_weight, self._weight, self.device)
            large.choose(builder, frame, raster, chosen, never_seen)
        else:
            NearFusion(self.fuse, self.device).choose(builder, frame, chosen, never_seen)
        return chosen, hole & never_seen
