"""The finder: sees by itself what a removal is for, having learned it from the renders that the removal learns from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from scipy.special import expit, logit
from torch import Tensor, nn

from interpositive.backbones.finder_network import FinderNetwork
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.motion.finding_evidence import FindingEvidence, negative_evidence, num_channels
from interpositive.motion.line_tracing import trace_lines
from interpositive.motion.window_motion import Plane
from interpositive.objectives.pixel import weighted_mean
from interpositive.records.bounds import Bounds, refuse_outside

VISIBLE = 0.04
"""What changes a pixel by less, in the values worked on, is not asked for: nobody could see it either."""
_TRACE = 0.002
"""What changes a pixel by less than half a code of 8 bits leaves nothing that could be called rightly."""
_AGAINST = 4.0
_BOUNDS: Bounds = {
    "offsets": (1, 1000),
    "widths": (4, 1024),
    "crop_px": (16, 4096),
    "view_px": (16, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
    "share_on_it": (0.0, 1.0),
    "turned_share": (0.0, 1.0),
    "negative_share": (0.0, 1.0),
}


class Finder(nn.Module):
    """How likely each pixel of a window is part of what a removal removes: of what is fine, and of what is broad.

    The two are apart, as a boom has more pixels than all dust, and what could be one more than all that could be dust.
    ``offsets`` are the neighbours it compares a frame with, on both sides. Of each prepared window it learns from
    ``frames_per_window`` frames, ``crops_per_frame`` crops each, ``share_on_it`` of them about something to be found.
    A step sees a part of each crop, ``view_px`` square and mirrored, ``turned_share`` of them turned by a right angle,
    ``negative_share`` in negative.
    """

    def __init__(
        self,
        *,
        offsets: Sequence[int] = (1, 2, 4, 8),
        widths: Sequence[int] = (32, 64, 96, 128),
        crop_px: int = 160,
        view_px: int = 112,
        crops_per_frame: int = 3,
        frames_per_window: int = 3,
        share_on_it: float = 0.5,
        turned_share: float = 0.5,
        negative_share: float = 0.25,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "finder")
        if not widths or not offsets or any(width % 4 for width in widths):
            raise ConfigError(
                "the finder was given sizes it cannot build",
                found=f"widths={list(widths)}, offsets={list(offsets)}",
                expected="widths that are multiples of 4, and an offset or more",
            )
        self.offsets = tuple(offsets)
        self.crop_px = crop_px
        self.view_px = view_px
        self.crops_per_frame = crops_per_frame
        self.frames_per_window = frames_per_window
        self.share_on_it = share_on_it
        self.turned_share = turned_share
        self.negative_share = negative_share
        self.network = FinderNetwork(num_channels(self.offsets), tuple(widths))

    @property
    def reach_frames(self) -> int:
        """The farthest neighbour that it looks at."""
        return max(self.offsets)

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops of a window's evidence (half precision); ``condition["found"]`` is what is there to be found, fine
        and broad.

        Their mask is where that is certain: not the faint rims and blind stretches of what was drawn, and not the pixel
        beside it, which :func:`count` forgives.
        """
        found, drawn = what_was_drawn(example)
        damaged = (example.mask > example.condition["judged"])[:, 0].numpy()
        # Damage of the footage itself is neither.
        certain = found | ~(damaged | np.stack([_grown(frame) for frame in drawn]))
        num_frames, height, width = found.shape
        size = (min(self.crop_px, height), min(self.crop_px, width))
        evidence = FindingEvidence(frames_to_pictures(example.input), self.offsets)
        order = torch.randperm(num_frames, generator=generator).tolist()[: self.frames_per_window]
        prepared = []
        for frame in sorted(order):
            channels = evidence.channels(frame)
            broad = broad_part(drawn[frame])
            kinds = np.stack((found[frame] & ~broad, found[frame] & broad)).astype(np.float32)
            for _ in range(self.crops_per_frame):
                top, left = self._corner(found[frame], size, generator)
                box = (slice(top, top + size[0]), slice(left, left + size[1]))
                prepared.append(
                    Example(
                        input=torch.from_numpy(np.ascontiguousarray(channels[:, *box]))[None].half(),
                        mask=torch.from_numpy(certain[frame][box].astype(np.float32))[None, None],
                        condition={"found": torch.from_numpy(np.ascontiguousarray(kinds[:, *box]))[None]},
                    )
                )
        return prepared

    def _corner(self, found: NDArray[np.bool_], size: tuple[int, int], generator: torch.Generator) -> tuple[int, int]:
        """A crop's upper left corner: about something to be found, or anywhere.

        Each thing is as likely as another: by their pixels a boom would be seen more often than all dust.
        """
        room = [whole - part for whole, part in zip(found.shape, size, strict=True)]
        num, numbered = cv2.connectedComponents(found.astype(np.uint8), connectivity=8)
        on_it, thing, pick, aside_y, aside_x = torch.rand(5, generator=generator).tolist()
        if on_it >= self.share_on_it or num == 1:
            return int(aside_y * (room[0] + 1)), int(aside_x * (room[1] + 1))
        ys, xs = np.nonzero(np.asarray(numbered) == 1 + int(thing * (num - 1)))
        place = int(pick * len(ys))
        top = ys[place] - size[0] // 2 + (aside_y - 0.5) * size[0] * 2 / 3
        left = xs[place] - size[1] // 2 + (aside_x - 0.5) * size[1] * 2 / 3
        return int(np.clip(top, 0, room[0])), int(np.clip(left, 0, room[1]))

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy and the Dice loss (Milletari et al., 2016) of both kinds, where it is certain what is there.

        Whether something broad is called fine besides, or the other way, is not asked, and the Dice loss asks for
        something broad only where it is: without any, all that it does is to disturb what is fine.
        """
        evidence, certain, both = self._views(example, generator)
        logits = self.network(evidence).flatten(0, 1)[:, None]
        found = both.flatten(0, 1)[:, None]
        certain = (certain * (1.0 - both.flip(1))).flatten(0, 1)[:, None]
        likely = logits.sigmoid() * certain
        overlap = 2.0 * (likely * found).sum((1, 2, 3)) + 1.0
        missed = 1.0 - overlap / (likely.sum((1, 2, 3)) + (found * certain).sum((1, 2, 3)) + 1.0)
        asked = torch.stack((torch.ones_like(both[:, 0, 0, 0]), both[:, 1].amax((1, 2))), 1).flatten()
        entropy = F.binary_cross_entropy_with_logits(logits, found, reduction="none")
        # Sums over both kinds.
        return {"cross_entropy": 2.0 * weighted_mean(entropy, certain), "dice": 2.0 * (missed * asked).mean()}

    def _views(self, example: Example, generator: torch.Generator) -> list[Tensor]:
        """Of each crop a part, as it could have been filmed too: evidence, where it is certain, and what is there.

        A production's few wires hang in few directions, dark or bright; learned as they are, others are missed.
        """
        fields = [example.input[:, 0], example.mask[:, 0], example.condition["found"][:, 0]]
        height, width = example.input.shape[-2:]
        side = min(self.view_px, height, width)
        # Written where the network reads: copies of copies are a sixth of a step.
        views = [torch.empty(*field.shape[:2], side, side, device=field.device) for field in fields]
        for number in range(len(example.input)):
            aside_y, aside_x, flip_x, flip_y, turn, negative = torch.rand(6, generator=generator).tolist()
            top, left = int(aside_y * (height - side + 1)), int(aside_x * (width - side + 1))
            mirrored = [axis for axis, draw in ((-1, flip_x), (-2, flip_y)) if draw < 0.5]
            for field, seen in zip(fields, views, strict=True):
                view = field[number, :, top : top + side, left : left + side].flip(mirrored)
                if turn < self.turned_share:
                    view = view.transpose(-1, -2)
                if negative < self.negative_share and seen is views[0]:
                    view = negative_evidence(view, self.offsets)
                seen[number] = view
        return views

    @torch.no_grad()
    def look(self, frames: Tensor, keep: range) -> Plane:
        """How likely each pixel of the frames ``keep`` of a window ``t 3 h w`` is to be repaired: ``t 2 h w``.

        Fine things come first, then broad ones.
        """
        evidence = FindingEvidence(frames_to_pictures(frames), self.offsets)
        device = next(self.parameters()).device
        likely = []
        for frame in keep:
            # As prepared examples are: half precision, which training saw.
            channels = torch.from_numpy(evidence.channels(frame)).half().float()[None].to(device)
            likely.append(self.network(channels).sigmoid()[0].cpu().numpy())
        return np.stack(likely)

    @property
    def num_parameters(self) -> int:
        """All that it learns."""
        return sum(p.numel() for p in self.parameters())


def frames_to_pictures(frames: Tensor) -> Plane:
    """Frames ``t 3 h w`` as pictures ``t h w 3``."""
    return np.ascontiguousarray(rearrange(frames.float().numpy(), "t c h w -> t h w c"))


def what_was_drawn(example: Example) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a window was visibly changed, and where at all, both ``t h w``.

    The margin by which an artist's mask is wider belongs to neither: nothing is there.
    """
    assert example.target is not None
    changed = (example.input - example.target).abs().amax(1).numpy()
    judged = example.condition["judged"][:, 0].numpy() > 0
    return judged & (changed > VISIBLE), judged & (changed > _TRACE)


