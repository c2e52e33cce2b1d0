"""Candidate fusion for other programs: the learned part alone, and with all it needs around it as a compositing node.

Finding and lining up the views (flow, camera, sweeps) stays here: it is no network. In a compositing program an artist
lines them up, by a track, a projection or a vector warp, as for any paint-out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interpositive.functional.seeds import generator_from
from interpositive.mini_models.candidate_bank import KINDS, SPATIAL_ERROR
from interpositive.mini_models.exportable import Exportable, Port
from interpositive.mini_models.kept_plate import thickest_px
from interpositive.mini_models.view_comparing import ERROR_WHERE_UNKNOWN, MAX_LEVEL_SHIFT, pool_sigma_px

NUM_NODE_VIEWS = 3
"""Nuke lends a node 19 channels; plate, mask and three views with their mattes take 16."""
_NODE_DISTANCE = 4.0
_NUM_LEVELS = 7
_NUM_RELAXATIONS = 6
_PICTURE, _MATTE = "batch 3 height width", "batch 1 height width"
_VIEW = "batch 4 height width"
_OF_VIEWS = "batch views {} height width"


class FusionNetwork(nn.Module):
    """Scores, softmax and residual of a ``CandidateFusion`` over candidates that somebody else has prepared."""

    def __init__(self, fusion: Any) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(
        self,
        prefill: Tensor,
        hole: Tensor,
        candidates: Tensor,
        valid: Tensor,
        error: Tensor,
        kinds: Tensor,
        distances: Tensor,
        plate: Tensor,
        thin: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The picture in the hole, and how sure it is."""
        given = {"candidates": candidates, "valid": valid, "error": error, "kinds": kinds, "distances": distances}
        fused = self.fusion.fuse(prefill, hole, {**given, "plate": plate, "thin": thin})
        return fused.final, fused.certainty


