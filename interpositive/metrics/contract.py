"""The contract of every metric on frames: one family of numbers a shot, streamed, averaged over shots and ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from interpositive.errors import ConfigError, MaskError, MediaError, TimecodeError
from interpositive.metrics.judged import JudgedFrame, JudgedShot
from interpositive.metrics.pair_motion import DIS, FlowEngine
from interpositive.records.measures import MetricInfo

Curves = dict[str, list[float]]

FIDELITY, PERCEPTION, STEADINESS = "Fidelity to the reference", "To the eye", "Steadiness over time"
UNTOUCHED, MATTES, CAMERA = "Outside the mask", "Mattes", "Camera"
"""The groups that tables are ordered by."""

NEEDS = ("reference", "plate", "mask", "motion")
"""What a metric may need beside the result; motion needs a reference or a plate."""


class Measured(Metric):
    """Named numbers of a shot, reported as means over shots.

    ``infos`` gives each number's name, unit, direction and meaning; ``group`` heads its family in tables. A number that
    is not defined for a shot (NaN: one frame, an empty mask) is left out of its
    mean; with no other shot the mean is NaN. Ranks hold whole shots; sums go across.
    """

    is_differentiable = False
    full_state_update = True
    group: ClassVar[str] = ""
    infos: tuple[MetricInfo, ...]
    shot_totals: Tensor
    num_shots: Tensor

    def __init__(self, infos: Sequence[MetricInfo], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.infos = self._grouped(infos)
        self.add_state("shot_totals", torch.zeros(len(infos), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_shots", torch.zeros(len(infos), dtype=torch.float64), dist_reduce_fx="sum")
        self._ended = ([0.0] * len(infos), [0] * len(infos))
        self._begin()

    def _grouped(self, infos: Sequence[MetricInfo]) -> tuple[MetricInfo, ...]:
        return tuple(info.model_copy(update={"group": self.group}) for info in infos)

    def _begin(self) -> None:
        """Forget the shot that was open."""
        raise NotImplementedError

    def shot_values(self) -> dict[str, float]:
        """The numbers of the open shot so far, by name; NaN where not defined."""
        raise NotImplementedError

    def _through_open(self) -> tuple[list[float], list[int]]:
        values = [self.shot_values()[info.name] for info in self.infos]
        totals = [total + (0.0 if math.isnan(v) else v) for total, v in zip(self._ended[0], values, strict=True)]
        counts = [count + (not math.isnan(v)) for count, v in zip(self._ended[1], values, strict=True)]
        return totals, counts

    def _settle(self) -> None:
        """Let the states say: all ended shots and the open one."""
        totals, counts = self._through_open()
        self.shot_totals.copy_(torch.tensor(totals, dtype=torch.float64))
        self.num_shots.copy_(torch.tensor(counts, dtype=torch.float64))

    def end_shot(self) -> None:
        """Close the open shot: what is added next belongs to another one."""
        self._ended = self._through_open()
        self._begin()

    def reset(self) -> None:
        """Forget everything, the open shot too."""
        super().reset()
        self._ended = ([0.0] * len(self.infos), [0] * len(self.infos))
        self._begin()

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Add up all ranks (torchmetrics calls this)."""
        self._settle()
        super().sync(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Add a window and return the means so far on this rank."""
        self.update(*args, **kwargs)
        self._settle()
        return self._means()

    def compute(self) -> dict[str, Tensor]:
        """Mean over shots of each number, by name; NaN where no shot defines it."""
        if not self._is_synced:
            self._settle()
        return self._means()

    def _means(self) -> dict[str, Tensor]:
        means = torch.where(self.num_shots > 0, self.shot_totals / self.num_shots, torch.nan)
        return {info.name: mean for info, mean in zip(self.infos, means, strict=True)}


class ShotMetric(Measured):
    """A metric on the frames of shots; subclasses say what one frame adds (``_add``) and what follows.

    ``needs`` names what must be given beside the result (of ``NEEDS``).
    ``curve_infos`` describes the numbers given frame by frame. ``absence`` is
    why it cannot be measured on this machine, None if it can.
    Windows of a shot are added in order, with no gap and no overlap, of any
    length; :meth:`end_shot` at each cut. Kept between windows: one frame of
    each picture, sums, and a few numbers a frame.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    absence: str | None = None

    def __init__(
        self,
        infos: Sequence[MetricInfo],
        curve_infos: Sequence[MetricInfo] = (),
        *,
        engine: FlowEngine = DIS,
        rate: Fraction | None = None,
        **kwargs: Any,
    ) -> None:
        """``rate`` is that of the shots, in frames per second; metrics that need none do without."""
        self.curve_infos = self._grouped(curve_infos)
        self.engine = engine
        self.set_rate(rate)
        super().__init__(infos, **kwargs)

    def set_rate(self, rate: Fraction | None) -> None:
        """Say how many frames a second the next shot has; ``TimecodeError`` unless above 0."""
        if rate is not None and rate <= 0:
            raise TimecodeError("no such frame rate", found=rate, expected="frames per second above 0")
        self._rate = rate

    @property
    def rate(self) -> Fraction:
        """Frames per second; ``ConfigError`` if nobody gave it."""
        if self._rate is None:
            raise ConfigError(f"{self.infos[0].name} needs the frame rate", found=None, expected="rate=Fraction(…)")
        return self._rate

    def _begin(self) -> None:
        self._shot = JudgedShot(["result"], self.engine)
        self.num_frames = 0
        self.curves: Curves = {info.name: [] for info in self.curve_infos}
        self._begin_shot()

    def _begin_shot(self) -> None:
        """Forget the sums of the shot that was open."""
        raise NotImplementedError

    def _add(self, frame: JudgedFrame) -> None:
        """Take in one frame, and put one number into each curve."""
        raise NotImplementedError

    def add(self, frame: JudgedFrame) -> None:
        """Take in the next judged frame of the open shot (what a shot meter calls)."""
        self._add(frame)
        self.num_frames += 1

    def reasons(self, absent: Sequence[str]) -> list[str]:
        """Why these numbers of the open shot are not defined, as far as this metric alone can know."""
        whole = ", ".join(name for name in absent if not name.endswith("_hole"))
        if not whole:
            return []
        why = "the shot has one frame" if self.num_frames == 1 else f"not for this shot of {self.num_frames} frames"
        return [f"{whole} not defined: {why}"]

    def update(
        self,
        result: Tensor,
        reference: Tensor | None = None,
        *,
        plate: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """Add the open shot's next window: ``t c h w`` in [0, 1], the mask ``t 1 h w``.

        ``MediaError`` or ``MaskError`` for frames that do not fit or for what is needed and not given.
        """
        given = {"reference": reference, "plate": plate, "mask": mask}
        given["motion"] = plate if reference is None else reference
        for need in sorted(self.needs):
            if given[need] is None:
                kind = MaskError if need == "mask" else MediaError
                expected = "a reference or a plate" if need == "motion" else f"a {need}"
                raise kind(f"{self.infos[0].name} cannot be measured without {expected}", found=None, expected=expected)
        for judged in self._shot.frames({"result": result}, reference=reference, plate=plate, mask=mask):
            self.add(judged["result"])


MakeMetric = Callable[[], ShotMetric]
"""What makes a fresh metric for a shot; a class whose arguments all have defaults is one."""


def unmet_needs(metric: ShotMetric, *, has_reference: bool, has_plate: bool, has_mask: bool) -> list[str]:
    """What a metric needs and will not get, in words."""
    given = {"reference": has_reference, "plate": has_plate, "mask": has_mask, "motion": has_reference or has_plate}
    words = {"reference": "clean reference", "motion": "clean reference or plate to measure motion on"}
    return [words.get(need, need) for need in NEEDS if need in metric.needs and not given[need]]
