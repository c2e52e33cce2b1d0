"""Fusion by evidence: a prior says how far each candidate is to be believed, and what was learned corrects that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from interpositive.backbones.fusion_network import CandidateScorer, ResidualUNet
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.objectives.pixel import absolute, charbonnier, gradient_difference

_NUM_FEATURES = 3 + 1 + 1 + 1 + 1
_NUM_RESIDUAL = 3 + 3 + 3 + 1 + 1
_BLOCKED = -30.0
_SURE = 0.04


@dataclass(frozen=True)
class Weighed:
    """The prior's picture, the learned choice and the final estimate (``b 3 h w``), and certainty (``b 1 h w``)."""

    prior: Tensor
    fused: Tensor
    final: Tensor
    certainty: Tensor


@dataclass(frozen=True)
class Shares:
    """How much of each candidate the prior takes and the learned choice takes (``b n 1 h w``); what else is known.

    ``prior`` and ``fused`` are what these make of the candidates, and ``residual`` is to be added to the latter.
    ``score`` (``b n 1 h w``) and ``residual`` are what the networks say, within their bounds.
    """

    of_prior: Tensor
    of_learned: Tensor
    prior: Tensor
    fused: Tensor
    score: Tensor
    residual: Tensor
    certainty: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All of it, in order."""
        return (
            self.of_prior,
            self.of_learned,
            self.prior,
            self.fused,
            self.score,
            self.residual,
            self.certainty,
        )

    def to(self, device: str) -> Shares:
        """The same on a device."""
        return Shares(*(part.to(device) for part in self.parts))


class EvidenceFusion(nn.Module):
    """A softmax over candidates, and a residual; both corrections are zero until they have learned.

    A bank is a mapping: ``candidates`` ``b n 3 h w``; ``valid``, ``weight`` (what the prior gives it, above 0),
    ``error`` (how badly it fits, in code values) and ``gap`` (another measure of that, for the network alone)
    ``b n 1 h w``; ``words`` ``b n w`` and ``bias`` ``b n`` about each candidate as a whole. Candidates ``anchors``
    are shown to the residual network.

    With ``most_swing`` what learned moves the log odds of a candidate by no more than that, against the mean of what
    the prior takes, and of candidates ``made_up`` not at all. Without ``residual_widths`` there is no residual.
    """

    def __init__(
        self,
        num_words: int,
        scorer_width: int,
        residual_widths: Sequence[int],
        temperature: float,
        anchors: Sequence[int],
        *,
        most_swing: float | None = None,
        made_up: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.residual: ResidualUNet | None = None
        if residual_widths:
            if len(residual_widths) != 3:
                raise ConfigError(
                    "mini_model.residual_widths are the widths of three levels", found=list(residual_widths)
                )
            first, second, third = residual_widths
            self.residual = ResidualUNet(_NUM_RESIDUAL, (first, second, third))
        self.scorer = CandidateScorer(_NUM_FEATURES, num_words, scorer_width)
        self.log_temperature = nn.Parameter(torch.tensor(float(np.log(temperature))))
        self._initial_log_temperature = float(np.log(temperature))
        self.anchors, self.made_up, self.most_swing = list(anchors), list(made_up), most_swing

    def forward(self, bank: Mapping[str, Tensor]) -> Weighed:
        """Fuse the candidates of a batch of banks."""
        found = self.weigh(bank)
        return Weighed(found.prior, found.fused, found.fused + found.residual, found.certainty)

    def weigh(self, bank: Mapping[str, Tensor]) -> Shares:
        """Weigh the candidates of a batch of banks."""
        candidates = bank["candidates"].float()
        valid, error, weight = (bank[name].float() for name in ("valid", "error", "weight"))
        evidence = _evidence(bank)
        of_prior = self._of_prior(evidence, error)
        prior = (of_prior * candidates).sum(1)
        words = bank["words"].float()
        # A candidate is scored by itself: without gradients to keep, one at a time takes a tenth of the memory.
        num = candidates.shape[1]
        step = num if torch.is_grad_enabled() else 1
        scores = []
        for some in (slice(first, first + step) for first in range(0, num, step)):
            unlike = 4.0 * (candidates[:, some] - prior[:, None])
            planes = bank["gap"][:, some].float(), 10.0 * error[:, some], weight[:, some], valid[:, some]
            scores.append(self.scorer(torch.cat((unlike, *planes), 2), words[:, some]))
        score = self._bounded(torch.cat(scores, 1), of_prior)
        share = self._of_learned(evidence, error, score)
        fused = (share * candidates).sum(1)
        spread = torch.sqrt((share * (candidates - fused[:, None]).square()).sum(1).mean(1, keepdim=True) + 1e-6)
        doubt = (share * error).sum(1)
        residual = torch.zeros_like(fused)
        if self.residual is not None:
            sides = candidates[:, self.anchors] - fused[:, None]
            residual = self.residual(torch.cat((fused, *sides.unbind(1), 5.0 * spread, 5.0 * doubt), 1))
        return Shares(of_prior, share, prior, fused, score, residual, torch.exp(-(doubt + spread) / _SURE))

    def weigh_scored(self, bank: Mapping[str, Tensor], score: Tensor, certainty: Tensor) -> Shares:
        """Weigh the candidates of a batch of banks by scores that were found on a smaller raster; no residual."""
        candidates, error, evidence = bank["candidates"].float(), bank["error"].float(), _evidence(bank)
        of_prior, share = self._of_prior(evidence, error), self._of_learned(evidence, error, score)
        prior, fused = ((each * candidates).sum(1) for each in (of_prior, share))
        return Shares(of_prior, share, prior, fused, score, torch.zeros_like(fused), certainty)

    def _bounded(self, score: Tensor, of_prior: Tensor) -> Tensor:
        if self.most_swing is None:
            return score
        # What all scores have in common says nothing; left in, it would use up what they may differ by.
        bounded = self.most_swing * torch.tanh((score - (of_prior * score).sum(1, keepdim=True)) / self.most_swing)
        # Absolute errors prefer the sharper of two guesses, which is the worse.
        is_made_up = torch.zeros_like(bounded[:1, :, :1, :1, :1])
        is_made_up[:, self.made_up] = 1.0
        return bounded * (1.0 - is_made_up)

    def _of_prior(self, evidence: Tensor, error: Tensor) -> Tensor:
        return torch.softmax(evidence - error * torch.exp(-error.new_tensor(self._initial_log_temperature)), 1)

    def _of_learned(self, evidence: Tensor, error: Tensor, score: Tensor) -> Tensor:
        return torch.softmax(evidence - error * torch.exp(-self.log_temperature) + score, 1)

    def losses(self, example: Example) -> dict[str, Tensor]:
        """Charbonnier on the result, L1 on the choice, L1 on gradients; where ``judged``. The bank is the condition."""
        assert example.target is not None
        target, judged = example.target[:, 0].float(), example.condition["judged"][:, 0].float()
        weighed = self(example.condition)
        return {
            "charbonnier": charbonnier(weighed.final, target, judged),
            "fused_l1": 0.5 * absolute(weighed.fused, target, judged),
            "gradient": 0.5 * gradient_difference(weighed.final, target, judged),
        }


def _evidence(bank: Mapping[str, Tensor]) -> Tensor:
    """What a bank says of its candidates but for how badly they fit, ``b n 1 h w``."""
    blocked = _BLOCKED * (1.0 - bank["valid"].float())
    return torch.log(bank["weight"].float()) + bank["bias"].float()[..., None, None, None] + blocked


def turned(example: Example, generator: torch.Generator) -> Example:
    """A batch of prepared examples of square crops, mirrored and transposed at random, all of it alike."""
    down, across, transposed = (torch.rand(3, generator=generator, device=generator.device) < 0.5).tolist()
    mirrored = [axis for axis, drawn in ((-2, down), (-1, across)) if drawn]

    def turn(plane: Tensor) -> Tensor:
        flipped = plane.flip(mirrored)
        return flipped.transpose(-1, -2).contiguous() if transposed else flipped

    assert example.target is not None
    # What has fewer axes says something of candidates as a whole.
    condition = {name: turn(value) if value.ndim > 3 else value for name, value in example.condition.items()}
    return Example(turn(example.input), turn(example.mask), turn(example.target), condition)


def crop_corners(likely: Tensor, crop_px: int, num: int, generator: torch.Generator) -> list[tuple[int, int]]:
    """Corners of crops about pixels drawn from ``likely`` (``h w``, above 0); ``ConfigError`` if none fits."""
    height, width = likely.shape
    if height < crop_px or width < crop_px:
        raise ConfigError(
            "frames are smaller than the training crop",
            found=f"{width}x{height} px",
            expected=f"at least {crop_px}x{crop_px} px",
            remedy="raise the training height or lower mini_model.crop_px",
        )
    corners = []
    for place in torch.multinomial(likely.flatten(), num, generator=generator).tolist():
        top, left = place // width - crop_px // 2, place % width - crop_px // 2
        corners.append((int(np.clip(top, 0, height - crop_px)), int(np.clip(left, 0, width - crop_px))))
    return corners


def crop_example(
    bank: Mapping[str, Tensor], target: Tensor, judged: Tensor, corner: tuple[int, int], crop_px: int
) -> Example:
    """A prepared example: a crop of a frame's bank, of its truth ``1 3 h w`` and of what is judged ``1 1 h w``."""
    box = (..., slice(corner[0], corner[0] + crop_px), slice(corner[1], corner[1] + crop_px))
    cut = {name: value[box] if value.ndim > 2 else value for name, value in bank.items()}
    return Example(
        input=cut["candidates"][:1],
        mask=torch.ones_like(cut["valid"][:1]),
        target=target[box].half(),
        condition={**cut, "judged": judged[box]},
    )