class FusionNode(nn.Module):
    """Plate, mask and views that are lined up with the plate, to the repaired plate; outside the mask it is the plate.

    Views are ``b 4 h w``, the last channel 1 where they show the scene. They are levelled to the plate and compared
    with it around the hole as the candidate bank does, as widely as on plates of ``plate_height`` rows; both spatial
    candidates are one membrane.
    """

    def __init__(self, fusion: Any, plate_height: int) -> None:
        super().__init__()
        self.network = FusionNetwork(fusion)
        self.most_px = thickest_px(fusion.plate_px_at_1080, plate_height) if fusion.plate_px_at_1080 else 1
        sigma = pool_sigma_px(plate_height)
        # As far as OpenCV goes for floats.
        self.radius = round(8 * sigma + 1) // 2
        offsets = torch.arange(-self.radius, self.radius + 1, dtype=torch.float64)
        weights = torch.exp(-0.5 * (offsets / sigma).square())
        self.register_buffer("row", (weights / weights.sum()).float()[None, None, None])
        kinds = [KINDS.index("spatial")] * 2 + [KINDS.index("camera")] * NUM_NODE_VIEWS
        self.register_buffer("kinds", torch.tensor([kinds]))
        self.register_buffer("distances", torch.tensor([[0.0, 1.0, *[_NODE_DISTANCE] * NUM_NODE_VIEWS]]))
        self.row: Tensor
        self.kinds: Tensor
        self.distances: Tensor

    def forward(self, plate: Tensor, mask: Tensor, *views: Tensor) -> tuple[Tensor, Tensor]:
        """Repaired plate ``b 3 h w``, and how sure it is ``b 1 h w``, 1 outside the mask."""
        hole = (mask > 0).to(plate.dtype)
        around = 1.0 - F.max_pool2d(hole, 3, stride=1, padding=1)
        prefill = membrane(plate, hole)
        known = torch.ones_like(hole)
        pictures, valid = [prefill, prefill], [known, known]
        errors = [SPATIAL_ERROR * known] * 2
        for view in views:
            shows = (view[:, 3:] > 0.5).to(plate.dtype)
            levelled, error = self.level_and_compare(view[:, :3], plate, around * shows)
            pictures.append(levelled * shows)
            valid.append(shows)
            errors.append(error)
        # A matrix product, for an expansion would keep the batch of the trace.
        each = torch.ones_like(plate[:, :1, 0, 0])
        final, certainty = self.network(
            prefill,
            hole,
            *(torch.stack(kind, 1) for kind in (pictures, valid, errors)),
            self.kinds * each.to(self.kinds.dtype),
            self.distances * each,
            plate,
            self.thin_parts(hole),
        )
        low = plate.amin((1, 2, 3), keepdim=True).clamp(max=0.0)
        high = plate.amax((1, 2, 3), keepdim=True).clamp(min=1.0)
        final = torch.minimum(torch.maximum(final, low), high)
        return torch.where(hole > 0, final, plate), torch.where(hole > 0, certainty, known)

    def level_and_compare(self, view: Tensor, plate: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """:func:`~interpositive.mini_models.view_comparing.level_and_compare`, of tensors ``b c h w``."""
        support = self._pool(known) + 1e-3
        shift = self._pool((plate - view) * known) / support
        confidence = (support / 0.05).clamp(0.0, 1.0)
        remaining = self._pool((plate - view - shift).abs().mean(1, keepdim=True) * known) / support
        error = remaining + 0.25 * shift.abs().mean(1, keepdim=True)
        error = torch.where(confidence > 0.2, error, ERROR_WHERE_UNKNOWN)
        return view + shift.clamp(-MAX_LEVEL_SHIFT, MAX_LEVEL_SHIFT) * confidence, error

    def thin_parts(self, hole: Tensor) -> Tensor:
        """:func:`~interpositive.mini_models.kept_plate.thin_parts`, of a hole ``b 1 h w`` of 0 and 1."""
        most = self.most_px
        each_way = [((most, 1), (most // 2, 0)), ((1, most), (0, most // 2))]
        opened = F.pad(hole, (most, most, most, most), mode="replicate")
        for size, around in each_way:
            opened = -F.max_pool2d(-opened, size, stride=1, padding=around)
        for size, around in each_way:
            opened = F.max_pool2d(opened, size, stride=1, padding=around)
        return hole * (1.0 - opened[..., most:-most, most:-most])

    def _pool(self, planes: Tensor) -> Tensor:
        reach = self.radius
        each = planes.flatten(0, 1)[:, None]
        across = F.conv2d(F.pad(each, (reach, reach, 0, 0), mode="reflect"), self.row)
        both = F.conv2d(F.pad(across, (0, 0, reach, reach), mode="reflect"), self.row.transpose(2, 3))
        return both.reshape(planes.shape)


def membrane(plate: Tensor, hole: Tensor) -> Tensor:
    """A plate ``b c h w`` with its hole bridged by Laplace's equation, relaxed from coarse to fine."""
    pictures, holes = [plate * (1.0 - hole)], [hole]
    for _ in range(_NUM_LEVELS):
        share = _halved(1.0 - holes[-1])
        picture = _halved(pictures[-1]) / share.clamp(min=1e-6)
        pictures.append(picture * (share > 0))
        holes.append((share <= 0).to(plate.dtype))
    filled = pictures[-1] + 0.5 * holes[-1]
    for picture, empty in zip(pictures[-2::-1], holes[-2::-1], strict=True):
        size = picture.shape[-2:]
        coarse = F.interpolate(filled, size=size, mode="bilinear", align_corners=False)
        filled = torch.where(empty > 0, coarse, picture)
        for _ in range(_NUM_RELAXATIONS):
            padded = F.pad(filled, (1, 1, 1, 1), mode="replicate")
            beside = padded[:, :, 1:-1, :-2] + padded[:, :, 1:-1, 2:] + padded[:, :, :-2, 1:-1] + padded[:, :, 2:, 1:-1]
            filled = torch.where(empty > 0, 0.25 * beside, picture)
    return filled


def _halved(planes: Tensor) -> Tensor:
    height, width = planes.shape[-2:]
    # Runtimes differ in how they pool a last odd row.
    return F.avg_pool2d(F.pad(planes, (0, width % 2, 0, height % 2)), 2)


def fusion_exportables(fusion: Any, plate_height: int) -> tuple[Exportable, ...]:
    """The two files of a candidate fusion."""
    node = FusionNode(fusion, plate_height)
    views = tuple(f"view_{number}" for number in range(1, NUM_NODE_VIEWS + 1))
    # Its surroundings are mirrored at the frame's edges, so that they have to fit into it.
    least = node.radius + 2
    sizes = ((1, least + 9, least + 30), (2, least, least + 15), (1, least + 38, least + 1))
    network = Exportable(
        "fusion",
        "what was learned, over candidates that interpositive (or a program of yours) has gathered and lined up",
        FusionNetwork(fusion),
        (
            Port("prefill", _PICTURE, "the plate with its hole bridged"),
            Port("hole", _MATTE, "1 in the hole, 0 elsewhere"),
            Port("candidates", _OF_VIEWS.format(3), "the first two bridged from the frame itself; 0 where not valid"),
            Port("valid", _OF_VIEWS.format(1), "1 where a candidate shows the scene"),
            Port("error", _OF_VIEWS.format(1), "how far it is from the plate around the hole, in code values"),
            Port("kinds", "batch views", f"whole numbers: {', '.join(f'{i} {kind}' for i, kind in enumerate(KINDS))}"),
            Port("distances", "batch views", "frames between a candidate's frame and this one"),
            Port("plate", _PICTURE, "the frame as it is, in its hole too"),
            Port("thin", _MATTE, "1 in the hole where the plate may be kept, if it is clean; 0 for never"),
        ),
        (Port("picture", _PICTURE, "to be put into the hole"), Port("certainty", _MATTE, "0 to 1")),
        tuple(_prepared_trial(*size) for size in ((2, 5, 37, 50), (1, 12, 72, 72), (3, 3, 90, 64), (1, 9, 135, 240))),
    )
    as_node = Exportable(
        "node",
        f"one frame of a shot, with up to {NUM_NODE_VIEWS} views of it that an artist has lined up with the plate",
        node,
        (
            Port("plate", _PICTURE, "the frame to repair"),
            Port("mask", _MATTE, "above 0 where it may change"),
            *(Port(name, _VIEW, "lined up with the plate; matte 0 where it shows nothing") for name in views),
        ),
        (Port("repaired", _PICTURE, "the plate where the mask is 0"), Port("certainty", _MATTE, "1 outside the mask")),
        tuple(_node_trial(*size) for size in sizes),
        is_node=True,
    )
    return network, as_node


def _prepared_trial(batch: int, views: int, height: int, width: int) -> tuple[Tensor, ...]:
    draw = generator_from("export fusion", batch, views, height, width)
    valid = (torch.rand(batch, views, 1, height, width, generator=draw) > 0.3).float()
    valid[:, :2] = 1.0
    return (
        torch.rand(batch, 3, height, width, generator=draw),
        (torch.rand(batch, 1, height, width, generator=draw) > 0.5).float(),
        torch.rand(batch, views, 3, height, width, generator=draw) * valid,
        valid,
        0.1 * torch.rand(batch, views, 1, height, width, generator=draw),
        torch.randint(len(KINDS), (batch, views), generator=draw),
        8.0 * torch.rand(batch, views, generator=draw),
        torch.rand(batch, 3, height, width, generator=draw),
        (torch.rand(batch, 1, height, width, generator=draw) > 0.3).float(),
    )


def _node_trial(batch: int, height: int, width: int) -> tuple[Tensor, ...]:
    draw = generator_from("export node", batch, height, width)
    plate = torch.rand(batch, 3, height, width, generator=draw)
    mask = torch.zeros(batch, 1, height, width)
    mask[..., height // 3 : height // 2, width // 4 : width // 2] = 1.0
    views = [torch.rand(batch, 4, height, width, generator=draw) for _ in range(NUM_NODE_VIEWS)]
    for view in views:
        view[:, :3] = 0.9 * plate + 0.1 * view[:, :3]
    return plate, mask, *views
