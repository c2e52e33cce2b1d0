"""What only the scoreboard measures: light or wire that is left, sharpness, middles of gaps, how a grade trembles."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from interpositive.metrics.contract import FIDELITY, STEADINESS, ShotMetric
from interpositive.metrics.judged import JudgedFrame
from interpositive.metrics.means import PooledMean
from interpositive.metrics.psnr import psnr_db, squared_error_sums
from interpositive.records.measures import MetricInfo

_CELLS = (16, 12)
_POWER, _TOE = 2.2, 0.09
_BRIGHT, _DARK = 0.95, 0.08
_COARSE_PX, _FLAT = 4.0, 1e-7

_COVERED, _STILL_COVER = 0.06, 0.6

Cells = NDArray[np.float64]


class GainLeft(ShotMetric):
    """``gain_left``: RMS of the log gain against the truth over frames and 16 x 12 cells, as a share of the plate's.

    A cell's mean over time is taken off: a steady change of light is no flicker. Codes are read as light by the power
    law that flicker was put on with. Not defined on a plate that does not flicker.
    """

    group = STEADINESS
    needs = frozenset({"reference", "plate"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="gain_left",
            unit="share",
            direction="lower",
            meaning="How much of the flicker that was put on is left; 0 is none, 1 all of it.",
            headline=True,
        )
        super().__init__([info], **kwargs)

    def _begin_shot(self) -> None:
        self._found: list[Cells] = []
        self._given: list[Cells] = []

    def _add(self, frame: JudgedFrame) -> None:
        reference, plate = frame.beside.reference, frame.beside.plate
        assert reference is not None and plate is not None
        self._found.append(_log_gain(frame.result, reference))
        self._given.append(_log_gain(plate, reference))

    def shot_values(self) -> dict[str, float]:
        """The share over the open shot."""
        if len(self._found) < 2:
            return {"gain_left": math.nan}
        found, given = (_rms_over_time(np.stack(cells)) for cells in (self._found, self._given))
        return {"gain_left": found / given if given > 1e-3 else math.nan}


class Sharpness(ShotMetric):
    """``sharpness``: energy of the gradient, as a share of the reference's under the result's own local contrast.

    Gradients grow with the gain itself, and what flicker is left is measured elsewhere. So the reference's energy is
    brought, in each of 16 x 12 cells, to the contrast that the result has in what is coarser than a few pixels: a
    gain that varies slowly over the frame changes both alike, a blur the gradient alone.
    """

    group = FIDELITY
    needs = frozenset({"reference"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="sharpness",
            unit="share",
            direction="neither",
            meaning="Energy of fine detail against the clean reference's at like contrast; below 1 it is softer.",
        )
        super().__init__([info], **kwargs)

    def _begin_shot(self) -> None:
        self._totals = [0.0, 0.0]

    def _add(self, frame: JudgedFrame) -> None:
        assert frame.beside.reference is not None
        fine, coarse = zip(*(_energies(picture) for picture in (frame.result, frame.beside.reference)), strict=True)
        contrast = (coarse[0] + _FLAT) / (coarse[1] + _FLAT)
        self._totals[0] += float(fine[0].sum())
        self._totals[1] += float((contrast * fine[1]).sum())

    def shot_values(self) -> dict[str, float]:
        """The share over the open shot."""
        return {"sharpness": self._totals[0] / self._totals[1] if self._totals[1] else math.nan}


class CoverLeft(ShotMetric):
    """``cover_left``: pixels that still show what was to go, per thousand of those that it covered.

    Covered is a pixel of the mask where the plate is further than 0.06 (RMS over channels) from the clean reference.
    It still shows the cover if more than 0.6 of that difference is in the result. A fill that comes out like the cover
    by chance counts too: the untrained prior says how many those are.
    """

    group = FIDELITY
    needs = frozenset({"reference", "plate", "mask"})

    def __init__(self, **kwargs: Any) -> None:
        info = MetricInfo(
            name="cover_left",
            unit="‰",
            direction="lower",
            meaning="Pixels of what was to be removed that are still there, as dashes of a wire, per thousand of it.",
        )
        super().__init__([info], **kwargs)

    def _begin_shot(self) -> None:
        self._left = self._covered = 0

    def _add(self, frame: JudgedFrame) -> None:
        reference, plate, hole = frame.beside.reference, frame.beside.plate, frame.beside.hole
        assert reference is not None and plate is not None and hole is not None
        cover = plate - reference
        energy = cover.square().mean(0)
        covered = hole[0] & (energy > _COVERED**2)
        share = ((frame.result - reference) * cover).mean(0) / energy.clamp(min=1e-9)
        self._covered += int(covered.sum())
        self._left += int((covered & (share > _STILL_COVER)).sum())

    def shot_values(self) -> dict[str, float]:
        """Over the open shot; not defined where nothing is covered."""
        return {"cover_left": 1000.0 * self._left / self._covered if self._covered else math.nan}


class MiddleFrames(ShotMetric):
    """Of the middle frame of each gap: ``psnr_middle``, and ``gradient_middle`` (mean absolute error, thousandths).

    A gap is a run of frames that are masked all over.
    """

    group = FIDELITY
    needs = frozenset({"reference", "mask"})

    def __init__(self, **kwargs: Any) -> None:
        infos = (
            MetricInfo(
                name="psnr_middle",
                unit="dB",
                direction="higher",
                meaning="How close the middle frame of each gap is to the frame that was left out.",
                headline=True,
            ),
            MetricInfo(
                name="gradient_middle",
                unit="code value / 1000",
                direction="lower",
                meaning="How far edges of the middle frame of each gap are from those of the frame that was left out.",
            ),
        )
        super().__init__(infos, **kwargs)

    def _begin_shot(self) -> None:
        self._run: list[tuple[float, int, float]] = []
        self._error, self._gradient = PooledMean(), PooledMean()

    def _add(self, frame: JudgedFrame) -> None:
        reference, hole = frame.beside.reference, frame.beside.hole
        assert reference is not None and hole is not None
        if not bool(hole.all()):
            self._close()
            return
        gap = frame.result - reference
        gradient = sum(float(step.abs().mean()) for step in _steps(gap))
        self._run.append((*squared_error_sums(gap.square()), 1e3 * gradient))

    def _close(self) -> None:
        if self._run:
            total, count, gradient = self._run[len(self._run) // 2]
            self._error.add(total, count)
            self._gradient.add(gradient, 1)
        self._run = []

    def shot_values(self) -> dict[str, float]:
        """Means over the open shot's gaps that have ended."""
        return {"psnr_middle": psnr_db(self._error.total, self._error.count), "gradient_middle": self._gradient.mean}


