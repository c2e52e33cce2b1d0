"""Fitted grade: one ASC CDL for a whole shot, from what it and its reference both show.

The *prior* fits the grade robustly to pairs of colours of the same things, or to the spread of colours where
there are too few. A small network that sees how well that went learns, from grades taken off the production's own
takes, what to add. One grade a shot: nothing can flicker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from interpositive.functional.examples import Example
from interpositive.functional.grade_fit import fit_grade
from interpositive.functional.grades import NUM_NUMBERS, graded, graded_frames
from interpositive.media.grade_files import cdl_text, cube_lattice, cube_text
from interpositive.mini_models.colour_transfer import TRANSFERS
from interpositive.mini_models.contract import MadeWhenAsked, MiniModel, Restored
from interpositive.motion.colour_pairs import ColourPairs, colour_pairs
from interpositive.motion.window_frames import value_range
from interpositive.objectives.pixel import charbonnier
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.records.cdl import Cdl
from interpositive.tasks.contract import Lack

_BOUNDS: Bounds = {"num_shot_frames": (1, 16), "sure_coverage": (1e-3, 1.0), "width": (1, 1024)}
_LEVELS = np.array([0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98])
_NUM_FEATURES = NUM_NUMBERS + 1 + 2 * 3 * len(_LEVELS) + 5 * 4
_NUM_PIXELS = 512

Colours = NDArray[np.float32]


@dataclass(frozen=True)
class _Fit:
    """The prior's grade, the network's view of it, and colours ``n 3`` of the shot and of its reference."""

    grade: Tensor
    features: Tensor
    shot: Colours
    reference: Colours
    coverage: float


class FittedGrade(MiniModel):
    """A grade fitted to pairs of colours, and a small network's correction of it.

    ``num_shot_frames`` of the shot are looked at; from ``sure_coverage`` of them seen in the reference on, pairs alone
    decide. ``width`` is the network's. The example's condition holds ``reference``, ``t n 3 h w``, and may hold
    ``shot_pictures`` of the whole shot in the same form: without it, the window's own frames are looked at.
    """

    trained_method = "trained"
    hides_masked = False
    supplies: ClassVar[frozenset[Lack]] = frozenset({"look"})
    reach_frames = 0

    def __init__(self, *, num_shot_frames: int = 4, sure_coverage: float = 0.1, width: int = 48) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        self.num_shot_frames = num_shot_frames
        self.sure_coverage = sure_coverage
        self.methods = (*TRANSFERS, "prior", self.trained_method)
        last = nn.Linear(width, NUM_NUMBERS)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(
            nn.Linear(_NUM_FEATURES, width), nn.LeakyReLU(0.1), nn.Linear(width, width), nn.LeakyReLU(0.1), last
        )

    # -- learning -----------------------------------------------------------------

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """One example a window: the prior's fit, and some of the window's pixels as a picture of one row."""
        assert example.target is not None
        fit = self.fit(example)
        judged = example.condition["judged"][:, 0].flatten() > 0
        places = torch.nonzero(judged)[:, 0]
        if not len(places):
            return []
        chosen = places[torch.randint(len(places), (_NUM_PIXELS,), generator=generator)]
        pixels = [rearrange(f.float(), "t c h w -> c (t h w)")[:, chosen] for f in (example.input, example.target)]
        row = [rearrange(p, "c n -> 1 c 1 n").contiguous() for p in pixels]
        condition = {"grade": fit.grade[None], "features": fit.features[None]}
        return [Example(row[0], torch.ones_like(row[0][:, :1]), row[1], condition)]

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Charbonnier on the graded pixels."""
        del generator
        assert example.target is not None
        grade = self.corrected(example.condition["grade"][:, 0], example.condition["features"][:, 0])
        made = graded(example.input[:, 0, :, 0].float(), grade)[:, :, None]
        target = example.target[:, 0].float()
        return {"charbonnier": charbonnier(made, target, torch.ones_like(target[:, :1]), epsilon=1e-4)}

    # -- restoring ----------------------------------------------------------------

    def corrected(self, grade: Tensor, features: Tensor) -> Tensor:
        """The prior's grade ``b 10`` with what the network adds."""
        return grade.float() + 0.2 * torch.tanh(self.network(features.float()))

    def fit(self, example: Example) -> _Fit:
        """The prior's grade of a window, from its pictures and those of its reference."""
        frames = (
            example.condition["shot_pictures"][0]
            if "shot_pictures" in example.condition
            else _spaced(example.input, self)
        )
        shot, reference = _pictures(frames), _pictures(example.condition["reference"][0])
        pairs = colour_pairs(shot, reference)
        trust = min(1.0, pairs.coverage / self.sure_coverage)
        pixels = (_pixels(shot), _pixels(reference))
        grade = fit_grade((pairs.shot, pairs.reference), pixels, trust)
        found = torch.from_numpy(grade)
        features = _features(found, pairs, pixels)
        return _Fit(found.to(self.device), features.to(self.device), pixels[0], pixels[1], pairs.coverage)

    @torch.no_grad()
    def papers(self, condition: Mapping[str, Tensor], method: str, name: str) -> Mapping[str, str]:
        """The grade as ``.cdl``, ``.ccc`` and a cube of 33, in the values that the mini-model works on."""
        if method in TRANSFERS or not {"reference", "shot_pictures"} <= set(condition):
            return {}
        shot = condition["shot_pictures"][0]
        grade = self._grade(self.fit(Example(shot, torch.ones_like(shot[:, :1]), condition=dict(condition))), method)
        cdl = cdl_of(grade, id=name, description=f"{name} matched to its reference")
        return {
            f"{name}.cdl": cdl_text(cdl),
            f"{name}.ccc": cdl_text(cdl, collection=True),
            f"{name}.cube": cube_text(_graded_cube(grade), name),
        }

    def _grade(self, fit: _Fit, method: str) -> Tensor:
        return fit.grade if method == "prior" else self.corrected(fit.grade[None], fit.features[None])[0]

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Frames ``keep`` with the reference's look; without one in the condition they stay as they are."""
        wanted = self.wanted(methods)
        example = example.to(self.device)
        plate = example.input[keep.start : keep.stop].float()
        mask = example.mask[keep.start : keep.stop] > 0
        if "reference" not in example.condition or not bool(mask.any()):
            return {name: Restored(plate, torch.ones_like(plate[:, :1])) for name in wanted}
        fit = self.fit(example)
        sure = torch.where(mask, min(1.0, 0.3 + fit.coverage / self.sure_coverage), 1.0).to(plate.dtype)
        low, high = value_range(_pictures(example.input))

        def made(name: str) -> Restored:
            if name in TRANSFERS:
                moved = TRANSFERS[name](fit.shot, fit.reference)(_pictures(plate))
                look = rearrange(torch.from_numpy(moved), "t h w c -> t c h w").to(plate.device)
            else:
                look = graded_frames(plate, self._grade(fit, name))
            return Restored(torch.where(mask, look.clamp(low, high), plate), sure)

        return MadeWhenAsked({name: partial(torch.no_grad()(made), name) for name in wanted})


