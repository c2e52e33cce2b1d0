"""Measures one shot, window by window, for every method at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from torch import Tensor

from interpositive.errors import ConfigError, MediaError
from interpositive.media.encodings import REVIEW_DISPLAY
from interpositive.metrics.checks import hole_of
from interpositive.metrics.contract import CAMERA, PERCEPTION, STEADINESS, MakeMetric, ShotMetric, unmet_needs
from interpositive.metrics.encoded import as_measured, as_shown, measured_encoding
from interpositive.metrics.judged import JudgedShot
from interpositive.records.measures import MetricInfo

Values = dict[str, dict[str, float | None]]
Curves = dict[str, dict[str, list[float | None]]]

SEEN_GROUPS = (PERCEPTION, STEADINESS, CAMERA)
"""Metrics of what is seen on a screen; the others compare codes."""
_WORST_BY = (
    ("psnr_hole", False),
    ("e_warp_excess_{}_hole", True),
    ("e_warp_{}_hole", True),
    ("psnr", False),
    ("e_warp_{}", True),
)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


class ShotMeter:
    """Chosen metrics of one shot for several methods, streamed in windows of any length.

    Flow is measured once a frame pair, on the clean reference if there is one,
    else on the plate, and shared by all methods and metrics. Kept between
    windows: one frame a method, reference, plate and mask, and a few numbers a frame.
    With the frames' ``encoding`` known, what an eye judges (perception, steadiness) is measured on
    the display view, and fidelity on the codes; light beyond [0, 1] is then converted, not refused.
    What cannot be measured is None, and :meth:`notes` says why.
    """

    def __init__(
        self,
        methods: Sequence[str],
        metrics: Sequence[MakeMetric],
        *,
        rate: Fraction,
        has_reference: bool,
        has_plate: bool = True,
        has_mask: bool = True,
        encoding: str = "",
    ) -> None:
        """``metrics`` make a fresh metric each; ``rate`` is the shot's, in frames per second."""
        if not methods or len(set(methods)) != len(methods):
            raise ConfigError("the methods to measure", found=list(methods), expected="one or more, each once")
        self.methods = tuple(methods)
        self.num_frames = 0
        self._num_masked = 0
        self.encoding = encoding
        # Without a view, one judged shot serves both and motion is measured once.
        self._has_view = encoding not in ("", REVIEW_DISPLAY)
        self._given = {"reference": has_reference, "plate": has_plate, "mask": has_mask}
        self._shots: dict[tuple[str, bool], JudgedShot] = {}
        self._absences: dict[str, list[str]] = {}
        self._metrics: dict[str, list[ShotMetric]] = {method: [] for method in methods}
        self._infos: list[MetricInfo] = []
        for make in metrics:
            metric = make()
            metric.set_rate(rate)
            self._infos += metric.infos
            unmet = unmet_needs(metric, has_reference=has_reference, has_plate=has_plate, has_mask=has_mask)
            if metric.absence is not None or unmet:
                why = metric.absence or f"there is no {' and no '.join(unmet)}"
                self._absences.setdefault(why, []).extend(info.name for info in metric.infos)
                continue
            # One judged shot a flow engine and a way to look: its motion is measured once for all metrics that use it.
            self._shots.setdefault(self._place(metric), JudgedShot(methods, metric.engine))
            for place, method in enumerate(methods):
                measuring = metric if place == 0 else make()
                measuring.set_rate(rate)
                self._metrics[method].append(measuring)
        names = [info.name for info in self._infos]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ConfigError("metrics that report the same number", found=twice, expected="each name once")

    def _place(self, metric: ShotMetric) -> tuple[str, bool]:
        return metric.engine.name, self._has_view and metric.group in SEEN_GROUPS

    @property
    def infos(self) -> list[MetricInfo]:
        """What is reported, in the order of the metrics, measured or not."""
        return list(self._infos)

    @property
    def curve_infos(self) -> list[MetricInfo]:
        """What is drawn frame by frame."""
        return [info for metric in self._metrics[self.methods[0]] for info in metric.curve_infos]

    def update(
        self,
        results: Mapping[str, Tensor],
        *,
        reference: Tensor | None = None,
        plate: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """Add the next window of the shot, in order, no gap and no overlap.

        ``results`` has one ``t c h w`` in [0, 1] for each method; ``plate`` and
        ``reference`` have that shape, ``mask`` is ``t 1 h w``. ``ConfigError``
        for other methods, ``MediaError`` or ``MaskError`` for frames that do not fit.
        """
        found = {
            name: stack is not None for name, stack in (("reference", reference), ("plate", plate), ("mask", mask))
        }
        if found != self._given:
            raise MediaError(
                "another set of pictures than announced",
                found=", ".join(name for name, there in found.items() if there) or "none",
                expected=", ".join(name for name, there in self._given.items() if there) or "none",
            )
        for place, shot in self._shots.items():
            seen = {method: self._look(frames, place[1]) for method, frames in results.items()}
            beside = {"reference": reference, "plate": plate}
            looked = {name: None if frames is None else self._look(frames, place[1]) for name, frames in beside.items()}
            for judged in shot.frames(seen, mask=mask, **looked):
                for method, frame in judged.items():
                    for metric in self._metrics[method]:
                        if self._place(metric) == place:
                            metric.add(frame)
        num_frames = len(next(iter(results.values())))
        if mask is not None:
            self._num_masked += int(hole_of(mask).flatten(1).any(1).sum())
        self.num_frames += num_frames

    def _look(self, frames: Tensor, as_on_screen: bool) -> Tensor:
        if not self.encoding:
            return frames
        return as_shown(frames, self.encoding) if as_on_screen else as_measured(frames, self.encoding)

    def compute(self) -> tuple[Values, Curves]:
        """``values[method][metric]`` over all frames, and ``curves[method][metric]`` with one number a frame.

        None stands for what is not defined (:meth:`notes` says why). Pair
        curves give the pair of a frame and the one before it: the first is None.
        ``MediaError`` if no frame was added.
        """
        if self.num_frames == 0:
            raise MediaError("nothing was measured: no frame was added", found=0, expected="one frame or more")
        values: Values = {}
        curves: Curves = {}
        for method, metrics in self._metrics.items():
            found = {name: value for metric in metrics for name, value in metric.shot_values().items()}
            values[method] = {info.name: _defined(found.get(info.name, math.nan)) for info in self._infos}
            curves[method] = {
                name: [_defined(value) for value in curve]
                for metric in metrics
                for name, curve in metric.curves.items()
            }
        return values, curves

    def notes(self) -> list[str]:
        """In which encoding was measured, and why values are None; one sentence each."""
        reasons = self._encoding_notes()
        reasons += [f"{', '.join(names)} not measured: {why}" for why, names in self._absences.items()]
        if not self._given["mask"]:
            reasons.append("hole metrics not measured: there is no mask")
        elif self._num_masked == 0:
            reasons.append("hole metrics not defined: the mask is empty")
        values = self.compute()[0][self.methods[0]]
        for metric in self._metrics[self.methods[0]]:
            reasons += metric.reasons([info.name for info in metric.infos if values[info.name] is None])
        return reasons

    def _encoding_notes(self) -> list[str]:
        if not self._has_view:
            return []
        measured = measured_encoding(self.encoding)
        return [
            f"fidelity measured on {measured} codes, perception and steadiness on the view of {self.encoding} "
            f"on a {REVIEW_DISPLAY}"
        ]


def worst_frames(curves: Mapping[str, Sequence[float | None]], num: int = 8, flow: str = "dis") -> list[int]:
    """Frames of one method ranked worst first, counted from 0, ``num`` at most.

    By the lowest ``psnr_hole`` where there was a reference, else by the highest
    ``e_warp_excess_…_hole`` (``e_warp_…_hole`` if the hole is all of the frame);
    without a mask by ``psnr``, else by ``e_warp_…``.
    Frames where that is not defined are left out.
    """
    for template, highest in _WORST_BY:
        curve = curves.get(template.format(flow), ())
        ranked = sorted(
            ((-value if highest else value), place) for place, value in enumerate(curve) if value is not None
        )
        if ranked:
            return [place for _, place in ranked[:num]]
    return []