@dataclass(frozen=True)
class Settling:
    """How likelihoods become a mask: what is likelier than ``above``.

    Lines are followed with ``patience_px`` (:func:`~interpositive.motion.line_tracing.trace_lines`), unless that is 0.
    Then pieces whose bounding box has a diagonal shorter than ``least_px`` are dropped, unless they are somewhere
    likelier than ``sure`` (hysteresis; Canny, 1986). So it is with what is fine; what is broad
    has to be likelier than ``broad``, over more than something fine would fill, and at 1 nothing is. How likely
    something fine is, a frame is asked together with ``num_beside`` frames before it and after (:func:`together`).
    """

    above: float = 0.5
    least_px: float = 0.0
    broad: float = 1.0
    patience_px: float = 0.0
    num_beside: int = 0
    sure: float = 1.0

    def around(self, frame: int, num_frames: int) -> range:
        """The frames of a window that one of them is settled by: it and those beside it, as far as there are any."""
        return range(max(0, frame - self.num_beside), min(num_frames, frame + self.num_beside + 1))

    def likely(self, finder: Finder, frames: Tensor, frame: int) -> Plane:
        """What one frame of a window ``t 3 h w`` is settled by, ``2 h w``."""
        around = self.around(frame, len(frames))
        seen = together(finder.look(frames, around), self.num_beside)
        return next(islice(seen, frame - around.start, None))

    def settle(self, likely: Plane, picture: Plane) -> NDArray[np.bool_]:
        """The mask ``h w`` of one frame ``h w 3``, from likelihoods ``2 h w`` (:func:`together`)."""
        return self.without_doubtful(self.followed(likely[0], picture), likely[0]) | self.areas(likely[1])

    def areas(self, likely: Plane) -> NDArray[np.bool_]:
        """What of a frame is something broad, from its likelihood ``h w``."""
        return broad_part(likely > self.broad)

    def followed(self, likely: Plane, picture: Plane) -> NDArray[np.bool_]:
        """What is fine, its short pieces still there, from its likelihood ``h w`` and the picture."""
        mask: NDArray[np.bool_] = likely > self.above
        return trace_lines(mask, likely, picture, self.patience_px) if self.patience_px else mask

    def without_doubtful(self, mask: NDArray[np.bool_], likely: Plane) -> NDArray[np.bool_]:
        """A mask ``h w`` without its pieces that are short and nowhere likely enough."""
        if not self.least_px:
            return mask
        _, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        kept = np.hypot(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT]) >= self.least_px
        kept[np.asarray(labels)[likely > self.sure]] = True
        kept[0] = False
        left: NDArray[np.bool_] = kept[np.asarray(labels)]
        return left