def _graded_cube(grade: Tensor) -> Colours:
    colours = torch.from_numpy(np.ascontiguousarray(cube_lattice().T))
    return np.asarray(graded(colours, grade.cpu()).numpy().T)


def cdl_of(grade: Tensor, **words: str) -> Cdl:
    """A grade ``10`` as an ASC CDL."""
    numbers = grade.double().cpu()
    return Cdl(
        slope=tuple(numbers[0:3].exp().tolist()),
        offset=tuple(numbers[3:6].tolist()),
        power=tuple(numbers[6:9].exp().tolist()),
        saturation=float(numbers[9].exp()),
        **words,
    )


def _spaced(frames: Tensor, model: FittedGrade) -> Tensor:
    places = torch.linspace(0, len(frames) - 1, min(len(frames), model.num_shot_frames)).round().long()
    return frames[places]


def _pictures(frames: Tensor) -> Colours:
    return np.ascontiguousarray(rearrange(frames.float().cpu().numpy(), "t c h w -> t h w c"))


def _pixels(pictures: Colours) -> Colours:
    flat = pictures.reshape(-1, 3)
    return flat[:: max(1, len(flat) // 4000)]


def _features(grade: Tensor, pairs: ColourPairs, pixels: tuple[Colours, Colours]) -> Tensor:
    """What the network sees: the grade, how far it brought spreads and pairs together, and how much was seen."""
    made = [graded(torch.from_numpy(np.ascontiguousarray(c.T)), grade).numpy().T for c in (pixels[0], pairs.shot)]
    wanted = np.quantile(pixels[1], _LEVELS, axis=0)
    rest = 10.0 * (wanted - np.quantile(made[0], _LEVELS, axis=0))
    bands = np.zeros((5, 4), np.float32)
    level = made[1].mean(1)
    for band in range(5):
        inside = (level >= band / 5) & (level < (band + 1) / 5)
        if inside.sum() >= 8:
            bands[band, :3] = 30.0 * np.median((pairs.reference - made[1])[inside], 0)
            bands[band, 3] = inside.mean()
    parts = (grade.numpy(), [pairs.coverage], rest.ravel(), wanted.ravel(), bands.ravel())
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))
