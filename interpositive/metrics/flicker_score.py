"""A calibrated flicker score: whether a shot flickers, where and when, in steps of the just visible.

How it is made of frame pairs is in :mod:`~interpositive.metrics.flicker_traces`, and how they make a score in
:mod:`~interpositive.metrics.flicker_courses`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from interpositive.metrics.contract import STEADINESS, ShotMetric
from interpositive.metrics.flicker_courses import Flicker, flicker_of
from interpositive.metrics.flicker_traces import (
    OpenPair,
    PairTraces,
    WorkingPicture,
    pair_traces,
    working_picture,
)
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.pair_motion import flow_engine
from interpositive.records.measures import MetricInfo


@dataclass(frozen=True)
class WorstRegion:
    """Where and when a shot flickers most: frames and a box in px of the frame, ends not included."""

    frames: tuple[int, int]
    x: tuple[int, int]
    y: tuple[int, int]
    score: float
    words: str


def worst_region(flicker: Flicker, height: int, width: int) -> WorstRegion:
    """The stretch around the worst pair, and the cells around the worst cell there, where flicker is half as strong.

    ``height`` and ``width`` are the frame's, in px. Frames are counted from the shot's first, as 0.
    """
    curve = flicker.curve
    worst = int(curve.argmax())
    begin, end = _stretch(curve >= 0.5 * curve[worst], worst)
    cells = flicker.place(begin, end)
    inside = _joined(cells >= 0.5 * cells.max(), divmod(int(cells.argmax()), cells.shape[1]))
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    y = tuple(round(int(edge) * height / cells.shape[0]) for edge in (rows[0], rows[-1] + 1))
    x = tuple(round(int(edge) * width / cells.shape[1]) for edge in (columns[0], columns[-1] + 1))
    if inside.mean() > 0.6:
        where = "over the frame"
    else:
        across = ("left", "middle", "right")[min(2, int(1.5 * sum(x) / width))]
        down = ("upper", "", "lower")[min(2, int(1.5 * sum(y) / height))]
        where = f"{down} {across}".strip()
    strongest = max(flicker.channels, key=lambda name: float(flicker.channels[name][worst]))
    words = f"frames {begin} to {end}, {where}: {_IN_WORDS[strongest]}"
    return WorstRegion((begin, end + 1), (x[0], x[1]), (y[0], y[1]), float(curve[worst]), words)


_IN_WORDS = {
    "tone": "brightness or colour goes to and fro",
    "steps": "jumps from one frame to the next",
    "texture": "texture boils",
    "coarse texture": "blotches boil",
    "wobble": "the picture wobbles",
}


def _stretch(strong: NDArray[np.bool_], place: int) -> tuple[int, int]:
    weak = np.flatnonzero(~strong)
    before, after = weak[weak < place], weak[weak > place]
    return (int(before[-1]) + 1 if len(before) else 0), (int(after[0]) if len(after) else len(strong))


def _joined(strong: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_]:
    """The strong cells that hang together with one of them, sideways or up and down."""
    _, labels = cv2.connectedComponents(strong.astype(np.uint8), connectivity=4)
    joined: NDArray[np.bool_] = labels == labels[place]
    return joined


class FlickerScore(ShotMetric):
    """``flicker_score_<engine>``: 0 is none, 1 is just visible; it has no upper end.

    To a supervisor: below 0.5 nobody sees it, grain and compression read so; about 1 is seen by who looks for it,
    on a good monitor; from 2 on an audience may notice; from 4 on it is a fault at first sight. One step is a change
    of the error from frame to frame of CIEDE2000 1 on average over what flickers.

    The score is the mean of the worst 1/24 of the shot's frame pairs, at least two; the curve has one number a
    frame (that of the pair which ends there), :meth:`flicker` also a map, :meth:`worst_region` says it in words.
    Curve and map are smooth over seven pairs, a jump's excepted, which shows in two. Motion is that of the reference
    or plate; it may flicker itself. A lone jump that stays, in one direction all over, is told from a lamp only where
    the flow source lacks it. One frame, or nothing that can be followed, gives NaN. Kept between windows: result and
    source in octaves at about 384 x 216, and seventeen numbers a cell of 24 px there and pair. The curve is filled in
    by :meth:`shot_values`.
    """

    group = STEADINESS
    higher_is_better = False
    needs = frozenset({"motion"})

    def __init__(self, flow: str = "dis", **kwargs: Any) -> None:
        """``flow`` names the engine: dis or farneback."""
        engine = flow_engine(flow)
        self._name = f"flicker_score_{flow}"
        info = MetricInfo(
            name=self._name,
            unit="just visible steps",
            direction="lower",
            meaning="How much the picture flickers, boils or jumps: 1 is just visible, 4 is a fault at first sight; "
            "camera motion, grain and real changes of light count little.",
            headline=True,
        )
        super().__init__([info], [info], engine=engine, **kwargs)

    def _begin_shot(self) -> None:
        self._traces: list[PairTraces] = []
        self._last: tuple[WorkingPicture, WorkingPicture] | None = None
        self._open: OpenPair | None = None
        self._size = (0, 0)

    def _add(self, frame: JudgedFrame) -> None:
        beside = frame.beside
        assert beside.source is not None
        picture, source = working_picture(frame.result), beside.of_source(working_picture)
        if self._last is not None and beside.motion is not None:
            motion, (before, source_before) = beside.motion, self._last
            traces, self._open = pair_traces(
                before, picture, motion.forward, motion.visible, self._open, (source_before, source)
            )
            self._traces.append(traces)
        self._last = picture, source
        self._size = (frame.result.shape[-2], frame.result.shape[-1])
        self.curves[self._name].append(math.nan)

    def flicker(self) -> Flicker | None:
        """Curve, map and channels of the open shot so far; None before anything can be followed."""
        if not any(bool(np.isfinite(traces.tone).any()) for traces in self._traces):
            return None
        return flicker_of(self._traces)

    def worst_region(self) -> WorstRegion | None:
        """When and where the open shot flickers most; None before anything can be followed."""
        flicker = self.flicker()
        return None if flicker is None else worst_region(flicker, *self._size)

    def shot_values(self) -> dict[str, float]:
        """The score of the open shot; NaN before anything can be followed."""
        flicker = self.flicker()
        if flicker is None:
            return {self._name: math.nan}
        self.curves[self._name][1:] = flicker.curve.tolist()
        return {self._name: flicker.score}