def together(likely: Iterable[Plane], num_beside: int) -> Iterator[Plane]:
    """Likelihoods ``2 h w`` of a run of frames, with something fine as likely as its frame and those beside it say.

    The mean of their log odds, pixel by pixel; of fewer frames at both ends of the run, which is a shot's or a window's
    and has no cut in it. Those beside speak for something as much as they can, and against it by 4 at most: what moves
    by more than its width is in none of them at its place. Something broad is as likely as its own frame says.
    Gives a frame once it has seen ``num_beside`` more, and holds no more than twice as many.
    """
    if not num_beside:
        yield from likely
        return
    near = deque[tuple[Plane, Plane] | None]([None] * num_beside, 2 * num_beside + 1)
    for plane in chain(likely, repeat(None, num_beside)):
        near.append(None if plane is None else (plane, _log_odds(plane[0])))
        middle = near[num_beside] if len(near) == near.maxlen else None
        if middle is not None:
            own, odds = middle
            agreed = np.mean([np.maximum(other[1], odds - _AGAINST) for other in near if other is not None], axis=0)
            yield np.stack((expit(agreed), own[1])).astype(np.float32)


def _log_odds(likely: Plane) -> Plane:
    odds: Plane = logit(np.clip(likely, 1e-6, 1.0 - 1e-6).astype(np.float64))
    return odds


@dataclass(frozen=True)
class Counts:
    """Pixels of a judgement: to be found, of these found; found at all, of these rightly.

    A pixel is found if the mask has one within a pixel of it; the mask is right where something that was drawn, be it
    a faint rim, is within a pixel.
    """

    wanted: int = 0
    met: int = 0
    named: int = 0
    right: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.wanted + other.wanted, self.met + other.met, self.named + other.named, self.right + other.right
        )

    @property
    def recall(self) -> float:
        """Share of what was to be found; 1 where there was nothing."""
        return self.met / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 1 where nothing was."""
        return self.right / self.named if self.named else 1.0

    def f_score(self) -> float:
        """F1, the harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total else 0.0


def count(mask: NDArray[np.bool_], wanted: NDArray[np.bool_], drawn: NDArray[np.bool_]) -> Counts:
    """Judge a mask ``h w`` by what is to be found and by all that was drawn."""
    return Counts(
        wanted=int(wanted.sum()),
        met=int((wanted & _grown(mask)).sum()),
        named=int(mask.sum()),
        right=int((mask & _grown(drawn)).sum()),
    )


def broad_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of a mask ``h w`` is broad, as booms and their shadows are: where a square of a 24th of the height fits in.

    Wires, dust, hairs and scratches are fine.
    """
    size = max(3, mask.shape[0] // 24)
    # Its corners and its soft rim belong to it.
    core = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    return mask & (cv2.dilate(core, np.ones((size, size), np.uint8)) > 0)


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
