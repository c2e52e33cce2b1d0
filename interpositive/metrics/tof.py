"""tOF: whether a result moves as the clean reference does, by the optical flow of each.

Chu, Xie, Mayer, Leal-Taixé and Thuerey, Learning Temporal Coherence via Self-Supervision for GAN-based
Video Generation (TecoGAN), ACM TOG 2020; the protocol is that of their published ``metrics.py``.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interpositive.errors import ConfigError, MediaError
from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.pair_motion import Grey, farneback_flow
from interpositive.records.measures import MetricInfo

BLOCK_PX, BORDER_PX = 32, 8


def grey_codes(frame: Tensor) -> Grey:
    """8-bit BT.601 grey, ``h w``, of a frame ``c h w`` in [0, 1] with 3 channels or one.

    Codes are rounded to 8 bits first. BT.601, whatever the footage, because
    TecoGAN converts with OpenCV; the rest of this package measures motion on BT.709.
    """
    if frame.shape[0] not in (1, 3):
        raise ConfigError("tOF needs 1 or 3 channels", found=frame.shape[0], expected="1 or 3")
    codes = (frame.detach() * 255.0).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
    if codes.shape[0] == 1:
        return np.ascontiguousarray(codes[0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(codes.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def inner_part(height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns that count: multiples of 32, centred, at least 8 px left out on each side.

    ``MediaError`` for a frame under 48 px on a side, of which nothing is left.
    """
    if min(height, width) < BLOCK_PX + 2 * BORDER_PX:
        raise MediaError(
            "the frame is too small for tOF",
            found=f"{width}x{height}",
            expected=f"{BLOCK_PX + 2 * BORDER_PX} px or more on each side",
        )

    def inner(size: int) -> slice:
        kept = (size - 2 * BORDER_PX) // BLOCK_PX * BLOCK_PX
        start = (size - kept) // 2
        return slice(start, start + kept)

    return inner(height), inner(width)


def field_distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Mean length in px of the difference of two flow fields ``h w 2``, over :func:`inner_part`."""
    rows, columns = inner_part(*first.shape[:2])
    gap = first[rows, columns] - second[rows, columns]
    # The Euclidean length: the comment in the published code says L1, the code does this.
    return float(np.sqrt(np.sum(gap * gap, axis=-1)).mean(dtype=np.float64))


@lru_cache(maxsize=1)
def _reference_field(first: bytes, second: bytes, height: int, width: int) -> NDArray[np.float32]:
    # By content: all methods on one shot ask for the same field in turn, and it costs as much as the result's.
    frames = (np.frombuffer(codes, np.uint8).reshape(height, width) for codes in (first, second))
    return farneback_flow(*frames)


class Tof(ShotMetric):
    """``tof_farneback``: mean distance in px between the motion of the result and that of the reference.

    Both motions are measured, so a frozen, boiling or swimming repair moves
    otherwise than the reference. It is the unscaled number; the factor of 100
    in TecoGAN's code belongs to tLP alone. Mean over frame pairs, then over
    shots. The curve gives the pair of a frame and the one before it, NaN where
    it is not measured. Kept between windows: ``skip_ends`` + 2 frames of grey,
    and those of the first pairs until it is known that there are more.
    """

    group = STEADINESS
    higher_is_better = False
    needs = frozenset({"reference"})

    def __init__(self, every: int = 3, skip_ends: int = 2, **kwargs: Any) -> None:
        """``every`` third pair is measured by default, all of them in a shot of ``2 * every`` pairs or fewer.

        Every pair (1) is TecoGAN's protocol and three times as slow. It must be
        odd: every second pair would see one half only of what alternates from
        frame to frame. ``skip_ends`` frames at each end of a shot are left out, as
        TecoGAN does; a shot of ``2 * skip_ends + 1`` frames or fewer has no value.
        """
        if every < 1 or every % 2 == 0:
            raise ConfigError("which pairs tOF measures", found=f"every: {every}", expected="an odd number, 1 or more")
        if skip_ends < 0:
            raise ConfigError("frames that tOF leaves out", found=f"skip_ends: {skip_ends}", expected="0 or more")
        self.every, self.skip_ends = every, skip_ends
        info = MetricInfo(
            name="tof_farneback",
            unit="px",
            direction="lower",
            meaning="How far things in the result move otherwise than in the clean reference, in pixels a frame.",
        )
        super().__init__([info], [info], **kwargs)

    def _begin_shot(self) -> None:
        self._num_frames = 0
        self._held: deque[tuple[Grey, Grey]] = deque(maxlen=self.skip_ends + 2)
        self._spare: dict[int, tuple[Grey, Grey, Grey, Grey]] = {}

    def _add(self, frame: JudgedFrame) -> None:
        assert frame.beside.reference is not None
        inner_part(*frame.result.shape[-2:])
        self._held.append((grey_codes(frame.beside.reference), grey_codes(frame.result)))
        curve = self.curves["tof_farneback"]
        curve.append(math.nan)
        second = self._num_frames - self.skip_ends
        self._num_frames += 1
        pair = second - self.skip_ends - 1
        if pair < 0:
            return
        greys = (*self._held[0], *self._held[1])
        if pair % self.every == 0:
            curve[second] = self._distance(*greys)
        elif pair < 2 * self.every:
            self._spare[second] = greys
        if pair >= 2 * self.every:
            for place in self._spare:
                curve[place] = math.nan
            self._spare.clear()

    @staticmethod
    def _distance(reference_1: Grey, result_1: Grey, reference_2: Grey, result_2: Grey) -> float:
        reference = _reference_field(reference_1.tobytes(), reference_2.tobytes(), *reference_1.shape)
        return field_distance(reference, farneback_flow(result_1, result_2))

    def shot_values(self) -> dict[str, float]:
        """Mean over the measured pairs of the open shot."""
        curve = self.curves["tof_farneback"]
        for place, greys in self._spare.items():
            if math.isnan(curve[place]):
                curve[place] = self._distance(*greys)
        measured = [value for value in curve if not math.isnan(value)]
        return {"tof_farneback": sum(measured) / len(measured) if measured else math.nan}
