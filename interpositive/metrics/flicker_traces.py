"""What flicker leaves in a frame pair: a few numbers for each cell of the picture, along the motion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from interpositive.metrics.luma import luma_of
from interpositive.motion.warping import warp_backward

Courses = NDArray[np.float64]

WORKING_AREA = 384 * 216
"""Pictures are judged at about this many pixels, made by area averaging: grain is weak and white there."""
CELL_PX = 24
LEAST_SEEN = 0.4
BLURS_PX = (0.8, 1.6, 3.2, 6.4)
TONE_UNITS = (1.0, 1.6, 1.4)
"""CIEDE2000 of one percent of luma, of R - Y and of B - Y, about, in greys and muted colours."""
NUM_COURSES = 4
SLOPE_NOISE = 0.05
"""Power of gradients, below which a cell is too flat to say whether it has shifted."""


@dataclass(frozen=True)
class WorkingPicture:
    """A frame as it is judged: ``tone`` ``1 3 h w``; luma in octaves from 0.8 px, ``1 3 h w``, and the ``low`` rest."""

    tone: Tensor
    bands: Tensor
    low: Tensor


def working_picture(frame: Tensor) -> WorkingPicture:
    """The judged picture of a frame, ``c h w`` in [0, 1] with 1 or 3 channels."""
    tone = working_tone(frame)
    levels = [_blurred(tone[:, :1], sigma) for sigma in BLURS_PX]
    bands = torch.cat([fine - coarse for fine, coarse in pairwise(levels)], 1)
    return WorkingPicture(tone, bands, levels[-1])


def working_tone(frame: Tensor) -> Tensor:
    """Luma, R - Y and B - Y of a frame at working size, ``1 3 h w``; one unit is about one CIEDE2000."""
    height, width = frame.shape[-2:]
    scale = min(1.0, math.sqrt(WORKING_AREA / (height * width)))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = frame.float() if scale == 1.0 else F.adaptive_avg_pool2d(frame.float(), size)
    luma = luma_of(small)
    red, blue = small[0], small[-1]
    parts = zip(TONE_UNITS, (luma, red - luma, blue - luma), strict=True)
    # Small enough from here on that any machine's processor is as good as an accelerator.
    return torch.stack([100.0 * unit * part for unit, part in parts])[None].cpu()


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    blurred = cv2.GaussianBlur(picture[0, 0].numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return torch.from_numpy(blurred)[None, None]


@dataclass(frozen=True)
class OpenPair:
    """What the next pair needs of this one: how the bands of result and source change (``1 4 h w``: three, and the
    source's first), its flow, its visible pixels (working size), and how both frames are shifted (see :func:`shift`).
    """

    change: Tensor
    flow: Tensor
    visible: Tensor
    shifts: tuple[Courses, Courses]


@dataclass(frozen=True)
class PairTraces:
    """What one frame pair leaves behind in each cell; NaN where under two fifths of its pixels can be followed.

    ``tone`` ``4 r c``: change along the motion of luma, R - Y and B - Y (medians) and of detail (deviation of luma
    at 1.6 to 6.4 px). ``own`` ``4 r c``: the part of them that the flow source does not share. ``undone`` ``4 r c``:
    power of what the pair before changed and this one undoes, per band, and in the flow source's first band.
    ``turn`` ``2 r c``: how much the result's motion (the source's, and how the result shifts against it) differs from
    the pair before, px a frame; both are NaN for a shot's first pair. ``slope`` ``3 r c``: mean products of luma's
    gradients, xx, xy, yy.
    """

    tone: Courses
    own: Courses
    undone: Courses
    turn: Courses
    slope: Courses


def pair_traces(
    first: WorkingPicture,
    second: WorkingPicture,
    flow: Tensor,
    visible: Tensor,
    before: OpenPair | None = None,
    source: tuple[WorkingPicture, WorkingPicture] | None = None,
) -> tuple[PairTraces, OpenPair]:
    """What a pair adds, and what the next one needs of it.

    ``flow`` ``1 2 h w`` (px, first to second) and ``visible`` ``1 1 h w`` have the motion's own size. ``source`` is
    the flow source's two frames, None if it is the result itself.
    """
    flow, seen = _at_working_size(flow, visible, (first.tone.shape[-2], first.tone.shape[-1]))
    flow, seen = flow.cpu(), seen.cpu()
    cells = cells_of(*first.tone.shape[-2:])
    tone, change = _changes(first, second, flow, seen, cells)
    own, source_change = np.zeros_like(tone), change
    shifts = (np.zeros((2, *cells)), np.zeros((2, *cells)))
    if source is not None:
        shared, source_change = _changes(*source, flow, seen, cells)
        own = tone - np.sign(tone) * np.clip(np.sign(tone) * shared, 0.0, np.abs(tone))
        shifts = (shift(first, source[0]) if before is None else before.shifts[1], shift(second, source[1]))
    change = torch.cat((change, source_change[:, :1]), 1)
    across, down = _gradients(first.bands[:, 1:].sum(1, keepdim=True) + first.low)
    slope = _cell_means(torch.cat((across**2, across * down, down**2), 1), torch.ones_like(seen), cells)
    undone, turn = np.full((4, *cells), np.nan), np.full((2, *cells), np.nan)
    if before is not None:
        later, _ = warp_backward(torch.cat((change, flow, seen), 1), before.flow)
        both = before.visible * (later[:, 6:] > 0.9)
        undone = _cell_means(-before.change * later[:, :4], both, cells)
        turn = _cell_means(later[:, 4:6] - before.flow, both, cells) + shifts[1] - 2 * shifts[0] + before.shifts[0]
    return PairTraces(tone, own, undone, turn, slope), OpenPair(change, flow, seen, shifts)


def _changes(
    first: WorkingPicture, second: WorkingPicture, flow: Tensor, seen: Tensor, cells: tuple[int, int]
) -> tuple[Courses, Tensor]:
    """How a pair changes along the motion: tone and detail of cells ``4 r c``, and the three bands ``1 3 h w``."""
    brought, _ = warp_backward(torch.cat((second.tone, second.bands, second.low), 1), flow, mode="bicubic")
    # Texture that is merely lit more strongly does not change: bands are compared at equal local brightness.
    gain = ((first.low + 3.0) / (brought[:, 6:] + 3.0)).clamp(0.4, 2.5)
    tone = _cell_medians(brought[:, :3] - first.tone, seen, cells)
    power = torch.stack((gain * brought[:, 4:6], first.bands[:, 1:])).square().sum(2)
    after, ahead = (np.sqrt(_cell_means(stage[None], seen, cells)) for stage in power)
    return np.concatenate((tone, after - ahead)), gain * brought[:, 3:6] - first.bands


def shift(result: WorkingPicture, source: WorkingPicture) -> Courses:
    """How far each cell of the result lies from where the source has it, x and y, ``2 r c`` in px, at one time.

    The least-squares shift along the gradients of luma between 1.6 and 6.4 px, with a gain (Lucas and Kanade, IJCAI
    1981), times the share of the difference that it explains: grain, and what is not the same picture, is no shift.
    Beside a strong gain, which explains most, a shift is read too small.
    """
    cells = cells_of(*result.tone.shape[-2:])
    one, other = (picture.bands[:, 1:].sum(1, keepdim=True) for picture in (result, source))
    mean, difference = (one + other) / 2, one - other
    parts = torch.cat((*_gradients(mean), mean, difference), 1)[0]
    products = F.adaptive_avg_pool2d(parts[:, None] * parts[None], cells).double().permute(2, 3, 0, 1).numpy()
    normal = products[..., :3, :3] + np.diag([SLOPE_NOISE] * 3)
    found = np.linalg.solve(normal, products[..., :3, 3:])[..., 0]
    explained = (found[..., :2] * products[..., :2, 3]).sum(-1) / np.maximum(products[..., 3, 3], 1e-12)
    shifted: Courses = -(found[..., :2] * explained.clip(0.0, 1.0)[..., None]).transpose(2, 0, 1)
    return shifted


def _gradients(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Across and down, 0 where the picture is a pixel thin."""
    if min(picture.shape[-2:]) < 2:
        return picture * 0, picture * 0
    across, down = torch.gradient(picture, dim=(3, 2))
    return across, down


