"""Per-frame U-Net: learns from a few frames before and after, and repairs each frame by itself, blind to time.

How compositors' own tools learn from a handful of finished frames. It is here to be compared with: what it lacks
beside the others is the frames around, from which pixels could be copied, and anything that would hold it still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from interpositive.backbones.fusion_network import ResidualUNet
from interpositive.errors import ConfigError
from interpositive.functional.examples import Example
from interpositive.mini_models.contract import MiniModel, Restored
from interpositive.mini_models.evidence_fusion import crop_corners
from interpositive.motion.spatial_fill import telea_fill
from interpositive.motion.window_frames import value_range
from interpositive.objectives.pixel import charbonnier, gradient_difference
from interpositive.records.bounds import Bounds, refuse_outside
from interpositive.tasks.contract import Lack

_NUM_LOOK = 6
_NUM_FEATURES = 3 + 1 + _NUM_LOOK
_BOUNDS: Bounds = {
    "widths": (1, 1024),
    "crop_px": (8, 4096),
    "crops_per_frame": (1, 256),
    "frames_per_window": (1, 1000),
}


class PerFrameUNet(MiniModel):
    """A U-Net from the frame before to the frame after, shown where it may change.

    ``frames_per_window`` frames of each window are its pairs, cut into ``crops_per_frame`` crops of ``crop_px``. A hole
    is bridged by Telea's fill, which is the *prior*; where all of a frame is masked, what is there is corrected. A
    ``reference`` in the condition is told as how far its colours' mean and deviation lie from the frame's.
    """

    trained_method = "trained"
    supplies: ClassVar[frozenset[Lack]] = frozenset({"pixels", "look"})
    reach_frames = 0
    methods = ("prior", "trained")

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 96),
        crop_px: int = 96,
        crops_per_frame: int = 8,
        frames_per_window: int = 1,
    ) -> None:
        super().__init__()
        given: dict[str, object] = {name: value for name, value in locals().items() if name in _BOUNDS}
        refuse_outside(_BOUNDS, given, "mini_model")
        if len(widths) != 3 or crop_px % 8:
            raise ConfigError(
                "per_frame_unet was given sizes it cannot build",
                found=f"widths={list(widths)}, crop_px={crop_px}",
                expected="the widths of three levels, and a crop that is a multiple of 8",
            )
        self.crop_px, self.crops_per_frame, self.frames_per_window = crop_px, crops_per_frame, frames_per_window
        first, second, third = widths
        self.network = ResidualUNet(_NUM_FEATURES, (first, second, third))

    def prepare(self, example: Example, generator: torch.Generator) -> Sequence[Example]:
        """Crops of a few frames, about what is judged there."""
        assert example.target is not None
        judged = example.condition.get("judged", example.mask)
        wanted = [t for t in range(len(judged)) if judged[t].any()]
        order = torch.randperm(len(wanted), generator=generator).tolist()
        prepared: list[Example] = []
        for frame in sorted(wanted[i] for i in order[: self.frames_per_window]):
            at = slice(frame, frame + 1)
            before = bridged(example.input[at], example.mask[at])
            look = look_of(before, _reference(example, at))
            for top, left in crop_corners(judged[frame, 0].float(), self.crop_px, self.crops_per_frame, generator):
                box = (..., slice(top, top + self.crop_px), slice(left, left + self.crop_px))
                prepared.append(
                    Example(
                        before[box].half(),
                        example.mask[at][box],
                        example.target[at][box].half(),
                        {"judged": judged[at][box], "look": look},
                    )
                )
        return prepared

    def losses(self, example: Example, generator: torch.Generator) -> dict[str, Tensor]:
        """Charbonnier and L1 on gradients, where ``judged``."""
        del generator
        assert example.target is not None
        hole, target = (example.mask[:, 0] > 0).float(), example.target[:, 0].float()
        after = self(example.input[:, 0].float(), hole, example.condition["look"][:, 0].float())
        judged = example.condition["judged"][:, 0].float()
        return {
            "charbonnier": charbonnier(after, target, judged),
            "gradient": 0.5 * gradient_difference(torch.where(hole > 0, after, target), target, judged),
        }

    def forward(self, before: Tensor, hole: Tensor, look: Tensor) -> Tensor:
        """Frames after, ``b 3 h w``, of frames before, their holes ``b 1 h w`` and looks ``b 6``."""
        planes = look[..., None, None].expand(*look.shape, *before.shape[-2:])
        after: Tensor = before + hole * self.network(torch.cat((before, hole, planes), 1))
        return after

    @torch.no_grad()
    def restore(self, example: Example, keep: range, methods: Sequence[str] | None = None) -> Mapping[str, Restored]:
        """Repair the frames ``keep``, each by itself."""
        wanted = self.wanted(methods)
        device = self.device
        low, high = value_range(example.input.float().cpu().numpy())
        results: dict[str, list[Tensor]] = {name: [] for name in wanted}
        for number in keep:
            at = slice(number, number + 1)
            frame, hole = example.input[at].cpu().float(), (example.mask[at] > 0).cpu().float()
            if not hole.any():
                for name in wanted:
                    results[name].append(frame)
                continue
            before = bridged(frame, hole)
            for name in wanted:
                after = before
                if name == self.trained_method:
                    look = look_of(before, _reference(example, at))
                    after = self(before.to(device), hole.to(device), look.to(device)).cpu()
                results[name].append(torch.where(hole > 0, after.clamp(low, high), frame))
        # A network that sees one frame cannot say how sure it is.
        kept = example.mask[keep.start : keep.stop].cpu()
        sure = torch.where(kept > 0, 0.5, 1.0)
        return {name: Restored(torch.cat(frames), sure) for name, frames in results.items()}


def bridged(frames: Tensor, mask: Tensor) -> Tensor:
    """Frames ``t 3 h w`` with their holes filled by Telea; one that is masked all over is left as it is."""
    pictures = rearrange(frames.detach().cpu().float().numpy(), "t c h w -> t h w c")
    holes = mask[:, 0].cpu().numpy() > 0
    filled = [
        picture if hole.all() else telea_fill(np.ascontiguousarray(picture), hole)
        for picture, hole in zip(pictures, holes, strict=True)
    ]
    return rearrange(torch.from_numpy(np.stack(filled)), "t h w c -> t c h w").contiguous()


def look_of(frames: Tensor, reference: Tensor | None) -> Tensor:
    """How far each channel's mean and deviation in a reference ``t n 3 h w`` lie from a frame's, ``t 6``."""
    if reference is None:
        return torch.zeros(len(frames), _NUM_LOOK)
    theirs = rearrange(reference.detach().cpu().float(), "t n c h w -> t c (n h w)")
    mine = rearrange(frames, "t c h w -> t c (h w)")
    return torch.cat((theirs.mean(-1) - mine.mean(-1), theirs.std(-1) - mine.std(-1)), -1)


def _reference(example: Example, at: slice) -> Tensor | None:
    return example.condition["reference"][at] if "reference" in example.condition else None