class GainJitter(ShotMetric):
    """``gain_jitter``: RMS step a frame of the gain over the plate, in stops; ``…_own``: of the shot's level."""

    group = STEADINESS
    needs = frozenset({"reference", "plate"})

    def __init__(self, **kwargs: Any) -> None:
        infos = [
            MetricInfo(name=name, unit="stops", direction="lower", meaning=meaning)
            for name, meaning in (
                ("gain_jitter", "How much the correction trembles from frame to frame."),
                ("gain_jitter_own", "How much the clean shot's own level moves from frame to frame."),
            )
        ]
        super().__init__(infos, **kwargs)

    def _begin_shot(self) -> None:
        self._gains: list[NDArray[np.float64]] = []
        self._levels: list[NDArray[np.float64]] = []

    def _add(self, frame: JudgedFrame) -> None:
        plate, reference = frame.beside.plate, frame.beside.reference
        assert plate is not None and reference is not None
        self._gains.append(_stops(frame.result) - _stops(plate))
        self._levels.append(_stops(reference))

    def shot_values(self) -> dict[str, float]:
        """Both over the open shot."""
        names = ("gain_jitter", "gain_jitter_own")
        if len(self._gains) < 2:
            return dict.fromkeys(names, math.nan)
        courses = (np.diff(np.stack(course), axis=0) for course in (self._gains, self._levels))
        return {name: float(np.sqrt(np.mean(np.square(step)))) for name, step in zip(names, courses, strict=True)}


def _energies(picture: Tensor) -> tuple[Cells, Cells]:
    """Mean energy of the gradient in each cell: of the picture, and of what of it is coarser than a few pixels."""
    plane = np.ascontiguousarray(picture.double().cpu().numpy().transpose(1, 2, 0))
    found = []
    for seen in (plane, cv2.GaussianBlur(plane, (0, 0), _COARSE_PX)):
        across, down = np.diff(seen, axis=1)[:-1], np.diff(seen, axis=0)[:, :-1]
        energy = (across**2 + down**2).mean(-1)
        found.append(np.asarray(cv2.resize(energy, _CELLS, interpolation=cv2.INTER_AREA), np.float64))
    return found[0], found[1]


def _steps(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture[..., :, 1:] - picture[..., :, :-1], picture[..., 1:, :] - picture[..., :-1, :]


def _stops(picture: Tensor) -> NDArray[np.float64]:
    """The mean of each channel's light in stops, ``c``."""
    light = np.maximum(picture.double().cpu().numpy() + _TOE, 1e-3)
    return np.asarray(_POWER * np.log2(light).mean((1, 2)))


def _log_gain(result: Tensor, truth: Tensor) -> Cells:
    """Stops by which each cell of a frame differs from the truth; NaN where less than a third of it can tell."""
    shown, known = (picture.cpu().numpy().transpose(1, 2, 0) for picture in (result, truth))
    seen = ((known > _DARK) & (known < _BRIGHT) & (shown > _DARK / 2) & (shown < 0.99)).all(-1)
    stops = np.log2(_light(shown).sum(-1) + 1e-3) - np.log2(_light(known).sum(-1) + 1e-3)
    share, total = (
        cv2.resize(plane.astype(np.float32), _CELLS, interpolation=cv2.INTER_AREA)
        for plane in (seen, np.where(seen, stops, 0.0))
    )
    return np.where(share > 0.3, total / np.maximum(share, 1e-6), np.nan).ravel().astype(np.float64)


def _light(codes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(codes + _TOE, 0.0) ** _POWER, np.float32)


def _rms_over_time(cells: Cells) -> float:
    cells = cells[:, np.isfinite(cells).sum(0) > len(cells) / 2]
    if not cells.size:
        return math.nan
    return float(np.sqrt(np.nanmean(np.square(cells - np.nanmean(cells, 0)))))
