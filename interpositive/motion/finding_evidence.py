"""What tells a wire, a speck or a scratch from the scene: how a frame differs from its neighbours and from within."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from interpositive.functional.luma import luma
from interpositive.motion.line_responses import line_responses, steady_line_responses
from interpositive.motion.optical_flow import dis_flow, luma_u8
from interpositive.motion.window_motion import Plane

EVIDENCE_VERSION = 3
"""Counted up with every change of the channels, or of the truth beside them: windows that were prepared with others
are made anew."""
_LINES = ((15, 1.5), (31, 2.0), (31, 4.0))
_STEADY = (61, 2.0)
_SPREAD_FLOOR = 0.01
_ASIDE = np.ones((3, 3), np.uint8)


class FindingEvidence:
    """Evidence for the frames ``t h w 3`` of a window, in [0, 1] and a little beyond; made when it is asked for.

    Neighbours ``offsets`` before and after a frame are lined up with it by flow that cannot see thin things: it is
    found on luma under a 9 px median. So a wire that crosses its background is in none of them at the same place.
    """

    def __init__(self, frames: Plane, offsets: Sequence[int]) -> None:
        self.frames = np.clip(frames, 0.0, 1.0).astype(np.float32)
        self.offsets = sorted({*offsets, *(-offset for offset in offsets)})
        ys, xs = np.mgrid[0 : frames.shape[1], 0 : frames.shape[2]].astype(np.float32)
        self._xs, self._ys = xs, ys
        self._luma = [luma_u8(frame) for frame in self.frames]
        self._broad = [np.asarray(cv2.medianBlur(luma, 9), np.uint8) for luma in self._luma]

    def channels(self, frame: int) -> Plane:
        """Evidence of one frame, ``c h w`` with :func:`num_channels` of them, each of the order of one."""
        picture = self.frames[frame]
        plane = luma(picture)
        shown = [self._lined_up(frame, self._neighbour(frame, offset)) for offset in self.offsets]
        others = np.sort(np.stack(shown), axis=0)
        half = len(shown) // 2
        # The mean of the two in the middle is the median of an even number.
        typical = 0.5 * (others[half - 1] + others[half])
        with_itself = np.maximum(others[half - 1], np.minimum(others[half], picture))
        lumas = np.stack([luma(other) for other in shown])
        typical_luma = luma(typical)
        spread = np.median(np.abs(lumas - typical_luma), axis=0)
        unlike = plane - typical_luma
        median_11 = cv2.medianBlur(self._luma[frame], 11).astype(np.float32) / 255.0
        lines = [response for size in _LINES for response in line_responses(plane, *size)]
        lines += line_responses(unlike, *_LINES[1])
        steady = [response for each in (plane, unlike) for response in steady_line_responses(each, *_STEADY)]
        planes = [
            *np.moveaxis(picture - 0.5, -1, 0),
            *np.moveaxis(4.0 * (picture - with_itself), -1, 0),
            *np.moveaxis(4.0 * (picture - typical), -1, 0),
            *(4.0 * (plane - lumas)),
            np.clip(unlike / (spread + _SPREAD_FLOOR), -8.0, 8.0) / 4.0,
            8.0 * spread,
            *np.moveaxis(4.0 * (picture - cv2.medianBlur(picture, 5)), -1, 0),
            *np.moveaxis(2.0 * (picture - cv2.GaussianBlur(picture, (0, 0), 4.0)), -1, 0),
            4.0 * (plane - median_11),
            *(8.0 * response for response in lines),
            *(20.0 * response for response in steady),
            *(4.0 * beyond for beyond in self._alone(lumas, plane)),
        ]
        return np.stack(planes).astype(np.float32)

    def _alone(self, lumas: Plane, plane: Plane) -> tuple[Plane, Plane]:
        """By how much luma is outside of what its nearest neighbours show there, and within a pixel of there."""
        half = len(lumas) // 2
        before, after = lumas[half - 1], lumas[half]
        lowest, highest = np.minimum(before, after), np.maximum(before, after)
        exactly = plane - np.clip(plane, lowest, highest)
        return exactly, plane - np.clip(plane, cv2.erode(lowest, _ASIDE), cv2.dilate(highest, _ASIDE))

    def _neighbour(self, frame: int, offset: int) -> int:
        """The frame that far away, or on the other side, or the last there is."""
        last = len(self.frames) - 1
        for wanted in (frame + offset, frame - offset):
            if 0 <= wanted <= last:
                return wanted
        return last if offset > 0 else 0

    def _lined_up(self, frame: int, other: int) -> Plane:
        flow = dis_flow(self._broad[frame], self._broad[other], "fast")
        x, y = self._xs + flow[..., 0], self._ys + flow[..., 1]
        return np.asarray(
            cv2.remap(self.frames[other], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )


def num_channels(offsets: Sequence[int]) -> int:
    """How many channels the evidence has."""
    return 26 + 2 * len(set(offsets)) + 2 * len(_LINES)


def negative_evidence(channels: Tensor, offsets: Sequence[int]) -> Tensor:
    """What the evidence ``c h w`` would be, had the frames been photographed in negative: dark wires become bright.

    Differences change their sign, responses to bright and to dark lines change places, and the spread stays.
    """
    spread = 10 + 2 * len(set(offsets))
    first_line = spread + 8
    last = len(channels) - 2
    lines = channels[first_line:last]
    lines = lines.reshape(-1, 2, *lines.shape[1:]).flip(1).reshape(lines.shape)
    parts = (-channels[:spread], channels[spread : spread + 1], -channels[spread + 1 : first_line], lines)
    return torch.cat((*parts, -channels[last:]))