def cells_of(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of cells of a working picture."""
    return max(1, round(height / CELL_PX)), max(1, round(width / CELL_PX))


def _at_working_size(flow: Tensor, visible: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    seen = visible.to(flow.dtype)
    if tuple(flow.shape[-2:]) == size:
        return flow, seen
    scale = [size[1] / flow.shape[-1], size[0] / flow.shape[-2]]
    small = F.adaptive_avg_pool2d(flow, size) * flow.new_tensor(scale).view(1, 2, 1, 1)
    return small, (F.adaptive_avg_pool2d(seen, size) > 0.6).to(flow.dtype)


def _cell_means(values: Tensor, seen: Tensor, cells: tuple[int, int]) -> Courses:
    share = F.adaptive_avg_pool2d(seen, cells)
    means = F.adaptive_avg_pool2d(values * seen, cells) / share
    return torch.where(share > LEAST_SEEN, means, torch.nan)[0].double().numpy()


def _cell_medians(values: Tensor, seen: Tensor, cells: tuple[int, int]) -> Courses:
    rows, columns = cells
    fine = F.adaptive_avg_pool2d(values * seen, (rows * 8, columns * 8))
    known = F.adaptive_avg_pool2d(seen, (rows * 8, columns * 8))
    fine = torch.where(known > 0.5, fine / known, torch.nan)[0]
    spots = fine.view(-1, rows, 8, columns, 8).permute(0, 1, 3, 2, 4).flatten(3)
    medians = spots.nanmedian(-1).values
    enough = (~spots.isnan()).float().mean(-1) > LEAST_SEEN
    return torch.where(enough, medians, torch.nan).double().numpy()
